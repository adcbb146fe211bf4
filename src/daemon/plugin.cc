// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/plugin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/config.h"
#include "preload/base/emergency_log.h"
#include "preload/base/log.h"
#include "preload/daemon/options.h"
#include "preload/daemon/pipeline.h"
#include "preload/daemon/signals.h"
#include "preload/deliver/sinks.h"
#include "preload/detect/rule.h"
#include "preload/doctor/check.h"
#include "preload/doctor/self_test.h"
#include "preload/sandbox/file_ownership.h"
#include "preload/sandbox/privileges.h"
#include "preload/sandbox/seccomp.h"

namespace preload {
namespace {

int stop_with(ExitCode code, const Error& error) {
  log_error(error.message());
  stop_log();
  return code;
}

// The log has a thread, which is to be started without privileges; or when it
// is all over.
int refuse(ExitCode code, const Error& error, const Config& config = {}) {
  start_log(log_sink(config.syslog_socket));
  return stop_with(code, error);
}

// Hands files over and stops being root.
Status step_down(const Config& config) {
  std::optional<Identity> user;
  if (::geteuid() == 0) {
    auto found = find_identity(config.user);
    if (!found)
      return tl::unexpected(found.error());
    if (Status given = transfer_ownership(config, *found); !given)
      return given;
    user = std::move(*found);
  }
  return give_up_root(user, config.audit_message);
}

Status confine_own_listener() {
  const Status reduced = reduce_thread(ThreadRole::kListener);
  return reduced ? confine_listener() : reduced;
}

StateLines privilege_lines() {
  return {
      {"user", fmt::format("{}, {}", privileges_text(), confinement_text())}};
}

int run_pipeline(const Options& options, const Timing& timing) {
  const pid_t parent = ::getppid();
  shed_inherited();
  auto signals = block_signals();
  if (!signals)
    return refuse(kExitStart, signals.error());
  const auto config = load_config(options.config);
  set_emergency_log_socket(config ? config->syslog_socket
                                  : Config().syslog_socket);
  if (!config)
    return refuse(kExitConfiguration, config.error());
  if (const auto rule = make_rule(*config, options.config, 0); !rule)
    return refuse(kExitConfiguration, rule.error(), *config);
  auto pipeline = Pipeline::open(*config, options.config, STDIN_FILENO,
                                 std::move(*signals), parent, timing);
  if (!pipeline)
    return refuse(kExitStart, pipeline.error(), *config);
  Status ready = step_down(*config);
  if (ready)
    ready = (*pipeline)->start_listeners();
  if (ready)
    ready = reduce_thread(ThreadRole::kOther);
  if (ready)
    ready = confine_process(config->audit_message);
  if (!ready)
    return refuse(kExitStart, ready.error(), *config);
  start_log(log_sink(config->syslog_socket));
  ready = (*pipeline)->start(privilege_lines(), confine_own_listener);
  if (!ready) {
    pipeline->reset();
    return stop_with(kExitStart, ready.error());
  }
  const Status status = (*pipeline)->run();
  pipeline->reset();
  if (!status)
    return stop_with(kExitFailed, status.error());
  stop_log();
  return kExitGood;
}

int run(const Options& options, const Timing& timing) {
  try {
    return run_pipeline(options, timing);
  } catch (const std::exception& error) {
    emergency_log(std::string("the input thread failed: ") + error.what());
    // What is stored is; the destructors of statics could wait for a thread.
    ::_exit(kExitFailed);
  }
}

}  // namespace

int plugin_main(std::span<char* const> args, const Timing& timing) {
  ::umask(027);
  // Large buffers go back to the system when they are freed.
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  ::mallopt(M_ARENA_MAX, 2);
  const auto options = parse_options(args);
  if (!options)
    return stop_with(kExitUsage, options.error());
  switch (options->action) {
    case Action::kVersion:
      std::puts("audisp-preload " PRELOAD_VERSION);
      return kExitGood;
    case Action::kHelp:
      std::fputs(usage().c_str(), stdout);
      return kExitGood;
    case Action::kCheck:
      return check(options->config);
    case Action::kSelfTest:
      return self_test(options->config);
    case Action::kRun:
      return run(*options, timing);
  }
  return kExitUsage;
}

}  // namespace preload
