UPDATE alert SET state = 'sent' WHERE alert_id = ?1 AND state = 'pending';
