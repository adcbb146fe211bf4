// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/preload_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "preload/base/config.h"
#include "preload/base/fd.h"
#include "preload/base/trusted_file.h"

namespace preload {
namespace {

constexpr std::string_view kSeparators = ": \t\n";

// After the watch has fired: soon, and when a writer should be done.
constexpr int64_t kSoonNs = 200 * kNanosPerMilli;
constexpr int64_t kWhileFiredNs = 2 * kNanosPerSecond;
constexpr int64_t kFiredForNs = 20 * kNanosPerSecond;
constexpr int64_t kGiveAgainNs = kDay * kNanosPerSecond;

// The loop of glibc, with its error.
void strip_comments(std::string& file) {
  size_t rest = file.size();
  while (rest > 0) {
    size_t comment = std::string_view(file).substr(0, rest).find('#');
    if (comment == std::string_view::npos)
      return;
    rest -= comment;
    do {
      file[comment] = ' ';
    } while (--rest > 0 && file[++comment] != '\n');
  }
}

}  // namespace

std::vector<EnvVar> preload_file_entries(std::string_view content) {
  std::string file(content.substr(0, kMaxPreloadFileBytes));
  strip_comments(file);
  // glibc reads up to the first NUL, and apart from that a last name which no
  // separator ends.
  const size_t last_separator = file.find_last_of(kSeparators);
  const size_t tail =
      last_separator == std::string::npos ? 0 : last_separator + 1;
  std::vector<EnvVar> entries;
  const auto add = [&entries](std::string_view name) {
    if (!name.empty())
      entries.push_back({std::string(kPreloadFileVariable), std::string(name)});
  };
  const auto to_nul = [](std::string_view text) {
    return text.substr(0, text.find('\0'));
  };
  std::string_view body = to_nul(std::string_view(file).substr(0, tail));
  while (!body.empty()) {
    const size_t end = body.find_first_of(kSeparators);
    add(body.substr(0, end));
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
  }
  add(to_nul(std::string_view(file).substr(tail)));
  return entries;
}

std::vector<EnvVar> read_preload_file(const std::string& path) {
  const Fd file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return {};
  return preload_file_entries(
      read_up_to(file, kMaxPreloadFileBytes).value_or(""));
}

void PreloadFileWatch::fired(ExecEventPtr event, int64_t now_ns) {
  opened_by_ = std::move(event);
  fired_ns_ = now_ns;
  due_ns_ = std::min(due_ns_, now_ns + kSoonNs);
}

bool PreloadFileWatch::fired_lately(int64_t now_ns) const {
  return opened_by_ && now_ns - fired_ns_ < kFiredForNs;
}

void PreloadFileWatch::reading(int64_t now_ns) {
  due_ns_ = now_ns + (fired_lately(now_ns) ? kWhileFiredNs : interval_ns_);
}

ExecEventPtr PreloadFileWatch::take(std::vector<EnvVar> entries,
                                    const Clock& clock) {
  const int64_t now_ns = clock.monotonic_ns();
  const bool same = entries == entries_;
  if (same && now_ns - given_ns_ < kGiveAgainNs)
    return nullptr;
  given_ns_ = now_ns;
  entries_ = std::move(entries);
  if (entries_.empty())
    return nullptr;
  ExecEvent event = fired_lately(now_ns) && !same ? *opened_by_ : ExecEvent{};
  event.origin = Origin::kPreloadFile;
  event.capture = Capture::kLate;
  event.time_us = clock.wall_us();
  event.env = entries_;
  return std::make_shared<const ExecEvent>(std::move(event));
}

}  // namespace preload
