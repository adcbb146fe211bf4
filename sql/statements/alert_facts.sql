UPDATE alert SET facts = ?2 WHERE alert_id = ?1;
