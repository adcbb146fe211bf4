DELETE FROM unaudited_exec
WHERE unaudited_id IN (SELECT unaudited_id FROM unaudited_exec
                       ORDER BY unaudited_id LIMIT ?2)
  AND at < ?1;
