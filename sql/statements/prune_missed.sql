-- The oldest rows have the lowest ids.
DELETE FROM missed_exec
WHERE missed_id IN (SELECT missed_id FROM missed_exec
                    ORDER BY missed_id LIMIT ?2)
  AND at < ?1;
