-- Nothing happens when the term has ?5 sightings already.
INSERT INTO sighting (term_id, executable, uid, first_seen, last_seen,
                      seen_count)
SELECT ?1, ?2, ?3, ?4, ?4, 1
WHERE (SELECT count(*)
       FROM (SELECT 1 FROM sighting WHERE term_id = ?1 LIMIT ?5)) < ?5;
