// SPDX-License-Identifier: Apache-2.0
// The running plugin under a real auditd: what each of its threads may do, and
// that it does its job with that.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "support/live_test.h"

namespace preload {
namespace {

using Lines = std::map<std::string, std::string>;

Lines status_of(const std::filesystem::path& folder) {
  Lines lines;
  for (const std::string& line : lines_of(content_of(folder / "status")))
    if (const size_t colon = line.find(":\t"); colon != std::string::npos)
      lines[line.substr(0, colon)] = line.substr(colon + 2);
  return lines;
}

class PrivilegesLive : public LiveTest {
 protected:
  static std::string binary() {
    const char* path = ::getenv("PRELOAD_BINARY");  // NOLINT
    return path == nullptr ? "build/release/audisp-preload" : path;
  }
  static std::string proc(const PrivateAuditd& audit, const std::string& name) {
    return fmt::format("/proc/{}/{}", audit.plugin_pid(), name);
  }
};

TEST_F(PrivilegesLive, EveryThreadHasWhatItNeedsAndNoMore) {
  const PrivateAuditd audit(
      {.configuration = "audit_message = yes\n", .as_shipped = true});
  run({"/bin/true"}, {"LD_PRELOAD=/privileges/first"});
  expect_alert(audit, "/privileges/first");
  const std::string uid = shell("id -u daemon");
  const std::string gid = shell("id -g daemon");
  const auto four = [](const std::string& id) {
    return fmt::format("{0}\t{0}\t{0}\t{0}", id);
  };
  // sys_ptrace (19) and dac_read_search (2), audit_write (29).
  const std::string reading = "0000000000080004";
  const std::string writing = "0000000020080004";
  size_t listeners = 0;
  size_t others = 0;
  for (const auto& task :
       std::filesystem::directory_iterator(proc(audit, "task"))) {
    Lines status = status_of(task.path());
    const bool listener = status["Name"].starts_with("exec/");
    SCOPED_TRACE(status["Name"]);
    ++(listener ? listeners : others);
    EXPECT_EQ(status["Uid"], four(uid));
    EXPECT_EQ(status["Gid"], four(gid));
    EXPECT_EQ(status["Groups"], " ");
    for (const char* set : {"CapPrm", "CapEff"})
      EXPECT_EQ(status[set], listener ? reading : writing) << set;
    for (const char* set : {"CapInh", "CapBnd", "CapAmb"})
      EXPECT_EQ(status[set], "0000000000000000") << set;
    EXPECT_EQ(status["NoNewPrivs"], "1");
    EXPECT_EQ(status["Umask"], "0027");
    EXPECT_EQ(status["Seccomp"], "2");
    if (status.contains("Seccomp_filters")) {
      EXPECT_EQ(status["Seccomp_filters"], listener ? "2" : "1");
    }
  }
  EXPECT_GE(listeners, 2U);
  EXPECT_GE(others, 4U);

  // Not dumpable: its files under /proc are root's.
  struct stat status {};
  ASSERT_EQ(::stat(proc(audit, "environ").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);
  EXPECT_EQ(content_of(proc(audit, "environ")).find('\0'), std::string::npos);
  // Nothing that auditd had open.
  for (const auto& fd :
       std::filesystem::directory_iterator(proc(audit, "fd"))) {
    const std::string target = std::filesystem::read_symlink(fd.path());
    const bool own =
        target.starts_with("socket:") || target.starts_with("anon_inode:") ||
        target.starts_with("/memfd:") || target == "/proc" ||
        target == "/dev/null" || target.starts_with(audit.path("db/"));
    EXPECT_TRUE(own) << fd.path() << " -> " << target;
  }
  EXPECT_NE(content_of(audit.path("state"))
                .find(fmt::format("user: daemon (uid {}), capabilities "
                                  "sys_ptrace, dac_read_search, audit_write",
                                  uid)),
            std::string::npos)
      << content_of(audit.path("state"));
  EXPECT_NE(
      audit.check().find(fmt::format(
          "ok    plugin running: pid {}, daemon (uid", audit.plugin_pid())),
      std::string::npos);
  // And the trail took the alert.
  EXPECT_TRUE(eventually(10, [&] {
    return content_of(audit.path("trail/audit.log")).find("type=ANOM_EXEC") !=
           std::string::npos;
  }));
}

TEST_F(PrivilegesLive, CapturesAllThatRootDid) {
  const PrivateAuditd audit({.configuration = "max_alerts = 100000\n"});
  ASSERT_NE(content_of(audit.path("state")).find("capture: realtime"),
            std::string::npos)
      << content_of(audit.path("state"));
  const std::string brief = test_program("exit_now");
  ASSERT_TRUE(
      run({test_program("storm"), "500", "1", "LD_PRELOAD=/privileges/", brief})
          .good());
  const std::string taken =
      "SELECT count(*) FROM recent_alerts WHERE capture = 'exec' AND value "
      "LIKE '/privileges/%'";
  EXPECT_EQ(audit.query_until(taken, "500"), "500");

  // Set-uid, and not readable for the user whose program it is.
  const TempDir dir;
  ::chmod(dir.path().c_str(), 0755);
  for (const auto& [name, mode] :
       {std::pair("setuid", 04755), std::pair("unreadable", 0711)}) {
    const std::string program = dir / name;
    std::filesystem::copy_file(brief, program);
    ::chmod(program.c_str(), static_cast<mode_t>(mode));
    run({"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
         "env", "-i", fmt::format("LD_PRELOAD=/kind/{}", name), program});
    EXPECT_EQ(
        audit.query_until(
            fmt::format("SELECT capture, executable FROM recent_alerts WHERE "
                        "value = '/kind/{}'",
                        name),
            "exec|" + program),
        "exec|" + program);
  }
}

TEST_F(PrivilegesLive, ReloadsAConfigurationThatOnlyRootMayRead) {
  const PrivateAuditd audit;
  audit.configure(
      "capture_env_vars = PRELOAD_LIVE_TEST\naudit_message = yes\n");
  ::chmod(audit.path("preload.conf").c_str(), 0600);
  ::kill(audit.plugin_pid(), SIGHUP);
  ASSERT_TRUE(told(audit, {"configuration reloaded"}));
  EXPECT_TRUE(told(audit, {"audit_message has changed", "restart auditd"}));
  run({"/bin/true"}, {"PRELOAD_LIVE_TEST=/reloaded"});
  expect_alert(audit, "/reloaded");
}

TEST_F(PrivilegesLive, RefusesToStartWithoutItsUser) {
  const Ran ran =
      run({"/bin/sh", "-c",
           "d=$(mktemp -d); printf 'database = /x/history.db\\nuser "
           "= no-such-user\\nsyslog_socket = /x\\ncapture = "
           "audit\\n' >$d/conf; chmod 0640 $d/conf; \"$0\" --config "
           "$d/conf 2>&1 </dev/null; echo status $?; rm -r $d",
           binary()});
  EXPECT_NE(ran.output.find("the plugin's user no-such-user does not exist: "
                            "create it"),
            std::string::npos)
      << ran.output;
  EXPECT_NE(ran.output.find("status 4"), std::string::npos) << ran.output;
}

}  // namespace
}  // namespace preload
