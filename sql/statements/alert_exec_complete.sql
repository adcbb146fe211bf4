-- What audit told of an exec that was stored as unaudited. What it did not tell
-- stays: an empty text, an id that is not set.
UPDATE alert_exec
SET audit_id = ?3,
    executable = coalesce(nullif(?4, ''), executable),
    args = coalesce(nullif(?5, ''), args),
    uid = coalesce(nullif(?6, 4294967295), uid),
    auid = coalesce(nullif(?7, 4294967295), auid),
    capture = ?8,
    detail = json_patch(
      json_remove(detail, '$.origin',
                  iif(?5 = '', '$.origin', '$.argv_truncated')),
      ?9)
WHERE exec_ns = ?1 AND pid = ?2 AND audit_id IS NULL;
