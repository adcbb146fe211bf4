INSERT INTO missed_exec (at, reason, executable, args, pid, uid, audit_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);
