UPDATE alert SET state = 'direct', ready = 1 WHERE alert_id = ?1;
