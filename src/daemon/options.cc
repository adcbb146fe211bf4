// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/options.h"

#include <fmt/format.h>
#include <getopt.h>

#include <array>
#include <utility>
#include <vector>

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

}  // namespace preload
