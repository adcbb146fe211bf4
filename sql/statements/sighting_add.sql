-- Nothing happens when the term is gone.
INSERT INTO sighting (term_id, executable, uid, seen_count, first_seen,
                      last_seen)
SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE EXISTS (SELECT 1 FROM term WHERE term_id = ?1);
