-- The doctor's.
SELECT text, hits, last_hit FROM exception_hit ORDER BY text;
