UPDATE alert SET ready = 1 WHERE ready = 0;
