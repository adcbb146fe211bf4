UPDATE sighting
SET seen_count = seen_count + ?4, last_seen = max(last_seen, ?5)
WHERE term_id = ?1 AND executable = ?2 AND uid = ?3;
