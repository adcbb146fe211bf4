SELECT value FROM meta WHERE key = 'terms';
