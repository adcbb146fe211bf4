-- Which users run programs with watched values, with how many different ones,
-- and how many of these has no other user used?
--
--   sqlite3 -box -readonly /var/lib/audisp-preload/history.db < by_user.sql
WITH use AS (
  SELECT uid, term_id, count(*) AS programs, sum(seen_count) AS seen,
         max(last_seen) AS last_seen
  FROM sighting GROUP BY uid, term_id
), alone AS (
  SELECT term_id FROM use GROUP BY term_id HAVING count(*) = 1
)
SELECT coalesce(user.name, CAST(use.uid AS TEXT)) AS user,
       count(*) AS "values",
       count(alone.term_id) AS only_theirs,
       sum(use.programs) AS uses,
       sum(use.seen) AS seen,
       strftime('%Y-%m-%dT%H:%M:%SZ', max(use.last_seen) / 1000000,
                'unixepoch') AS last_seen
FROM use
LEFT JOIN alone USING (term_id)
LEFT JOIN user ON user.uid = use.uid
GROUP BY use.uid
ORDER BY only_theirs DESC, "values" DESC;
