// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/self_test.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/base/exit_code.h"
#include "preload/base/text.h"
#include "preload/capture/environ_scanner.h"
#include "preload/store/history_reader.h"

namespace preload {
namespace {

constexpr std::string_view kPreferred = "LD_PRELOAD";
// The time is put behind it, so that the value is new.
constexpr const char* kValue = "/nonexistent/audisp-preload-self-test-";
// The error of the times that are printed.
constexpr auto kPoll = std::chrono::milliseconds(2);

// Runs /bin/true with an environment of that variable alone.
Status start_harmless(const std::string& variable, const std::string& value) {
  std::string program = "/bin/true";
  std::string setting = variable + "=" + value;
  std::array<char*, 2> argv{program.data(), nullptr};
  std::array<char*, 2> env{setting.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, nullptr,
                                  argv.data(), env.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return fail("cannot start " + program, error);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {};
}

SelfTestResult broken(const Error& error, std::string_view hint) {
  return {false, fmt::format("FAIL  self-test: {}; {}", error.message(), hint)};
}

SelfTestResult not_readable(const Error& error) {
  return broken(error,
                "only root and members of group adm may read the history; run "
                "--check as root");
}

// What became of the exec's alert.
struct Fate {
  bool final = false;
  bool passed = false;  // sent, or not sent by configuration
  std::string text = {};
};

Fate fate_of(const StoredTerm& term, int64_t waited_s) {
  if (term.alert_state == "sent" && term.audit_id.empty())
    return {true, true,
            "; audit did not report the exec (yet): run --check for the exec "
            "rules"};
  if (term.alert_state == "sent")
    return {true, true};
  if (term.alert_state == "capped")
    return {true, true,
            " capped: more than max_alerts in this interval, so it is kept and "
            "not sent"};
  if (term.alert_id != 0)
    return {false, false,
            fmt::format(" was not sent within {} s: a sink does not take it; "
                        "run --check for syslog and files",
                        waited_s)};
  if (term.state == "learned")
    return {true, true, ", no alert within the learning period"};
  if (term.state == "excepted")
    return {true, false,
            ", captured but no alert: an exception applies to it; --check "
            "lists them with their hits"};
  return {false, false,
          fmt::format(", captured but no alert (state {}, origin {}); run "
                      "--check: audit must report execs, or `unaudited` be "
                      "alert",
                      term.state, term.origin)};
}

}  // namespace

SelfTestResult run_self_test(const SelfTest& test) {
  using namespace std::chrono;
  auto history = HistoryReader::open(test.database);
  if (!history)
    return not_readable(history.error());
  const auto last = history->last_term_id();
  if (!last)
    return not_readable(last.error());

  const auto started = steady_clock::now();
  const auto elapsed_ms = [&] {
    return floor<milliseconds>(steady_clock::now() - started).count();
  };
  if (Status status = test.start(test.variable, test.value); !status)
    return broken(status.error(), "run --check");

  const int64_t limit_s = test.timeout_ms / 1000;
  std::string times;
  StoredTerm term;
  Fate fate;
  do {
    std::this_thread::sleep_for(kPoll);
    const auto found = history->find_new_term(*last, test.variable, test.value);
    if (!found)
      return not_readable(found.error());
    if (!*found)
      continue;
    term = **found;
    if (times.empty())
      times = fmt::format("exec to stored {} ms", elapsed_ms());
    fate = fate_of(term, limit_s);
  } while (!fate.final && elapsed_ms() < test.timeout_ms);

  if (times.empty())
    return {false,
            fmt::format("FAIL  self-test: not captured: {}={} was not stored "
                        "within {} s; run --check: does the plugin run, is a "
                        "rule loaded, is the database writable?",
                        test.variable, test.value, limit_s)};
  if (term.alert_state == "sent")
    times += fmt::format(", to sent {} ms", elapsed_ms());
  if (term.alert_id != 0)
    times += fmt::format(", capture={} audit={} alert={}", term.capture,
                         term.audit_id.empty() ? "none" : term.audit_id,
                         term.alert_id);
  return {fate.passed,
          fmt::format("{}self-test: {}{}", fate.passed ? "ok    " : "FAIL  ",
                      times, fate.text)};
}

std::string self_test_variable(std::span<const std::string> watched) {
  if (WatchList(watched).matches(kPreferred))
    return std::string(kPreferred);
  // The pattern PREFIX* matches the name PREFIX.
  return watched.front().substr(0, watched.front().find('*'));
}

int self_test(const std::string& config_file) {
  const auto config = load_config(config_file);
  const SelfTestResult result =
      config ? run_self_test({config->database,
                              self_test_variable(config->capture_env_vars),
                              kValue + std::to_string(SystemClock().wall_us()),
                              start_harmless})
             : broken(config.error(), "run --check");
  std::puts(escaped(result.line).c_str());
  return result.passed ? kExitGood : kExitBroken;
}

}  // namespace preload
