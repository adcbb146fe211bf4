INSERT INTO alert (kind, state, ready, raised_at, term_id, exec_id, severity,
                   risk_score, summary)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);
