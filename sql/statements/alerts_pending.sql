SELECT count(*) FROM alert WHERE state = 'pending';
