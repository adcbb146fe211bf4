SELECT sighting_id FROM sighting
WHERE term_id = ?1 AND executable = ?2 AND uid = ?3;
