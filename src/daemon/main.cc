// SPDX-License-Identifier: Apache-2.0
// audisp-preload: the architecture in order.
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "preload/base/config.h"
#include "preload/base/last_words.h"
#include "preload/base/log.h"
#include "preload/daemon/check.h"
#include "preload/daemon/options.h"
#include "preload/daemon/pipeline.h"
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

int run_pipeline(const Options& options) {
  const pid_t parent = ::getppid();
  auto signals = block_signals();
  if (!signals)
    return stop_with(kExitStart, signals.error());
  const auto config = load_config(options.config);
  const std::string socket =
      config ? config->syslog_socket : Config().syslog_socket;
  start_log(log_sink(socket));
  set_last_words_socket(socket);
  tell_fatal_signals();
  if (!config)
    return stop_with(kExitConfiguration, config.error());
  if (const auto rule = make_rule(*config, options.config, 0); !rule)
    return stop_with(kExitConfiguration, rule.error());
  auto pipeline = Pipeline::start(*config, options.config, STDIN_FILENO,
                                  std::move(*signals), parent);
  if (!pipeline)
    return stop_with(kExitStart, pipeline.error());
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
