INSERT OR IGNORE INTO meta (key, value) VALUES (?1, ?2);
