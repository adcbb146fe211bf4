SELECT count(*) FROM term WHERE state = ?1;
