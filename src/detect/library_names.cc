// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/library_names.h"

#include <algorithm>
#include <array>

#include "preload/correlate/preload_file.h"

namespace preload {
namespace {

constexpr size_t kMaxCandidates = 64;
constexpr size_t kMaxDirectories = 32;

// What the tokens stand for.
struct Expansion {
  std::string_view origin;
  std::string_view platform;
  // $LIB is one of these, which one is a matter of the distribution.
  std::array<std::string, 3> lib;
};

bool part_of_name(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c >= '0' && c <= '9') || c == '_';
}

// The token at the start of `text`, which begins with $; its length, or 0.
size_t token_length(std::string_view text, std::string_view name) {
  const bool braces = text.substr(1).starts_with('{');
  const size_t begin = braces ? 2 : 1;
  if (text.substr(std::min(begin, text.size()), name.size()) != name)
    return 0;
  const size_t end = begin + name.size();
  if (braces)
    return end < text.size() && text[end] == '}' ? end + 1 : 0;
  return end < text.size() && part_of_name(text[end]) ? 0 : end;
}

std::string expand_with(std::string_view text, const Expansion& tokens,
                        std::string_view lib) {
  std::string out;
  while (!text.empty()) {
    size_t length = 0;
    if (text.front() == '$') {
      if ((length = token_length(text, "ORIGIN")) != 0)
        out += tokens.origin;
      else if ((length = token_length(text, "LIB")) != 0)
        out += lib;
      else if ((length = token_length(text, "PLATFORM")) != 0)
        out += tokens.platform;
    }
    if (length == 0)
      out += text[length++];
    text.remove_prefix(length);
  }
  return out;
}

void add(std::vector<std::string>& list, std::string path, size_t most) {
  if (list.size() < most &&
      std::find(list.begin(), list.end(), path) == list.end())
    list.push_back(std::move(path));
}

void add_expanded(std::vector<std::string>& list, std::string_view text,
                  const Expansion& tokens, size_t most) {
  for (const std::string& lib : tokens.lib)
    add(list, expand_with(text, tokens, lib), most);
}

// The parts of `text` between any of `separators`, empty ones too.
template <class Take>
void for_each_part(std::string_view text, std::string_view separators,
                   Take take) {
  while (true) {
    const size_t end = text.find_first_of(separators);
    take(text.substr(0, end));
    if (end == std::string_view::npos)
      return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::vector<std::string> library_names(std::string_view variable,
                                       std::string_view value) {
  std::string_view separators;
  if (variable == "LD_PRELOAD")
    separators = " :";
  else if (variable == "LD_AUDIT")
    separators = ":";
  else if (variable != kPreloadFileVariable)
    return {};
  std::vector<std::string> names;
  for_each_part(value, separators, [&names](std::string_view part) {
    if (!part.empty())
      add(names, std::string(part), kMaxLibraries);
  });
  return names;
}

std::vector<std::string> library_candidates(
    std::string_view name, std::string_view origin,
    const std::vector<std::string>& search, std::string_view platform) {
  const Expansion tokens{
      origin,
      platform,
      {"lib/" + std::string(platform) + "-linux-gnu", "lib64", "lib"}};
  std::vector<std::string> candidates;
  if (name.find('/') != std::string_view::npos) {
    add_expanded(candidates, name, tokens, kMaxCandidates);
    return candidates;
  }
  std::vector<std::string> directories;
  for (const std::string& list : search)
    for_each_part(list, ":;", [&](std::string_view part) {
      add_expanded(directories, part.empty() ? "." : part, tokens,
                   kMaxDirectories);
    });
  for (const char* prefix : {"/", "/usr/", "/usr/local/"})
    for (const std::string& lib : tokens.lib)
      directories.push_back(prefix + lib);
  for (const std::string& directory : directories)
    add(candidates, directory + "/" + std::string(name), kMaxCandidates);
  return candidates;
}

}  // namespace preload
