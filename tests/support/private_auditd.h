// SPDX-License-Identifier: Apache-2.0
// A deployment of its own for a live test: real auditd with its own folder and
// our plugin, real rsyslogd on its own socket, audit rules with a key of their
// own. Everything is put back at the end, also when the test is killed.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "support/temp_dir.h"
#include "support/undo_log.h"

namespace preload {

class PrivateAuditd {
 public:
  // Why live tests cannot run here; empty when they can: root, auditd and
  // rsyslogd installed, no auditd running, audit not locked, no exec rules of
  // others. Rules of test runs that the machine has killed are removed.
  static std::string obstacle();

  // In all texts @DIR@ stands for the deployment's folder.
  struct Setup {
    // Further lines of the plugin's configuration.
    std::string configuration = {};
    std::string log_format = "ENRICHED";
    // Whom the plugin becomes. All folders of the deployment but auditd's own
    // are this user's; "db" is root's, and for the plugin to hand over.
    std::string user = "daemon";
    // A command that stands before the plugin: {"/path/wrapper", "arg", ...}
    std::vector<std::string> wrapper = {};
    // Further lines of rsyslogd's configuration.
    std::string syslog_configuration = {};
    // Called with the folder when its files are written, before anything runs.
    std::function<void(const std::string&)> prepare = {};
    bool rules = true;
    bool syslog = true;
    // The product itself; else the same with short intervals
    // (tests/programs/fast_plugin.cc).
    bool as_shipped = false;
  };

  PrivateAuditd() : PrivateAuditd(Setup()) {}
  explicit PrivateAuditd(const Setup& setup);
  PrivateAuditd(const PrivateAuditd&) = delete;
  PrivateAuditd& operator=(const PrivateAuditd&) = delete;
  ~PrivateAuditd();

  // auditd alone (the plugin goes and comes with it).
  void start();
  void stop();
  // syslogd alone.
  void start_syslog();
  void stop_syslog();

  [[nodiscard]] pid_t auditd_pid() const { return auditd_; }
  // The plugin auditd has started; 0 = none.
  [[nodiscard]] pid_t plugin_pid() const;

  // What the plugin's next start or reload reads, in place of what there was.
  void configure(const std::string& configuration) const;
  // Output of the plugin's own --check of this deployment.
  [[nodiscard]] std::string check() const;

  // What syslogd has written so far: the raw text after "ident[pid]: ".
  [[nodiscard]] std::vector<std::string> messages() const;
  // Lines of messages() that contain all of `parts`.
  [[nodiscard]] std::vector<std::string> messages_with(
      const std::vector<std::string>& parts) const;

  // Output of a query through the sqlite3 CLI, rows by newline, columns by |.
  [[nodiscard]] std::string query(const std::string& sql) const;
  // The same, waited for until it is `expected` (10 s); gives the last answer.
  [[nodiscard]] std::string query_until(const std::string& sql,
                                        const std::string& expected) const;

  // auditd's own view of what the kernel lost, from `auditctl -s`.
  [[nodiscard]] static long kernel_status(const std::string& field);

  [[nodiscard]] std::string path(const std::string& name) const {
    return dir_ / name;
  }
  [[nodiscard]] std::string database() const { return path("db/history.db"); }
  [[nodiscard]] const std::string& key() const { return key_; }

  // Adds a rule with our key; removed at the end with the others.
  void add_rule(const std::string& rule) const;
  // Watches the file (or its folder) for writes, as the shipped rules watch
  // /etc/ld.so.preload; removed at the end.
  void watch_preload_file(const std::string& file) const;

 private:
  [[nodiscard]] std::string with_dir(std::string text) const;
  void give_folders() const;
  void write_files(const Setup& setup) const;

  TempDir dir_;
  std::string user_;
  std::string key_;
  UndoLog undo_;
  pid_t auditd_ = 0;
  pid_t syslogd_ = 0;
};

}  // namespace preload
