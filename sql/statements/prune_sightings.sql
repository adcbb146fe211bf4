DELETE FROM sighting
WHERE sighting_id IN (SELECT sighting_id FROM sighting
                      WHERE last_seen < ?1 ORDER BY last_seen LIMIT ?2);
