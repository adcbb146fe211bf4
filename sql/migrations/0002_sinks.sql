-- The outbox becomes a queue with a cursor for each sink. Of what version 1 had
-- sent nothing is sent again; what was pending stays pending, for each output.

DROP VIEW recent_alerts;
DROP VIEW summaries;
DROP VIEW unaudited_execs;
DROP TRIGGER alert_removed;
DROP INDEX alert_exec_unaudited;
DROP INDEX alert_pending;
DROP INDEX alert_done;
DROP INDEX alert_term;
DROP INDEX alert_of_exec;
DROP INDEX unaudited_exec_of;
DROP INDEX unaudited_exec_term;
ALTER TABLE alert RENAME TO alert_1;
ALTER TABLE alert_exec RENAME TO alert_exec_1;
ALTER TABLE unaudited_exec RENAME TO unaudited_exec_1;

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

CREATE TABLE sink (
  name TEXT PRIMARY KEY,
  configured INTEGER NOT NULL,    -- 1 = an output of the configuration
  cursor INTEGER NOT NULL         -- it has taken all alerts up to this id
) STRICT, WITHOUT ROWID;

CREATE TABLE unaudited_exec (
  unaudited_id INTEGER PRIMARY KEY,
  term_id INTEGER NOT NULL REFERENCES term ON DELETE CASCADE,
  at INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  executable TEXT NOT NULL,       -- escaped, cut at 1 KiB
  args TEXT NOT NULL,             -- escaped command line, cut at 1 KiB
  uid INTEGER NOT NULL
) STRICT;

INSERT INTO alert_exec
SELECT exec_id, event_at, pid, audit_id, executable, args, uid, auid, capture,
       detail
FROM alert_exec_1;

INSERT INTO alert
SELECT alert_id, kind,
       CASE state WHEN 'pending' THEN 'queued' WHEN 'sent' THEN 'direct'
                  ELSE state END,
       1, raised_at, term_id, exec_id, severity, risk_score, facts, summary
FROM alert_1;

INSERT INTO unaudited_exec
SELECT unaudited_id, term_id, at, pid, executable, args, uid
FROM unaudited_exec_1;

-- An id is never used again.
DELETE FROM sqlite_sequence WHERE name = 'alert';
UPDATE sqlite_sequence SET name = 'alert' WHERE name = 'alert_1';

DROP TABLE alert_1;
DROP TABLE alert_exec_1;
DROP TABLE unaudited_exec_1;

-- Before everything that is pending: a sink that is no longer configured is
-- taken out when the plugin starts.
INSERT INTO sink (name, configured, cursor)
SELECT value, 1,
       coalesce((SELECT min(alert_id) - 1 FROM alert WHERE state = 'queued'),
                (SELECT max(alert_id) FROM alert), 0)
FROM json_each('["syslog", "ecs_file", "audit"]')
WHERE EXISTS (SELECT 1 FROM alert);

CREATE INDEX alert_queued ON alert (alert_id) WHERE state = 'queued';
CREATE INDEX alert_not_ready ON alert (alert_id) WHERE ready = 0;
CREATE INDEX alert_raised ON alert (raised_at);
CREATE INDEX alert_term ON alert (term_id);
CREATE INDEX alert_of_exec ON alert (exec_id);
CREATE INDEX unaudited_exec_term ON unaudited_exec (term_id);

CREATE TRIGGER alert_removed AFTER DELETE ON alert BEGIN
  DELETE FROM alert_exec
  WHERE exec_id = OLD.exec_id
    AND NOT EXISTS (SELECT 1 FROM alert WHERE alert.exec_id = OLD.exec_id);
END;

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
