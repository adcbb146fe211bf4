// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/self_test.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

#include "preload/base/clock.h"
#include "preload/base/exit_code.h"
#include "preload/base/text.h"
#include "preload/capture/watch_list.h"

namespace preload {
namespace {

constexpr std::string_view kPreferred = "LD_PRELOAD";
constexpr std::string_view kValue = "/nonexistent/audisp-preload-self-test-";
// The error of the times that are printed.
constexpr auto kPoll = std::chrono::milliseconds(2);

std::string unique_value() {
  std::array<char, 8> random{};
  // Never fails for so few bytes once the system has started.
  [[maybe_unused]] const ssize_t n =
      ::getrandom(random.data(), random.size(), 0);
  return std::string(kValue) +
         hex(std::string_view(random.data(), random.size()));
}

// The configuration has no alert for such a term.
bool no_alert_configured(const StoredTerm& term) {
  return term.alert_id == 0 && term.state == "learned";
}

// Its state is final.
bool complete(const StoredTerm& term) {
  return term.alert_state == "sent" || term.alert_state == "capped" ||
         no_alert_configured(term) || term.state == "excepted";
}

int abort_test(const Error& error, std::string_view hint) {
  std::printf("FAIL  self-test: %s; %s\n", escaped(error.message()).c_str(),
              std::string(hint).c_str());
  return kExitBroken;
}

}  // namespace

bool SelfTestResult::passed() const {
  return sent_ms || (stored_ms && (term.alert_state == "capped" ||
                                   no_alert_configured(term)));
}

Result<SelfTestResult> run_self_test(const SelfTest& test) {
  auto history = HistoryReader::open(test.database);
  if (!history)
    return tl::unexpected(history.error());
  const auto last = history->last_term_id();
  if (!last)
    return tl::unexpected(last.error());

  using Steady = std::chrono::steady_clock;
  const auto started = Steady::now();
  const auto elapsed_ms = [&]() -> int64_t {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() -
                                                                 started)
        .count();
  };
  if (Status status = test.start(test.variable, test.value); !status)
    return tl::unexpected(status.error());

  SelfTestResult result;
  do {
    const auto found = history->find_new_term(*last, test.variable, test.value);
    if (!found)
      return tl::unexpected(found.error());
    if (*found) {
      result.term = **found;
      if (!result.stored_ms)
        result.stored_ms = elapsed_ms();
      if (result.term.alert_state == "sent")
        result.sent_ms = elapsed_ms();
      if (complete(result.term))
        return result;
    }
    std::this_thread::sleep_for(kPoll);
  } while (elapsed_ms() < test.timeout_ms);
  return result;
}

std::string result_text(const SelfTest& test, const SelfTestResult& result) {
  const StoredTerm& term = result.term;
  const int64_t seconds = test.timeout_ms / 1000;
  if (!result.stored_ms)
    return fmt::format(
        "FAIL  self-test: not captured: {}={} was not stored within {} s; run "
        "--check: does the plugin run, is a rule loaded, is the database "
        "writable?",
        test.variable, test.value, seconds);
  std::string text =
      fmt::format("{}self-test: exec to stored {} ms",
                  result.passed() ? "ok    " : "FAIL  ", *result.stored_ms);
  if (result.sent_ms)
    text += fmt::format(", to sent {} ms", *result.sent_ms);
  if (term.alert_id != 0)
    text += fmt::format(", capture={} audit={} alert={}", term.capture,
                        term.audit_id.empty() ? "none" : term.audit_id,
                        term.alert_id);
  if (result.sent_ms)
    return term.audit_id.empty() ? text +
                                       "; audit did not report the exec (yet): "
                                       "run --check for the exec rules"
                                 : text;
  if (term.alert_state == "capped")
    return text +
           " capped: more than max_alerts in this interval, so it is kept and "
           "not sent";
  if (term.alert_id != 0)
    return text + fmt::format(
                      " was not sent within {} s: a sink does not take it; run "
                      "--check for syslog and files",
                      seconds);
  if (no_alert_configured(term))
    return text + ", no alert within the learning period";
  if (term.state == "excepted")
    return text +
           ", captured but no alert: an exception applies to it; --check lists "
           "them with their hits";
  return text + fmt::format(
                    ", captured but no alert (state {}, origin {}); run "
                    "--check: audit must report execs, or `unaudited` be alert",
                    term.state, term.origin);
}

std::string self_test_variable(std::span<const std::string> watched) {
  if (watched.empty() || WatchList(watched).matches(kPreferred))
    return std::string(kPreferred);
  std::string name = watched.front();
  // The pattern PREFIX* matches the name PREFIX; `*` alone matches any.
  if (name.ends_with('*'))
    name.pop_back();
  return name.empty() ? std::string(kPreferred) : name;
}

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

int self_test(const std::string& config_file) {
  const auto config = load_config(config_file);
  if (!config)
    return abort_test(config.error(), "run --check");
  const SelfTest test{config->database,
                      self_test_variable(config->capture_env_vars),
                      unique_value(), start_harmless};
  const auto result = run_self_test(test);
  if (!result)
    return abort_test(result.error(),
                      "only root and members of group adm may read the "
                      "history; run --check as root");
  std::puts(escaped(result_text(test, *result)).c_str());
  return result->passed() ? kExitGood : kExitBroken;
}

}  // namespace preload
