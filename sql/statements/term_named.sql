-- The self-test's: a term stored since term ?1 was the latest, whatever the
-- other new_terms_fields; and its latest alert.
SELECT term.term_id, term.state, term.origin, alert.alert_id,
       CASE WHEN alert.state = 'capped' THEN 'capped'
            WHEN EXISTS (SELECT 1 FROM pending_alert
                         WHERE pending_alert.alert_id = alert.alert_id)
              THEN 'pending'
            WHEN alert.alert_id IS NOT NULL THEN 'sent' END,
       alert_exec.capture, alert_exec.audit_id
FROM term
LEFT JOIN alert ON alert.alert_id = (
  SELECT max(alert_id) FROM alert WHERE alert.term_id = term.term_id)
LEFT JOIN alert_exec ON alert_exec.exec_id = alert.exec_id
WHERE term.term_id > ?1 AND term.variable = ?2 AND term.value = ?3
LIMIT 1;
