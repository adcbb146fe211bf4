-- The relay's: queued alerts after ?1, in order, at most ?2. One that is not
-- ready ends the read.
SELECT alert.alert_id, alert.kind, alert.raised_at, alert.severity,
       alert.risk_score, alert.facts, alert.summary,
       term.digest, term.variable, term.value, term.value_bytes,
       alert.exec_id, alert_exec.event_at, alert_exec.pid, alert_exec.detail,
       alert.ready, user.name, login.name
FROM alert
LEFT JOIN term ON term.term_id = alert.term_id
LEFT JOIN alert_exec ON alert_exec.exec_id = alert.exec_id
LEFT JOIN user ON user.uid = alert_exec.uid
LEFT JOIN user AS login ON login.uid = alert_exec.auid
WHERE alert.state = 'queued' AND alert.alert_id > ?1
ORDER BY alert.alert_id
LIMIT ?2;
