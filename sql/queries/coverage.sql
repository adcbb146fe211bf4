-- How many execs were seen on each day, and how many were missed? `percent` is
-- the share that was seen; a bar of full length is 100 %. The columns on the
-- right count the missed execs by reason.
--
--   sqlite3 -box -readonly /var/lib/audisp-preload/history.db < coverage.sql
SELECT coverage_by_day.*,
       replace(hex(zeroblob(CAST(percent / 5 AS INTEGER))), '00', '█') AS bar,
       missed_exited AS exited,
       missed_denied AS denied,
       missed_replaced AS replaced,
       missed_unreadable AS unreadable
FROM coverage_by_day
JOIN coverage
  ON coverage.day = unixepoch(coverage_by_day.day) / 86400
ORDER BY coverage_by_day.day;
