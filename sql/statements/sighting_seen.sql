UPDATE sighting
SET seen_count = seen_count + ?2, last_seen = max(last_seen, ?3)
WHERE sighting_id = ?1;
