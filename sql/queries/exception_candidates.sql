-- Which values could be excepted? Those that root used often and over many
-- days, and whose libraries were examined at the alert and could be changed by
-- root alone. Prints lines for /etc/audit/audisp-preload.conf. Read each before
-- you use it: an excepted value raises no alert for any user.
--
--   sqlite3 -readonly -list -noheader /var/lib/audisp-preload/history.db \
--     < exception_candidates.sql
--
-- Parameters: used at least :seen times (20) over at least :days days (7):
--
--   sqlite3 -readonly -list -noheader -cmd '.parameter set :days 30' \
--     /var/lib/audisp-preload/history.db < exception_candidates.sql
WITH by_root AS (
  SELECT term_id, sum(seen_count) AS seen, min(first_seen) AS since,
         max(last_seen) AS until, count(*) AS programs
  FROM sighting
  WHERE uid = 0
  GROUP BY term_id
)
SELECT '# used by root ' || by_root.seen || ' times since '
       || date(by_root.since / 1000000, 'unixepoch') || ' with '
       || by_root.programs || ' programs' || char(10)
       || 'exception = process.env_vars:"' || term.variable || '='
       || replace(term.value, '"', '\"') || '"' AS line
FROM term JOIN by_root USING (term_id)
WHERE by_root.seen >= CAST(coalesce(:seen, 20) AS INTEGER)
  AND by_root.until - by_root.since
      >= 86400000000 * CAST(coalesce(:days, 7) AS INTEGER)
  AND term.state <> 'excepted'
  AND term.variable <> 'ld.so.preload'
  -- Not values with bytes that are shown as \xNN.
  AND instr(replace(term.variable || term.value, '\\', ''), '\') = 0
  -- Not in directories that any user can write.
  AND NOT term.value GLOB '*/tmp/*'
  AND NOT term.value GLOB '*/dev/shm/*'
  AND NOT term.value GLOB '*/home/*'
  AND EXISTS (SELECT 1 FROM alert
              WHERE alert.term_id = term.term_id
                AND json_array_length(alert.facts, '$.libraries') > 0)
  AND NOT EXISTS (
    SELECT 1
    FROM alert JOIN json_each(alert.facts, '$.libraries') AS library
    WHERE alert.term_id = term.term_id
      AND (json_extract(library.value, '$.writable_by_others')
           OR json_extract(library.value, '$.owner') <> 0))
ORDER BY by_root.seen DESC;
