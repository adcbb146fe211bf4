-- How much was seen, day by day, and what was missed? `percent` is of execs
-- that ran; a bar of full length is all of them. The right columns say why the
-- rest was missed.
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
