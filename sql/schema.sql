-- Times are microseconds since the epoch, UTC. Text that
-- came from a process is in the escaped form: what is not printable UTF-8 is
-- written \xNN, a backslash \\ - valid text that loses nothing.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('terms', 0);

-- The latest name of each user that is known.
CREATE TABLE user (
  uid INTEGER PRIMARY KEY,
  name TEXT NOT NULL              -- escaped
) STRICT;

INSERT INTO user (uid, name) VALUES (4294967295, 'unset');

CREATE TABLE term (
  term_id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE     -- SHA-256, the identity of the term
    CHECK (length(digest) = 32),
  variable TEXT NOT NULL,         -- escaped
  value TEXT NOT NULL,            -- escaped
  value_bytes BLOB,               -- exact bytes; NULL: the same as value
  context TEXT,                   -- other new_terms_fields: JSON array
  state TEXT NOT NULL,            -- alerted, capped, learned, excepted,
                                  -- baseline, recorded
  origin TEXT NOT NULL,           -- exec, unaudited, inventory,
                                  -- ld.so-option, ld.so.preload
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  seen_count INTEGER NOT NULL,
  last_counted INTEGER,           -- last sighting that was not excepted
  first_executable TEXT NOT NULL, -- escaped
  first_uid INTEGER NOT NULL
) STRICT;

CREATE INDEX term_last_seen ON term (last_seen);

-- So that the number of terms is a look-up, whatever their number.
CREATE TRIGGER term_added AFTER INSERT ON term BEGIN
  UPDATE meta SET value = value + 1 WHERE key = 'terms';
END;

CREATE TRIGGER term_removed AFTER DELETE ON term BEGIN
  UPDATE meta SET value = value - 1 WHERE key = 'terms';
END;

CREATE TABLE sighting (
  sighting_id INTEGER PRIMARY KEY,
  term_id INTEGER NOT NULL REFERENCES term ON DELETE CASCADE,
  executable TEXT NOT NULL,       -- escaped
  uid INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  seen_count INTEGER NOT NULL,
  UNIQUE (term_id, executable, uid)
) STRICT;

CREATE INDEX sighting_last_seen ON sighting (last_seen);

-- An exec that raised alerts, once however many they are: the values of one
-- environment can be many and large.
CREATE TABLE alert_exec (
  exec_id INTEGER PRIMARY KEY,
  event_at INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  audit_id TEXT,                  -- for ausearch -a; NULL: no audit event
  executable TEXT NOT NULL,       -- escaped
  args TEXT NOT NULL,             -- escaped command line
  uid INTEGER NOT NULL,
  auid INTEGER NOT NULL,
  capture TEXT NOT NULL,          -- exec, late
  detail TEXT NOT NULL            -- the whole event: JSON
) STRICT;

-- An id is never used again.
CREATE TABLE alert (
  alert_id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,             -- new_term, summary
  state TEXT NOT NULL,            -- queued: for the sinks, in order of id;
                                  -- direct: was sent without the queue;
                                  -- capped: is not sent
  ready INTEGER NOT NULL,         -- 0: its facts are still looked up
  raised_at INTEGER NOT NULL,
  term_id INTEGER REFERENCES term ON DELETE CASCADE,
  exec_id INTEGER REFERENCES alert_exec,
  severity TEXT NOT NULL,
  risk_score INTEGER NOT NULL,
  facts TEXT,                     -- what was looked up about it: JSON
  summary TEXT                    -- of a summary
) STRICT;

CREATE INDEX alert_queued ON alert (alert_id) WHERE state = 'queued';
CREATE INDEX alert_not_ready ON alert (alert_id) WHERE ready = 0;
CREATE INDEX alert_raised ON alert (raised_at);
CREATE INDEX alert_term ON alert (term_id);
CREATE INDEX alert_of_exec ON alert (exec_id);

-- The outputs. Queued alerts above the lowest cursor of a configured one are
-- pending, and those up to it sent; all are sent when none is configured.
CREATE TABLE sink (
  name TEXT PRIMARY KEY,
  configured INTEGER NOT NULL,    -- 1 = an output of the configuration
  cursor INTEGER NOT NULL         -- it has taken all alerts up to this id
) STRICT, WITHOUT ROWID;

CREATE TRIGGER alert_removed AFTER DELETE ON alert BEGIN
  DELETE FROM alert_exec
  WHERE exec_id = OLD.exec_id
    AND NOT EXISTS (SELECT 1 FROM alert WHERE alert.exec_id = OLD.exec_id);
END;

CREATE TABLE coverage (
  day INTEGER PRIMARY KEY,        -- since the epoch, UTC
  captured_at_exec INTEGER NOT NULL,
  captured_late INTEGER NOT NULL,
  unaudited INTEGER NOT NULL,
  missed_exited INTEGER NOT NULL,
  missed_denied INTEGER NOT NULL,
  missed_replaced INTEGER NOT NULL,
  missed_unreadable INTEGER NOT NULL
) STRICT;

-- The latest 10,000.
CREATE TABLE missed_exec (
  missed_id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  reason TEXT NOT NULL,           -- exited, denied, replaced, unreadable
  executable TEXT NOT NULL,       -- escaped, cut at 1 KiB
  args TEXT NOT NULL,             -- escaped command line, cut at 1 KiB
  pid INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  audit_id TEXT
) STRICT;

