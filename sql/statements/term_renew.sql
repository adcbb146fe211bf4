-- A term that is new again: unseen for long, or only excepted before.
UPDATE term
SET state = ?2,
    last_seen = max(last_seen, ?3),
    seen_count = seen_count + 1,
    last_counted = max(coalesce(last_counted, ?3), ?3)
WHERE term_id = ?1;
