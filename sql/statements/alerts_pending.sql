-- The doctor's: how many wait for a sink, and since when.
SELECT count(*), min(raised_at) FROM pending_alert;
