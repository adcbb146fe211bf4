// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/loader_options.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/text.h"

namespace preload {
namespace {

struct Option {
  std::string_view name;
  std::string_view variable;  // empty: none that matters here
  bool has_value;
};

constexpr std::array<Option, 15> kOptions{
    {{"--preload", "LD_PRELOAD", true},
     {"--library-path", "LD_LIBRARY_PATH", true},
     {"--audit", "LD_AUDIT", true},
     {"--argv0", "", true},
     {"--inhibit-rpath", "", true},
     {"--glibc-hwcaps-prepend", "", true},
     {"--glibc-hwcaps-mask", "", true},
     {"--inhibit-cache", "", false},
     {"--list", "", false},
     {"--verify", "", false},
     {"--help", "", false},
     {"--version", "", false},
     {"--list-tunables", "", false},
     {"--list-diagnostics", "", false},
     {"--", "", false}}};

struct CommandLine {
  std::vector<EnvVar> variables;
  bool all_known = true;  // every option is one of a loader's
  bool has_program = false;
};

CommandLine read_options(const std::vector<std::string>& argv) {
  CommandLine line;
  size_t next = 1;
  while (next < argv.size() && argv[next].starts_with("--")) {
    const std::string_view argument = argv[next++];
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const auto* option =
        std::find_if(kOptions.begin(), kOptions.end(),
                     [&](const Option& o) { return o.name == name; });
    if (option == kOptions.end()) {
      line.all_known = false;
      continue;
    }
    if (name == "--")
      break;
    std::string_view value;
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
    } else if (option->has_value) {
      if (next == argv.size())
        return line;
      value = argv[next++];
    }
    if (!option->variable.empty())
      line.variables.push_back(
          {std::string(option->variable), std::string(value)});
  }
  line.has_program = next < argv.size();
  return line;
}

bool named_like_a_loader(std::string_view executable) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (executable.ends_with(kDeleted))
    executable.remove_suffix(kDeleted.size());
  const std::string_view name = basename_of(executable);
  const bool shared = name.find(".so") != std::string_view::npos;
  return shared && (name.starts_with("ld-") || name.starts_with("ld.") ||
                    name.starts_with("ld64.") || name == "libc.so" ||
                    name.starts_with("libc.musl-"));
}

}  // namespace

std::optional<ExecEvent> loader_event(
    const ExecEvent& event,
    const std::function<bool(std::string_view)>& watched) {
  if (event.argv.size() < 2 || !event.argv[1].starts_with("--") ||
      event.no_interpreter == false)
    return std::nullopt;
  CommandLine line = read_options(event.argv);
  const bool reads_as_one =
      event.no_interpreter == true && line.all_known && line.has_program;
  if (!named_like_a_loader(event.executable) && !reads_as_one)
    return std::nullopt;
  std::erase_if(line.variables,
                [&](const EnvVar& option) { return !watched(option.name); });
  if (line.variables.empty())
    return std::nullopt;
  ExecEvent result = event;
  result.origin = Origin::kLoaderOption;
  result.env = std::move(line.variables);
  return result;
}

}  // namespace preload
