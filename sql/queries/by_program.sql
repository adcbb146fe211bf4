-- Which programs run with watched values, with how many different ones, and
-- which is the newest? Programs with the most values first.
--
--   sqlite3 -box -readonly /var/lib/audisp-preload/history.db < by_program.sql
SELECT executable,
       count(DISTINCT term_id) AS "values",
       count(DISTINCT user) AS users,
       sum(seen_count) AS seen,
       max(last_seen) AS last_seen,
       newest AS newest_value,
       newest_at
FROM (SELECT *,
             first_value(variable || '=' || value) OVER latest AS newest,
             first_value(first_seen) OVER latest AS newest_at
      FROM sightings
      WINDOW latest AS (PARTITION BY executable ORDER BY first_seen DESC))
GROUP BY executable
ORDER BY "values" DESC, seen DESC;
