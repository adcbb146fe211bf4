-- Rows go in the order in which they came.
DELETE FROM missed_exec
WHERE missed_id <= (SELECT max(missed_id) FROM missed_exec) - ?1;
