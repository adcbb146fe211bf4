-- The lowest ids are the oldest rows.
DELETE FROM missed_exec
WHERE missed_id <= (SELECT max(missed_id) FROM missed_exec) - ?1;
