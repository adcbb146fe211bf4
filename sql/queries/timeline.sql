-- How many values were new on each day, and how many alerts were raised? The
-- longest bar is the day with the most new values. The last 30 days, or :days.
--
--   sqlite3 -box -readonly /var/lib/audisp-preload/history.db < timeline.sql
--
--   sqlite3 -box -readonly -cmd '.parameter set :days 7' \
--     /var/lib/audisp-preload/history.db < timeline.sql
WITH RECURSIVE day (number) AS (
  SELECT unixepoch('now') / 86400
  UNION ALL
  SELECT number - 1 FROM day
  LIMIT max(1, CAST(coalesce(:days, 30) AS INTEGER))
), of_terms AS (
  SELECT first_seen / 86400000000 AS number, count(*) AS n
  FROM term GROUP BY 1
), of_alerts AS (
  SELECT raised_at / 86400000000 AS number, count(*) AS n
  FROM alert WHERE kind = 'new_term' GROUP BY 1
), counted AS (
  SELECT day.number, coalesce(of_terms.n, 0) AS new_values,
         coalesce(of_alerts.n, 0) AS alerts
  FROM day
  LEFT JOIN of_terms USING (number)
  LEFT JOIN of_alerts USING (number)
)
SELECT date(number * 86400, 'unixepoch') AS day, new_values,
       replace(hex(zeroblob(
         (40 * new_values + top - 1) / top)), '00', '█') AS bar,
       alerts
FROM counted, (SELECT max(1, max(new_values)) AS top FROM counted)
ORDER BY day;
