-- The self-test's: was it stored, and was its alert raised?
SELECT term.term_id, term.seen_count, alert.alert_id, alert.state,
       alert.raised_at
FROM term
LEFT JOIN alert ON alert.term_id = term.term_id
WHERE term.digest = ?1
ORDER BY alert.alert_id DESC
LIMIT 1;
