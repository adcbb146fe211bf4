-- A sink that was not configured before begins after the newest alert.
INSERT INTO sink (name, configured, cursor)
VALUES (?1, 1, coalesce((SELECT max(alert_id) FROM alert), 0))
ON CONFLICT (name) DO UPDATE
SET configured = 1, cursor = excluded.cursor
WHERE configured = 0;
