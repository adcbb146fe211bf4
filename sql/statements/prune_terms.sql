-- Sightings and alerts go first, so little is left for the cascade. A term
-- with an alert that no sink has taken yet stays.
DELETE FROM term
WHERE term_id IN (SELECT term_id FROM term
                  WHERE last_seen < ?1
                    AND NOT EXISTS (SELECT 1 FROM pending_alert
                                    WHERE pending_alert.term_id = term.term_id)
                  ORDER BY last_seen LIMIT ?2);
