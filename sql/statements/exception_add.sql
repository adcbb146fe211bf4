INSERT INTO exception_hit (text, hits, last_hit) VALUES (?1, ?2, ?3)
ON CONFLICT (text) DO UPDATE SET
  hits = hits + excluded.hits,
  last_hit = max(last_hit, excluded.last_hit);
