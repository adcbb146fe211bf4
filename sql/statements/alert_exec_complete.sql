-- What audit told of an exec that was stored as unaudited.
UPDATE alert_exec
SET audit_id = ?3, executable = ?4, args = ?5, uid = ?6, auid = ?7,
    capture = ?8, detail = ?9
WHERE exec_ns = ?1 AND pid = ?2 AND audit_id IS NULL;
