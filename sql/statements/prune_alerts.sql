DELETE FROM alert
WHERE alert_id IN (SELECT alert_id FROM alert
                   WHERE state <> 'pending' AND raised_at < ?1
                   ORDER BY raised_at LIMIT ?2);
