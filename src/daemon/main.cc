// SPDX-License-Identifier: Apache-2.0
// audisp-preload: the architecture in order.
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
#include "preload/base/last_words.h"
#include "preload/base/log.h"
#include "preload/daemon/check.h"
#include "preload/daemon/handover.h"
#include "preload/daemon/options.h"
#include "preload/daemon/own_maps.h"
#include "preload/daemon/pipeline.h"
#include "preload/daemon/privileges.h"
#include "preload/daemon/seccomp.h"
#include "preload/daemon/self_test.h"
#include "preload/daemon/signals.h"
#include "preload/daemon/sinks.h"
#include "preload/detect/rule.h"

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
    if (Status given = hand_over(config, *found); !given)
      return given;
    user = std::move(*found);
  }
  return give_up_root(user, config.audit_message);
}

Status confine_own_listener() {
  const Status reduced = reduce_thread(ThreadRole::kListener);
  return reduced ? confine_listener() : reduced;
}

StateLines standing(const std::vector<std::string>& foreign) {
  return {
      {"user",
       fmt::format("{}, {}", standing_in_words(), confinement_in_words())},
      {"foreign libraries",
       foreign.empty() ? "none" : fmt::format("{}", fmt::join(foreign, "; "))}};
}

int run_pipeline(const Options& options) {
  const pid_t parent = ::getppid();
  const std::vector<std::string> foreign = look_at_ourselves();
  shed_inherited();
  auto signals = block_signals();
  if (!signals)
    return refuse(kExitStart, signals.error());
  const auto config = load_config(options.config);
  set_last_words_socket(config ? config->syslog_socket
                               : Config().syslog_socket);
  tell_fatal_signals();
  if (!config)
    return refuse(kExitConfiguration, config.error());
  if (const auto rule = make_rule(*config, options.config, 0); !rule)
    return refuse(kExitConfiguration, rule.error(), *config);
  auto pipeline = Pipeline::open(*config, options.config, STDIN_FILENO,
                                 std::move(*signals), parent);
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
  if (!foreign.empty())
    log_warning(in_words(foreign));
  ready = (*pipeline)->start(standing(foreign), confine_own_listener);
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

int run(const Options& options) {
  try {
    return run_pipeline(options);
  } catch (const std::exception& error) {
    last_words(std::string("the input thread failed: ") + error.what());
    // What is stored is; the destructors of statics could wait for a thread.
    ::_exit(kExitFailed);
  }
}

}  // namespace
}  // namespace preload

int main(int argc, char** argv) {
  using namespace preload;
  ::umask(027);
  // Large buffers go back to the system when they are freed.
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  ::mallopt(M_ARENA_MAX, 2);
  const auto options = parse_options({argv, static_cast<std::size_t>(argc)});
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
      return run(*options);
  }
}
