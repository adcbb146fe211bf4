// SPDX-License-Identifier: Apache-2.0
// generate VERSION <PAGE.in >PAGE: fills the placeholders of a manual page from
// the tables of the program. It runs on the machine that builds.
//
//   @VERSION@  anywhere in a line
//   @KEYS@     a line: sections with all keys of the configuration (config.h)
//   @METRICS@  a line: all metrics (metrics.h)
//
// Markup of the texts in the tables:
//
//   blank line   begins a paragraph
//   - WORD: ...  begins an item of a list
//   `text`       is literal, set in bold
//   name(8)      is a manual page
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <regex>
#include <set>
#include <string>
#include <string_view>

#include "preload/base/config.h"
#include "preload/base/metrics.h"
#include "preload/base/text.h"

namespace preload {
namespace {

std::string bold(std::string_view text) {
  std::string roff = "\\fB";
  for (const char c : text)
    roff += c == '-' ? "\\-" : c == '\\' ? "\\e" : std::string(1, c);
  return roff + "\\fP";
}

// Literals and manual pages in bold, each sentence on a line of its own.
std::string with_markup(const std::string& text) {
  const std::regex marked(R"(`([^`]*)`|([a-z][a-z.-]*)(\([1-8]\)))");
  std::string roff;
  auto rest = text.cbegin();
  for (std::sregex_iterator it(text.begin(), text.end(), marked), end;
       it != end; ++it) {
    roff.append(rest, (*it)[0].first);
    roff += bold((*it)[1].str() + (*it)[2].str()) + (*it)[3].str();
    rest = (*it)[0].second;
  }
  roff.append(rest, text.cend());
  return std::regex_replace(roff, std::regex(R"(\. (?=[A-Z\\]))"), ".\n");
}

// One paragraph or item.
std::string block(const std::string& text) {
  const std::regex item(R"(- `([^`]*)`: (.*))");
  std::smatch parts;
  if (std::regex_match(text, parts, item))
    return ".TP\n" + bold(parts[1].str()) + "\n" + with_markup(parts[2]) + "\n";
  return with_markup(text) + "\n";
}

// `help` below a .TP, its items indented further.
std::string body(std::string_view help) {
  std::string roff;
  std::string pending;
  bool in_list = false;
  bool paragraph = false;
  const auto flush = [&] {
    if (pending.empty())
      return;
    const bool item = pending.starts_with("- ");
    if (item != in_list)
      roff += item ? ".RS\n" : ".RE\n";
    if (paragraph && !item)
      roff += ".IP\n";
    in_list = item;
    paragraph = true;
    roff += block(pending);
    pending.clear();
  };
  for (const std::string& line : split(help, '\n')) {
    if (line.empty() || line.starts_with("- "))
      flush();
    pending += (pending.empty() ? "" : " ") + line;
  }
  flush();
  return roff + (in_list ? ".RE\n" : "");
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::string keys() {
  std::string roff;
  std::string_view section;
  for (const Setting& setting : settings()) {
    if (setting.section != section)
      roff += ".SH " + upper(std::string(setting.section)) + "\n";
    section = setting.section;
    roff += ".TP\n" + bold(setting.key) + "\n" + body(setting.help);
    const std::string value = setting.get(Config());
    roff += ".IP\nDefault: " + (value.empty() ? "none" : bold(value)) + ".\n";
    if (setting.needs_restart)
      roff += "Needs a restart.\n";
  }
  return roff;
}

std::string family(const MetricInfo& first) {
  const std::string_view label = first.label;
  std::string roff = ".TP\n" + bold(first.family);
  roff += first.counter() ? " (counter" : " (gauge";
  roff += label.empty() ? ")" : ", label " + bold(label) + ")";
  roff += "\n" + std::string(first.help) + "\n";
  roff += label.empty() ? "" : ".RS\n";
  for (const MetricInfo& info : metric_table()) {
    if (info.family != first.family)
      continue;
    if (!label.empty())
      roff += ".TP\n" + bold(info.value) + "\n";
    if (!info.meaning.empty())
      roff += with_markup(std::string(info.meaning)) + "\n";
  }
  return roff + (label.empty() ? "" : ".RE\n");
}

std::string metrics() {
  std::string roff;
  std::set<std::string_view> done;
  for (const MetricInfo& info : metric_table())
    if (done.insert(info.family).second)
      roff += family(info);
  return roff;
}

}  // namespace
}  // namespace preload

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: generate VERSION <PAGE.in >PAGE\n";
    return EXIT_FAILURE;
  }
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "@KEYS@")
      std::cout << preload::keys();
    else if (line == "@METRICS@")
      std::cout << preload::metrics();
    else
      std::cout << std::regex_replace(line, std::regex("@VERSION@"), argv[1])
                << '\n';
  }
  return std::cout.flush() ? EXIT_SUCCESS : EXIT_FAILURE;
}
