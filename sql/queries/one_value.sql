-- Everything known about one value, in order of time: when it was first seen,
-- which programs and users used it, which alerts it raised, and the facts about
-- its libraries.
--
--   sqlite3 -box -readonly -cmd ".parameter set :value '/tmp/x.so'" \
--     /var/lib/audisp-preload/history.db < one_value.sql
--
-- :value is the whole value, as it is shown. A value with blanks or quotes goes
-- between "'" and "'".
WITH chosen AS (
  SELECT * FROM term WHERE value = CAST(:value AS TEXT)
), story (at, what, variable, who, executable, detail) AS (
  SELECT chosen.first_seen, 'first seen', chosen.variable,
         coalesce(user.name, chosen.first_uid), chosen.first_executable,
         'origin ' || chosen.origin || ', state ' || chosen.state || ', seen '
         || chosen.seen_count || ' times'
  FROM chosen LEFT JOIN user ON user.uid = chosen.first_uid
  UNION ALL
  SELECT sighting.first_seen, 'used by', chosen.variable,
         coalesce(user.name, sighting.uid), sighting.executable,
         sighting.seen_count || ' times until '
         || strftime('%Y-%m-%dT%H:%M:%SZ', sighting.last_seen / 1000000,
                     'unixepoch')
  FROM chosen
  JOIN sighting USING (term_id)
  LEFT JOIN user ON user.uid = sighting.uid
  UNION ALL
  SELECT alert.raised_at, 'alert ' || alert.alert_id || ' ' || recent.state,
         chosen.variable, coalesce(user.name, alert_exec.uid),
         alert_exec.executable,
         alert_exec.args || coalesce('  cwd='
           || json_extract(alert_exec.detail, '$.cwd'), '')
         || coalesce('  audit=' || alert_exec.audit_id, '')
  FROM chosen
  JOIN alert USING (term_id)
  JOIN recent_alerts AS recent USING (alert_id)
  JOIN alert_exec USING (exec_id)
  LEFT JOIN user ON user.uid = alert_exec.uid
  UNION ALL
  SELECT alert.raised_at, 'library of alert ' || alert.alert_id,
         chosen.variable, 'owner ' || coalesce(user.name,
           json_extract(library.value, '$.owner')),
         coalesce(nullif(json_extract(library.value, '$.path'), ''),
                  json_extract(library.value, '$.named')),
         CASE json_extract(library.value, '$.exists') WHEN 1 THEN 'exists'
              WHEN 0 THEN 'does not exist' ELSE 'not found' END
         || iif(json_extract(library.value, '$.mode') IS NULL, '',
                printf(', mode %04o', json_extract(library.value, '$.mode')))
         || CASE WHEN json_extract(library.value, '$.writable_by_others')
                 THEN ', writable by others' ELSE '' END
         || CASE WHEN json_extract(library.value, '$.mapped')
                 THEN ', mapped' ELSE '' END
         || coalesce(', sha256 ' || json_extract(library.value, '$.sha256'),
                     '')
  FROM chosen
  JOIN alert USING (term_id)
  JOIN json_each(alert.facts, '$.libraries') AS library
  LEFT JOIN user ON user.uid = json_extract(library.value, '$.owner')
  UNION ALL
  SELECT last_seen, 'last seen', variable, NULL, NULL, NULL FROM chosen
)
SELECT strftime('%Y-%m-%dT%H:%M:%SZ', at / 1000000, 'unixepoch') AS at,
       what, variable, who, executable, detail
FROM story
ORDER BY story.at, what <> 'first seen', what = 'last seen';
