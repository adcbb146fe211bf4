-- Up to ?2: what is beyond does not matter.
SELECT count(*) FROM (SELECT 1 FROM sighting WHERE term_id = ?1 LIMIT ?2);
