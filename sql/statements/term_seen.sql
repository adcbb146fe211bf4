-- Batched sightings: ?2 of them, the last at ?3, the last that was not
-- excepted at ?4 or NULL.
UPDATE term
SET seen_count = seen_count + ?2,
    last_seen = max(last_seen, ?3),
    last_counted = max(coalesce(last_counted, ?4), coalesce(?4, last_counted))
WHERE term_id = ?1;
