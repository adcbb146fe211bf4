-- Which values could be excepted? Those that root itself used, often and over
-- many days, and of which no library was found in the hands of others. Ready
-- lines for /etc/audit/audisp-preload.conf. Read each before you use it: what
-- is excepted raises no alert again, whoever uses it.
--
--   sqlite3 -readonly -list -noheader /var/lib/audisp-preload/history.db \
--     < exception_candidates.sql
--
-- At least :seen times (20) over at least :days days (7):
--
--   sqlite3 -readonly -list -noheader -cmd '.parameter set :days 30' \
--     /var/lib/audisp-preload/history.db < exception_candidates.sql
SELECT '# seen ' || term.seen_count || ' times since '
       || date(term.first_seen / 1000000, 'unixepoch') || ' by '
       || (SELECT count(*) FROM (SELECT DISTINCT executable FROM sighting
                                 WHERE term_id = term.term_id))
       || ' programs' || char(10)
       || 'exception = process.env_vars:"' || term.variable || '='
       || replace(term.value, '"', '\"') || '"' AS line
FROM term
WHERE term.seen_count >= CAST(coalesce(:seen, 20) AS INTEGER)
  AND term.last_seen - term.first_seen
      >= 86400000000 * CAST(coalesce(:days, 7) AS INTEGER)
  AND term.state <> 'excepted'
  AND term.variable <> 'ld.so.preload'
  -- A literal has no form for bytes that are shown as \xNN.
  AND instr(replace(term.variable || term.value, '\\', ''), '\') = 0
  AND EXISTS (SELECT 1 FROM sighting
              WHERE sighting.term_id = term.term_id AND sighting.uid = 0)
  -- Places that anybody can fill.
  AND NOT term.value GLOB '*/tmp/*'
  AND NOT term.value GLOB '*/dev/shm/*'
  AND NOT term.value GLOB '*/home/*'
  AND NOT EXISTS (
    SELECT 1
    FROM alert JOIN json_each(alert.facts, '$.libraries') AS library
    WHERE alert.term_id = term.term_id
      AND (json_extract(library.value, '$.writable_by_others')
           OR json_extract(library.value, '$.owner') <> 0))
ORDER BY term.seen_count DESC;
