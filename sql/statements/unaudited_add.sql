-- OR IGNORE does not cover foreign keys: the term may be pruned by now.
INSERT INTO unaudited_exec (term_id, at, pid, executable, args, uid)
SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE EXISTS (SELECT 1 FROM term WHERE term_id = ?1);
