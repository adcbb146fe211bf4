-- ?1: the names of those that stay, a JSON array.
UPDATE sink SET configured = 0
WHERE name NOT IN (SELECT value FROM json_each(?1));
