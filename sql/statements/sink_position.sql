UPDATE sink SET cursor = ?2 WHERE name = ?1 AND cursor < ?2;
