-- The doctor's: one day's coverage.
SELECT captured_at_exec, captured_late, unaudited,
       missed_exited + missed_denied + missed_replaced + missed_unreadable
FROM coverage
WHERE day = ?1;
