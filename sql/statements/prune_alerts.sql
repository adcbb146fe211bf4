-- Not those that are pending.
DELETE FROM alert
WHERE alert_id IN (SELECT alert_id FROM alert
                   WHERE raised_at < ?1
                     AND (state <> 'queued'
                          OR alert_id <= coalesce((SELECT min(cursor) FROM sink
                                                   WHERE configured),
                                                  alert_id))
                   ORDER BY raised_at LIMIT ?2);
