// SPDX-License-Identifier: Apache-2.0
// The table of all keys, with their text in the manual.
#include <syslog.h>

#include <algorithm>
#include <utility>

#include "preload/base/config.h"
#include "preload/base/setting_kinds.h"
#include "preload/base/text.h"

namespace preload {
namespace {

constexpr size_t kMaxNames = 64;
// The scanner's buffer has this size.
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxTermFields = 3;
constexpr size_t kMaxUserBytes = 255;
constexpr size_t kMaxExceptions = 10'000;

bool valid_variable(std::string_view name) {
  if (name.ends_with('*'))
    name.remove_suffix(1);
  return !name.empty() && name.size() <= kMaxNameBytes &&
         name.find_first_of("=* \t") == std::string_view::npos;
}

bool valid_variables(const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), valid_variable);
}

bool valid_fields(const std::vector<std::string>& names) {
  const auto has = [](const auto& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  return has(names, kTermFields[0]) &&
         std::all_of(names.begin(), names.end(), [&](const std::string& name) {
           return has(kTermFields, name);
         });
}

bool set_exception(Config& config, std::string_view value, int line) {
  if (config.exceptions.size() >= kMaxExceptions)
    return false;
  config.exceptions.push_back({line, std::string(value)});
  return true;
}

std::string get_exceptions(const Config& config) {
  std::string all;
  for (const ExceptionLine& exception : config.exceptions)
    all += (all.empty() ? "" : "\n") + exception.text;
  return all;
}

// Not a number, which may belong to no user now and to another one later.
bool set_user(Config& config, std::string_view name, int /*line*/) {
  if (name.size() > kMaxUserBytes || name.front() == '-' ||
      parse_unsigned(name) ||
      name.find_first_of(":/ \t") != std::string_view::npos)
    return false;
  config.user = name;
  return true;
}

std::vector<Setting> make_settings() {
  std::vector<Setting> table;
  std::string_view section;
  const auto add = [&](Setting setting, std::string_view help) {
    setting.section = section;
    setting.help = help;
    table.push_back(std::move(setting));
  };

  section = "What is watched";
  add(name_list("capture_env_vars",
                "1 to 64 different variable names, separated by commas, each "
                "up to 255 bytes, * allowed at the end (but not alone)",
                &Config::capture_env_vars, kMaxNames, valid_variables),
      R"(
The environment variables to watch: 1 to 64 different names of up to 255 bytes,
separated by commas. Case matters. A `*` at the end of a name, but not alone,
stands for any ending: `LD_*` watches every variable of the dynamic loader (names
of up to 256 bytes). A value may have any length that the kernel accepts
(128 KiB). If a variable is set several times, each of its values counts.

Elastic's `linux.advanced.capture_env_vars` has the same meaning, but accepts
five names and cuts values after 1023 bytes.
)");
  add(word<CaptureChoice>("capture", "auto, connector or audit", true,
                          &Config::capture,
                          {{"auto", CaptureChoice::kAuto},
                           {"connector", CaptureChoice::kConnector},
                           {"audit", CaptureChoice::kAudit}}),
      R"(
How environments are read. `CAPTURE MODES` in audisp-preload(8) describes the
modes.

- `auto`: the best mode that the kernel allows: `realtime`, else `nice`, else
`audit`.
- `connector`: `realtime` or `nice`. The plugin does not start where the process
connector is not available.
- `audit`: the environment is read when the audit record arrives. Programs that
have ended by then are missed.
)");
  add(number("realtime_priority", "a number from 0 to 99", true,
             &Config::realtime_priority, 0, 99),
      R"(
The `SCHED_FIFO` priority of the listener threads, 0 to 99. With `0` they do not
ask for real-time scheduling, and the capture mode is at best `nice`. A program
that has this priority or a higher one runs before the listener; if it is short,
it is missed, counted and listed. If real-time programs of this machine start
other programs, set the priority above theirs.
)");
  add(word<UnauditedPolicy>("unaudited", "alert, record or ignore", false,
                            &Config::unaudited,
                            {{"alert", UnauditedPolicy::kAlert},
                             {"record", UnauditedPolicy::kRecord},
                             {"ignore", UnauditedPolicy::kIgnore}}),
      R"(
What to do with an exec that the kernel announced and audit did not report,
because no rule covers it or because audit lost the event.

- `alert`: it is treated like any other exec.
- `record`: its values are recorded without an alert and do not become known.
The next audited exec with such a value raises the alert.
- `ignore`: it is only counted.
)");
  add(duration("audit_wait", &Config::audit_wait, 1), R"(
How long an exec waits for its audit event before it counts as unaudited; at
least 1 s. An event that arrives up to a minute later corrects the count in the
database and changes nothing else: an alert keeps `origin=unaudited`. Raise this
where audit is slower.
)");

  section = "Rule";
  add(name_list(
          "new_terms_fields",
          "one to three different fields, separated by commas, "
          "process.env_vars among them; the others are process.executable, "
          "process.name, process.parent.executable, process.parent.name, "
          "process.working_directory, user.id, user.name, user.audit.id, "
          "container.id, event.code",
          &Config::new_terms_fields, kMaxTermFields, valid_fields),
      R"(
The fields that make up a term, the unit that is new or known: one to three
different fields, separated by commas. `process.env_vars` must be one of them.
If it is the only one, each NAME=value is a term: an exec with two new values
raises two alerts. With more fields, a term is a value together with the other
fields: `process.env_vars,user.id` alerts once for each user of a value. When
this key changes, every term is new again.

- `process.env_vars`: the watched variable with its value, NAME=value
- `process.executable`: the path of the program
- `process.name`: the last part of that path
- `process.parent.executable`: the path of the parent's program; empty if the
parent had ended or did not answer a moment after the exec
- `process.parent.name`: the last part of that path
- `process.working_directory`: the working directory
- `user.id`: the real user id, in decimal
- `user.name`: its name; the number, if there is no name or the look-up takes
longer than 250 ms
- `user.audit.id`: the login user id (auid), in decimal; empty if it is not set
- `container.id`: the 64 hexadecimal digits by which Docker, Podman, containerd
and CRI-O name a container; empty outside of containers
- `event.code`: the key of the audit rule that reported the exec
)");
  add(duration("history_window", &Config::history_window, 0),
      R"(
How long a term stays known after its last sighting. `0`: for ever, so only the
first sighting is new, and `retention` has no effect. For values found by the
inventory (programs that already run when the plugin starts) there is no window,
since a process may run for longer than that. The published Elastic rule has
`5d`.
)");
  add(duration("interval", &Config::interval, 1), R"(
The time in which at most `max_alerts` alerts are sent; at least 1 s. An interval
begins with the first alert after the end of the previous interval.
)");
  add(number("max_alerts", "a number from 1 to 1000000", false,
             &Config::max_alerts, 1, 1'000'000),
      R"(
The number of alerts sent in one `interval`, 1 to 1000000. Further alerts are
kept in the database with state `capped` and reported in one summary at the end
of the interval.

Each user has a quota, so that one user who invents a new value for each program
does not hide the alerts of others. A user (the login user, or the real user if
nobody logged in) may raise alerts while he has raised fewer than are left in
the interval: one user alone gets half of `max_alerts`, two users get a third
each. Root may use all of them. All containers together are one user, except for programs
started by a login on this machine.
)");
  add(duration("learning_period", &Config::learning_period, 0),
      R"(
For this long after the database was created, values are recorded without
alerts. One summary at the end reports how many there were, even if the plugin
was not running at that moment. A database that is recreated has its learning
period again. `0`: no learning period.
)");
  add({"exception",
       "[not] field:pattern [and [not] field:pattern ...], up to 10000 lines",
       false, true, set_exception, get_exceptions},
      R"(
New values that match raise no alert. This key may be repeated, up to 10,000
times; one line that matches is enough. `EXCEPTIONS` in audisp-preload-alerts(5)
describes the syntax.
)");
  add(word<std::string>("severity", "low, medium, high or critical", false,
                        &Config::severity,
                        {{"low", "low"},
                         {"medium", "medium"},
                         {"high", "high"},
                         {"critical", "critical"}}),
      R"(
The severity of every alert: `low`, `medium`, `high` or `critical`. They have
the syslog priorities notice, warning, err and crit.
)");
  add(number("risk_score", "a number from 0 to 100", false, &Config::risk_score,
             0, 100),
      R"(
The risk score of every alert, 0 to 100.
)");

  section = "History";
  add(path("database", true, &Config::database, false), R"(
The absolute path of the SQLite database, on a local file system. The plugin
creates the file (mode 0640), but not its directory. Both must belong to root or
to `user` and must not be writable by group or others; the file must not be a
symbolic link.
)");
  add(duration("retention", &Config::retention, kDay), R"(
Terms, sightings and alerts are deleted when they were not seen for this long:
at least 1 d, and never before `history_window` has passed. An alert that waits
for an output is not deleted.
)");

  section = "Outputs";
  add(word<SyslogFormat>("syslog_format", "text, ecs, cee or off", false,
                         &Config::syslog_format,
                         {{"text", SyslogFormat::kText},
                          {"ecs", SyslogFormat::kEcs},
                          {"cee", SyslogFormat::kCee},
                          {"off", SyslogFormat::kOff}}),
      R"(
The form of alerts in syslog; see audisp-preload-alerts(5).

- `text`: one line of key=value fields
- `ecs`: one document of the Elastic Common Schema, as one line of JSON
- `cee`: the same with `@cee:` before it, for the module mmjsonparse of rsyslog
- `off`: no alerts in syslog
)");
  add(word<int>("syslog_facility",
                "a facility of syslog(3) in lower case: authpriv, "
                "auth, daemon, user, local0 to local7, ...",
                false, &Config::syslog_facility,
                {{"kern", LOG_KERN},         {"user", LOG_USER},
                 {"mail", LOG_MAIL},         {"daemon", LOG_DAEMON},
                 {"auth", LOG_AUTH},         {"syslog", LOG_SYSLOG},
                 {"lpr", LOG_LPR},           {"news", LOG_NEWS},
                 {"uucp", LOG_UUCP},         {"cron", LOG_CRON},
                 {"authpriv", LOG_AUTHPRIV}, {"ftp", LOG_FTP},
                 {"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1},
                 {"local2", LOG_LOCAL2},     {"local3", LOG_LOCAL3},
                 {"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5},
                 {"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7}}),
      R"(
The facility of alerts: `authpriv`, `auth`, `daemon`, `user`, `kern`, `mail`,
`syslog`, `lpr`, `news`, `uucp`, `cron`, `ftp`, or `local0` to `local7`. Messages
about the plugin itself always have the facility `daemon`.
)");
  add(path("syslog_socket", false, &Config::syslog_socket, false), R"(
The absolute path of the syslog daemon's socket, datagram or stream. Messages
about the plugin itself go to the new socket after a restart only.
)");
  add(path("ecs_file", false, &Config::ecs_file, true), R"(
The absolute path of a file of ECS documents, one line of JSON each, for a log
shipper. The plugin creates the file (mode 0640), but not its directory, which
must be writable for `user`. The file must be a regular file of root or of
`user`, not a symbolic link, and not writable by group or others. `SIGHUP` opens
it again.
)");
  add(word<EcsEvents>(
          "ecs_events", "alerts or all", false, &Config::ecs_events,
          {{"alerts", EcsEvents::kAlerts}, {"all", EcsEvents::kAll}}),
      R"(
Which ECS documents are written.

- `alerts`: one for each alert
- `all`: also one for each exec with a watched variable, new or known. This is
what the published Elastic rule searches. Such documents go to `ecs_file` and, if
`syslog_format` is `ecs` or `cee`, to syslog. They are sent once and not stored;
one that cannot be sent is counted.
)");
  // The capability for it is kept at start or not at all.
  add(word<bool>("audit_message", "yes or no", true, &Config::audit_message,
                 {{"yes", true}, {"no", false}}),
      R"(
Whether each alert is also written into the audit trail, as a record of type
`ANOM_EXEC`: `yes` or `no`.
)");
  add(path("metrics_file", false, &Config::metrics_file, true), R"(
The absolute path of a file for the textfile collector of
prometheus-node-exporter, which reads only names that end in `.prom`. The plugin
writes it every 15 s and on `SIGUSR1` (mode 0644; a new file replaces the old
one). `user` must be able to write its directory, for example
`/run/audisp-preload`. A symbolic link in the collector's directory, such as
`/var/lib/prometheus/node-exporter`, may point there.
)");
  add(path("state_file", true, &Config::state_file, false), R"(
The absolute path of the state file; see `FILES` in audisp-preload(8).
)");

  section = "Process";
  add(duration("watchdog", &Config::watchdog, 0), R"(
When a stage of the plugin makes no progress for this long, the plugin logs its
name and ends with exit status 6, and auditd starts it again. Outputs may take
ten times as long, since a restart does not help against a file system that
hangs. Less than 3 s counts as 3 s. `0`: no watchdog.
)");
  add({"user", "the name of a user of this system, or root", true, false,
       set_user, [](const Config& config) { return config.user; }},
      R"(
The system user that the plugin becomes when it is started as root; see
`PRIVILEGES` in audisp-preload-security(7). `root`: it stays root, but drops most
capabilities. If the user does not exist, the plugin does not start. If the
plugin is started by another user than root, the key has no effect.

At start, the database, the state file, their directories and `ecs_file` are
given to this user if they belong to root; a directory only if it contains
nothing else.
)");
  return table;
}

}  // namespace

std::span<const Setting> settings() {
  static const std::vector<Setting> table = make_settings();
  return table;
}

}  // namespace preload
