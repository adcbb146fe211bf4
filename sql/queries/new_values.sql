-- Which values are new today, or in the last days? Newest first.
--
--   sqlite3 -box -readonly /var/lib/audisp-preload/history.db < new_values.sql
--
-- In the last 7 days (:days is 0 by default: since midnight UTC):
--
--   sqlite3 -box -readonly -cmd '.parameter set :days 7' \
--     /var/lib/audisp-preload/history.db < new_values.sql
SELECT first_seen, variable, value, first_user, first_executable, seen_count,
       origin
FROM first_seen
WHERE term_id IN (
  SELECT term_id FROM term
  WHERE first_seen >= 1000000 * CAST(strftime('%s', 'now', 'start of day',
    '-' || CAST(coalesce(:days, 0) AS INTEGER) || ' days') AS INTEGER))
ORDER BY first_seen DESC;
