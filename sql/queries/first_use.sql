-- Who first used a value, where and how? One line for each value that contains
-- :value (by default all values).
--
--   sqlite3 -box -readonly -cmd ".parameter set :value '/tmp/'" \
--     /var/lib/audisp-preload/history.db < first_use.sql
--
-- A value with blanks or quotes goes between "'" and "'". Bytes that are not
-- printable are written as they are shown: \x1b.
SELECT first_seen.first_seen, first_seen.variable, first_seen.value,
       first_seen.first_user AS user, first_seen.first_executable AS executable,
       alert_exec.args,
       json_extract(alert_exec.detail, '$.cwd') AS cwd,
       json_extract(alert_exec.detail, '$.parent_executable') AS parent,
       json_extract(alert_exec.detail, '$.tty') AS tty
FROM first_seen
LEFT JOIN alert_exec ON alert_exec.exec_id = (
  SELECT exec_id FROM alert
  WHERE alert.term_id = first_seen.term_id
  ORDER BY alert_id LIMIT 1)
WHERE instr(first_seen.value, coalesce(:value, '')) > 0
ORDER BY first_seen.first_seen;
