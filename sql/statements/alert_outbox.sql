SELECT alert.alert_id, alert.kind, alert.raised_at, alert.severity,
       alert.risk_score, alert.facts, alert.summary,
       term.digest, term.variable, term.value, term.value_bytes, term.context,
       alert.exec_id, alert_exec.event_at, alert_exec.pid, alert_exec.detail
FROM alert
LEFT JOIN term ON term.term_id = alert.term_id
LEFT JOIN alert_exec ON alert_exec.exec_id = alert.exec_id
WHERE alert.state = 'pending' AND alert.alert_id > ?1
ORDER BY alert.alert_id
LIMIT ?2;
