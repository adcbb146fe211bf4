-- last_counted is NULL for a term that only ever was excepted.
SELECT term_id, last_counted FROM term WHERE digest = ?1;
