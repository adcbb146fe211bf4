// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/plugin.h"

#include <fmt/format.h>
#include <getopt.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/config.h"
#include "preload/base/log.h"
#include "preload/base/thread.h"
#include "preload/daemon/pipeline.h"
#include "preload/daemon/signals.h"
#include "preload/deliver/sinks.h"
#include "preload/detect/new_terms.h"
#include "preload/doctor/check.h"
#include "preload/doctor/self_test.h"
#include "preload/sandbox/file_ownership.h"
#include "preload/sandbox/privileges.h"
#include "preload/sandbox/seccomp.h"

namespace preload {
namespace {

constexpr int kConfigOption = 'c';

constexpr std::array<option, 6> kLongOptions{
    {{"config", required_argument, nullptr, kConfigOption},
     {"check", no_argument, nullptr, static_cast<int>(Action::kCheck)},
     {"self-test", no_argument, nullptr, static_cast<int>(Action::kSelfTest)},
     {"version", no_argument, nullptr, static_cast<int>(Action::kVersion)},
     {"help", no_argument, nullptr, static_cast<int>(Action::kHelp)},
     {nullptr, 0, nullptr, 0}}};

int log_and_exit(ExitCode code, const Error& error) {
  log_error(error.message());
  stop_log();
  return code;
}

// The log's thread must not start with root's privileges, so it is started when
// they are dropped or no longer used.
int fail_start(ExitCode code, const Error& error, const Config& config = {}) {
  start_log(log_sink(config.syslog_socket));
  return log_and_exit(code, error);
}

Status become_user(const Config& config) {
  std::optional<Identity> user;
  if (::geteuid() == 0) {
    auto found = find_identity(config.user);
    if (!found)
      return tl::unexpected(found.error());
    if (Status changed = transfer_ownership(config, *found); !changed)
      return changed;
    user = std::move(*found);
  }
  return drop_privileges(user, config.audit_message);
}

// Listeners start in between: they need the user's rights and CAP_SYS_NICE,
// which no other thread keeps.
Status start_confined(Pipeline& pipeline, const Config& config) {
  if (Status status = become_user(config); !status)
    return status;
  if (Status status = pipeline.start_listeners(); !status)
    return status;
  if (Status status = drop_thread_capabilities(ThreadRole::kOther); !status)
    return status;
  return confine_process(config.audit_message);
}

int run_pipeline(const Options& options, const Timing& timing) {
  const pid_t parent = ::getppid();
  reset_inherited_state();
  request_short_time_slices();
  auto signals = block_signals();
  if (!signals)
    return fail_start(kExitStart, signals.error());
  const auto config = load_config(options.config);
  set_emergency_log_socket(config ? config->syslog_socket
                                  : Config().syslog_socket);
  if (!config)
    return fail_start(kExitConfiguration, config.error());
  if (const auto rule = make_rule(*config, options.config, 0); !rule)
    return fail_start(kExitConfiguration, rule.error(), *config);
  auto pipeline = std::make_unique<Pipeline>(
      *config, options.config, std::move(*signals), parent, timing);
  if (const Status opened = pipeline->open(); !opened)
    return fail_start(kExitStart, opened.error(), *config);
  if (const Status ready = start_confined(*pipeline, *config); !ready)
    return fail_start(kExitStart, ready.error(), *config);

  start_log(log_sink(config->syslog_socket));
  ExitCode code = kExitStart;
  Status status = pipeline->start();
  if (status) {
    code = kExitFailed;
    status = pipeline->run();
  }
  pipeline.reset();
  if (!status)
    return log_and_exit(code, status.error());
  stop_log();
  return kExitGood;
}

int run(const Options& options, const Timing& timing) {
  try {
    return run_pipeline(options, timing);
  } catch (const std::exception& error) {
    emergency_log(
        std::string("the input thread failed: ") + error.what() +
        "; the plugin ends (exit status 5), and auditd starts it again");
    // Committed data is safe; destructors of statics could wait for a thread.
    ::_exit(kExitFailed);
  }
}

}  // namespace

Result<Options> parse_options(std::span<char* const> args) {
  Options options;
  bool configured = false;
  std::vector<char*> argv(args.begin(), args.end());
  argv.push_back(nullptr);
  optind = 0;  // scan from the start, also a second time
  opterr = 0;
  while (true) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there are no threads yet
    const int found = ::getopt_long(static_cast<int>(args.size()), argv.data(),
                                    "", kLongOptions.data(), nullptr);
    if (found == -1)
      break;
    if (found == '?')
      return fail(fmt::format("unknown or incomplete option {}; try --help",
                              argv[static_cast<size_t>(optind) - 1]));
    if (found == kConfigOption) {
      if (std::exchange(configured, true))
        return fail("--config is given twice");
      options.config = optarg;
      continue;
    }
    if (options.action != Action::kRun)
      return fail(
          "only one of --check, --self-test, --version and --help is allowed");
    options.action = static_cast<Action>(found);
  }
  if (static_cast<size_t>(optind) < args.size())
    return fail(fmt::format("unexpected argument {}; try --help",
                            argv[static_cast<size_t>(optind)]));
  return options;
}

std::string usage() {
  return R"(Usage: audisp-preload [--config FILE] [--check | --self-test | --version | --help]

An auditd plugin that raises an alert when a program is started with a new value
of LD_PRELOAD or a similar variable. Without an option it reads audit records
from standard input; auditd starts it so.

  --config FILE  read FILE instead of /etc/audit/audisp-preload.conf
  --check        print one line for each condition of a working deployment, with
                 the remedy for each failure
  --self-test    start a harmless program with a unique LD_PRELOAD and wait until
                 the running plugin has sent its alert
  --version      print the version
  --help         print this text

See audisp-preload(8) and audisp-preload.conf(5).
)";
}

int plugin_main(std::span<char* const> args, const Timing& timing) {
  ::umask(027);
  // Large buffers are returned to the system when they are freed.
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  ::mallopt(M_ARENA_MAX, 2);
  const auto options = parse_options(args);
  if (!options)
    return log_and_exit(kExitUsage, options.error());
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
