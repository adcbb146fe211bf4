-- At most ?2.
SELECT count(*) FROM (SELECT 1 FROM sighting WHERE term_id = ?1 LIMIT ?2);
