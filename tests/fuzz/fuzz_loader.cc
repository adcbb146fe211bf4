// SPDX-License-Identifier: Apache-2.0
// Command lines of dynamic loaders. The first byte chooses the program, the
// rest is argv, NUL between the arguments.
#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "fuzz.h"
#include "preload/detect/loader_options.h"

namespace preload {
namespace {

constexpr std::array<std::string_view, 4> kPrograms{
    "/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1 (deleted)",
    "/tmp/copy", ""};

// True when a loader that knows no options would find this value on the line:
// behind one of the three options, after a blank or a '='.
bool stands_on(const ExecEvent& event, const EnvVar& variable) {
  const std::string option = variable.name == "LD_PRELOAD" ? "--preload"
                             : variable.name == "LD_LIBRARY_PATH"
                                 ? "--library-path"
                                 : "--audit";
  for (size_t i = 1; i < event.argv.size(); ++i) {
    if (event.argv[i] == option + "=" + variable.value)
      return true;
    if (event.argv[i] == option && i + 1 < event.argv.size() &&
        event.argv[i + 1] == variable.value)
      return true;
  }
  return false;
}

std::vector<EnvVar> options_of(const ExecEvent& event) {
  const auto all = [](std::string_view) { return true; };
  const auto stands_for = loader_event(event, all);
  check(!stands_for || !stands_for->env.empty(), "an event of some");
  return stands_for ? stands_for->env : std::vector<EnvVar>();
}

}  // namespace

void fuzz_one(std::string_view input) {
  const uint8_t choice = take_byte(input);
  ExecEvent event;
  event.executable = kPrograms[choice % kPrograms.size()];
  constexpr std::array<std::optional<bool>, 3> kInterpreter{std::nullopt, true,
                                                            false};
  event.no_interpreter = kInterpreter[choice / 4 % 3];
  while (!input.empty()) {
    const std::string_view one = input.substr(0, input.find('\0'));
    event.argv.emplace_back(one);
    input.remove_prefix(std::min(one.size() + 1, input.size()));
  }
  const auto variables = options_of(event);
  check(event.no_interpreter != false || variables.empty(),
        "a program that needs a loader is none");
  for (const EnvVar& variable : variables)
    check(stands_on(event, variable), "options are on the command line");
  // Whatever follows, a loader takes its first option.
  event.executable = kPrograms[0];
  event.no_interpreter = true;
  event.argv.insert(event.argv.begin() + (event.argv.empty() ? 0 : 1),
                    {"--preload", "/first.so"});
  if (event.argv.size() > 2) {
    const auto first = options_of(event);
    check(!first.empty() && first[0] == EnvVar{"LD_PRELOAD", "/first.so"},
          "the first option is taken");
  }
}

}  // namespace preload
