UPDATE alert SET ready = 1, facts = ?2 WHERE alert_id = ?1;