-- The latest 10,000, one for each watched value.
CREATE TABLE unaudited_exec (
  unaudited_id INTEGER PRIMARY KEY,
  term_id INTEGER NOT NULL REFERENCES term ON DELETE CASCADE,
  at INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  executable TEXT NOT NULL,       -- escaped, cut at 1 KiB
  args TEXT NOT NULL,             -- escaped command line, cut at 1 KiB
  uid INTEGER NOT NULL
) STRICT;

CREATE INDEX unaudited_exec_term ON unaudited_exec (term_id);

CREATE TABLE exception_hit (
  text TEXT PRIMARY KEY,          -- the exception as configured, escaped
  hits INTEGER NOT NULL,
  last_hit INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What analysts use. The columns are stable.

CREATE VIEW first_seen AS
SELECT term.term_id,
       term.variable,
       term.value,
       strftime('%Y-%m-%dT%H:%M:%fZ', term.first_seen / 1000 / 1000.0,
                'unixepoch') AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%fZ', term.last_seen / 1000 / 1000.0,
                'unixepoch') AS last_seen,
       term.seen_count,
       term.first_executable,
       coalesce(user.name, CAST(term.first_uid AS TEXT)) AS first_user,
       term.origin
FROM term
LEFT JOIN user ON user.uid = term.first_uid;

CREATE VIEW sightings AS
SELECT sighting.term_id,
       term.variable,
       term.value,
       sighting.executable,
       coalesce(user.name, CAST(sighting.uid AS TEXT)) AS user,
       strftime('%Y-%m-%dT%H:%M:%fZ', sighting.first_seen / 1000 / 1000.0,
                'unixepoch') AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%fZ', sighting.last_seen / 1000 / 1000.0,
                'unixepoch') AS last_seen,
       sighting.seen_count
FROM sighting
JOIN term USING (term_id)
LEFT JOIN user ON user.uid = sighting.uid;

CREATE VIEW pending_alert AS
SELECT alert_id, term_id, raised_at
FROM alert
WHERE state = 'queued'
  AND alert_id > (SELECT min(cursor) FROM sink WHERE configured);

CREATE VIEW recent_alerts AS
SELECT alert.alert_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', alert.raised_at / 1000 / 1000.0,
                'unixepoch') AS raised_at,
       CASE WHEN alert.state = 'capped' THEN 'capped'
            WHEN alert.state = 'queued'
              AND alert.alert_id > (SELECT min(cursor) FROM sink
                                    WHERE configured) THEN 'pending'
            ELSE 'sent' END AS state,
       term.variable,
       term.value,
       alert_exec.executable,
       alert_exec.args,
       alert_exec.pid,
       coalesce(user.name, CAST(alert_exec.uid AS TEXT)) AS user,
       coalesce(login.name, CAST(alert_exec.auid AS TEXT)) AS login_user,
       alert.severity,
       alert.risk_score,
       alert_exec.capture,
       alert_exec.audit_id,
       alert.kind
FROM alert
JOIN term USING (term_id)
JOIN alert_exec USING (exec_id)
LEFT JOIN user ON user.uid = alert_exec.uid
LEFT JOIN user AS login ON login.uid = alert_exec.auid
ORDER BY alert.alert_id DESC;

CREATE VIEW summaries AS
SELECT alert_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', raised_at / 1000 / 1000.0,
                'unixepoch') AS raised_at,
       CASE WHEN alert.state = 'capped' THEN 'capped'
            WHEN alert.state = 'queued'
              AND alert.alert_id > (SELECT min(cursor) FROM sink
                                    WHERE configured) THEN 'pending'
            ELSE 'sent' END AS state,
       summary
FROM alert
WHERE kind = 'summary'
ORDER BY alert_id DESC;

CREATE VIEW coverage_by_day AS
SELECT date(day * 86400, 'unixepoch') AS day,
       captured_at_exec + captured_late + missed + unaudited AS execs,
       captured_at_exec,
       captured_late,
       missed,
       unaudited,
       -- Cut, not rounded: 100.0 means all of them.
       10000 * (captured_at_exec + captured_late + unaudited)
         / nullif(captured_at_exec + captured_late + missed + unaudited, 0)
         / 100.0 AS percent
FROM (SELECT *,
             missed_exited + missed_denied + missed_replaced
             + missed_unreadable AS missed
      FROM coverage);

CREATE VIEW missed_execs AS
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', missed_exec.at / 1000 / 1000.0,
                'unixepoch') AS at,
       missed_exec.reason,
       missed_exec.executable,
       missed_exec.args,
       missed_exec.pid,
       coalesce(user.name, CAST(missed_exec.uid AS TEXT)) AS user,
       missed_exec.audit_id
FROM missed_exec
LEFT JOIN user ON user.uid = missed_exec.uid;

CREATE VIEW unaudited_execs AS
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', unaudited_exec.at / 1000 / 1000.0,
                'unixepoch') AS at,
       term.variable,
       term.value,
       unaudited_exec.executable,
       unaudited_exec.args,
       unaudited_exec.pid,
       coalesce(user.name, CAST(unaudited_exec.uid AS TEXT)) AS user
FROM unaudited_exec
JOIN term USING (term_id)
LEFT JOIN user ON user.uid = unaudited_exec.uid;
