INSERT INTO coverage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (day) DO UPDATE SET
  captured_at_exec = captured_at_exec + excluded.captured_at_exec,
  captured_late = captured_late + excluded.captured_late,
  unaudited = unaudited + excluded.unaudited,
  missed_exited = missed_exited + excluded.missed_exited,
  missed_denied = missed_denied + excluded.missed_denied,
  missed_replaced = missed_replaced + excluded.missed_replaced,
  missed_unreadable = missed_unreadable + excluded.missed_unreadable;
