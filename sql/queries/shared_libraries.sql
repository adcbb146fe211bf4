-- Which libraries and directories are named by more than one value? This finds
-- values that differ only in padding, in order, or in other names beside one.
--
--   sqlite3 -box -readonly /var/lib/audisp-preload/history.db \
--     < shared_libraries.sql
WITH RECURSIVE part (term_id, name, rest) AS (
  -- Separators of ld.so: blanks, colons and, in paths, semicolons.
  SELECT term_id, '',
         replace(replace(value, ' ', ':'), ';', ':') || ':'
  FROM term
  WHERE variable GLOB 'LD_*' OR variable = 'ld.so.preload'
  UNION ALL
  SELECT term_id, substr(rest, 1, instr(rest, ':') - 1),
         substr(rest, instr(rest, ':') + 1)
  FROM part
  WHERE rest <> ''
)
SELECT part.name AS library,
       count(*) AS "values",
       group_concat(DISTINCT term.variable) AS variables,
       strftime('%Y-%m-%dT%H:%M:%SZ', min(term.first_seen) / 1000000,
                'unixepoch') AS first_seen,
       substr(group_concat(term.value, char(10)), 1, 500) AS examples
FROM (SELECT DISTINCT name, term_id FROM part WHERE name <> '') AS part
JOIN term USING (term_id)
GROUP BY part.name
HAVING count(*) > 1
ORDER BY "values" DESC, library;
