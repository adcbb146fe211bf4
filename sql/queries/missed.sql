-- Which programs were missed, and why? Counts the latest 10,000 missed execs.
--
--   sqlite3 -box -readonly /var/lib/audisp-preload/history.db < missed.sql
SELECT reason, executable, count(*) AS execs, count(DISTINCT user) AS users,
       max(at) AS latest, audit_id AS latest_audit_id
FROM missed_execs
GROUP BY reason, executable
ORDER BY execs DESC;
