DELETE FROM unaudited_exec
WHERE unaudited_id <= (SELECT max(unaudited_id) FROM unaudited_exec) - ?1;
