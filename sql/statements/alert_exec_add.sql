INSERT INTO alert_exec (event_at, pid, audit_id, executable, args, uid, auid,
                        capture, detail)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);
