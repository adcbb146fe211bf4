// SPDX-License-Identifier: Apache-2.0
#include "preload/enrich/library_facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <optional>
#include <set>
#include <utility>

#include "preload/base/clock.h"
#include "preload/base/digest.h"
#include "preload/base/fd.h"
#include "preload/detect/library_names.h"
#include "preload/procfs/proc_files.h"
#include "preload/procfs/process_dir.h"

namespace preload {
namespace {

constexpr size_t kMaxMaps = size_t{16} << 20;
constexpr size_t kMaxEnviron = size_t{8} << 20;  // the kernel's limit is 6 MiB
constexpr int kMaxAncestors = 32;
constexpr int kMaxDepth = 128;  // directories above a file

using TimePoint = std::chrono::steady_clock::time_point;

const std::string& platform() {
  static const std::string kMachine = [] {
    utsname name{};
    return ::uname(&name) == 0 ? std::string(name.machine) : std::string();
  }();
  return kMachine;
}

bool passed(TimePoint deadline) {
  return std::chrono::steady_clock::now() >= deadline;
}

// What a process has mapped. On btrfs and overlayfs the device numbers in maps
// are not those of stat(2), so a file is compared by its path too.
class MappedFiles {
 public:
  explicit MappedFiles(const std::optional<ProcessDir>& process) {
    const auto maps = process ? process->read("maps", kMaxMaps) : std::nullopt;
    std::string_view rest = maps ? std::string_view(*maps) : "";
    while (const auto mapping = next_mapping(rest)) {
      by_device_.insert({makedev(mapping->device_major, mapping->device_minor),
                         mapping->inode});
      by_path_.insert({std::string(mapping->path), mapping->inode});
    }
  }

  [[nodiscard]] bool contain(const Fd& file, const struct stat& status) const {
    return by_device_.contains({status.st_dev, status.st_ino}) ||
           by_path_.contains({path_of_fd(file), status.st_ino});
  }

 private:
  std::set<std::pair<dev_t, ino_t>> by_device_;
  std::set<std::pair<std::string, ino_t>> by_path_;
};

// A name without a slash is searched in more directories than we know, and what
// stands for $LIB or $PLATFORM depends on the program.
bool names_one_file(std::string_view name) {
  return name.find('/') != std::string_view::npos &&
         name.find('$') == std::string_view::npos;
}

class FactFinder {
 public:
  FactFinder(const ExecEvent& event, TimePoint deadline)
      : event_(event), deadline_(deadline), process_(live_process()) {
    view_ = look_through();
  }

  void libraries(const Term& term, AlertFacts& facts) const {
    if (!view_)
      return;
    const MappedFiles mapped(process_);
    std::vector<std::string> search;
    for (const EnvVar& var : event_.env)
      if (var.name == "LD_LIBRARY_PATH")
        search.push_back(var.value);
    const std::string origin =
        event_.executable.substr(0, event_.executable.rfind('/'));
    for (std::string& name : library_names(term.variable, term.value)) {
      if (passed(deadline_))
        return;
      const auto candidates =
          library_candidates(name, origin, search, platform());
      facts.libraries.push_back(library(std::move(name), candidates, mapped));
    }
  }

  // The nearest ancestor whose own environment lacks the value.
  void introducer(const Term& term, AlertFacts& facts) const {
    const std::string entry = term.variable + "=" + term.value;
    int32_t pid = event_.ppid;
    uint64_t youngest = event_.start_ticks;
    for (int step = 0; step < kMaxAncestors && !passed(deadline_); ++step) {
      const auto ancestor = ProcessDir::open(pid);
      if (!ancestor || ancestor->start_ticks() > youngest)
        return;  // it has ended; its pid is in use again
      const auto environ = ancestor->read("environ", kMaxEnviron);
      if (!environ)
        return;
      if (!has_entry(*environ, entry)) {
        facts.introducer_pid = pid;
        facts.introducer_executable = ancestor->link("exe");
        return;
      }
      youngest = ancestor->start_ticks();
      pid = ancestor->ppid();
    }
  }

 private:
  [[nodiscard]] std::optional<ProcessDir> live_process() const {
    auto process = ProcessDir::open(event_.pid);
    if (process && process->start_ticks() != event_.start_ticks)
      process.reset();
    return process;
  }

  [[nodiscard]] std::optional<RootView> look_through() {
    if (event_.origin != Origin::kPreloadFile) {
      if (auto view = process_ ? RootView::of_process(*process_) : std::nullopt)
        return view;
      own_view_ = false;
      const auto parent = ProcessDir::open(event_.ppid);
      if (parent && parent->start_ticks() <= event_.start_ticks) {
        if (auto view = RootView::of_process(*parent)) {
          view->set_cwd(event_.cwd);
          return view;
        }
      }
      if (!event_.container.empty())
        return std::nullopt;
    }
    return RootView::of_host(event_.cwd);
  }

  [[nodiscard]] LibraryFact library(std::string name,
                                    const std::vector<std::string>& candidates,
                                    const MappedFiles& mapped) const {
    LibraryFact fact;
    fact.named = std::move(name);
    bool absent = own_view_ && names_one_file(fact.named);
    for (const std::string& candidate : candidates) {
      if (passed(deadline_))
        return fact;
      const Fd file = view_->open(candidate);
      struct stat status {};
      if (!file || ::fstat(file.get(), &status) != 0) {
        absent = absent && view_->absent(candidate);
        continue;
      }
      describe(fact, file, status);
      fact.mapped = mapped.contain(file, status);
      fact.writable_by_others = others_may_write(status) ||
                                others_may_write_above(candidate) ||
                                others_may_write_above(fact.path);
      return fact;
    }
    if (absent)
      fact.exists = false;
    // Where others could create it.
    if (fact.named.find('/') != std::string::npos && !candidates.empty())
      fact.writable_by_others = others_may_write_above(candidates.front());
    return fact;
  }

  void describe(LibraryFact& fact, const Fd& file,
                const struct stat& status) const {
    constexpr mode_t kPermissions = 07777;
    fact.exists = true;
    fact.path = view_->path_of(file);
    fact.owner = status.st_uid;
    fact.mode = status.st_mode & kPermissions;
    fact.size = static_cast<uint64_t>(status.st_size);
    fact.mtime_us = int64_t{status.st_mtim.tv_sec} * kMicrosPerSecond +
                    int64_t{status.st_mtim.tv_nsec} / kNanosPerMicro;
    if (S_ISREG(status.st_mode) && fact.size <= kMaxDigestBytes)
      fact.sha256 = digest_of_file(file);
  }

  // Hexadecimal; empty when it cannot be read, or not in time, or is too large.
  [[nodiscard]] std::string digest_of_file(const Fd& file) const {
    // That file, whatever its name leads to now.
    const Fd fd(::open(own_fd_path(file).c_str(),
                       O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    std::vector<char> buffer(size_t{64} << 10);
    Sha256 sha;
    uint64_t total = 0;
    while (fd && !passed(deadline_) && total <= kMaxDigestBytes) {
      const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
      if (n < 0)
        return {};
      if (n == 0)
        return hex(sha.finish());
      sha.update({buffer.data(), static_cast<size_t>(n)});
      total += static_cast<uint64_t>(n);
    }
    return {};
  }

  [[nodiscard]] bool others_may_write(const struct stat& status) const {
    const bool group = (status.st_mode & S_IWGRP) != 0 && status.st_gid != 0;
    const bool owner = status.st_uid != 0 && status.st_uid != event_.uid;
    return (status.st_mode & S_IWOTH) != 0 || group || owner;
  }

  [[nodiscard]] bool others_may_write_above(const std::string& path) const {
    const std::string whole = view_->absolute(path);
    size_t slash = whole.rfind('/');
    for (int depth = 0;
         depth < kMaxDepth && slash != std::string::npos && !passed(deadline_);
         ++depth) {
      const Fd directory =
          view_->open(slash == 0 ? "/" : whole.substr(0, slash));
      struct stat status {};
      if (directory && ::fstat(directory.get(), &status) == 0 &&
          others_may_write(status))
        return true;
      if (slash == 0)
        break;
      slash = whole.rfind('/', slash - 1);
    }
    return false;
  }

  static bool has_entry(std::string_view environ, std::string_view entry) {
    while (!environ.empty())
      if (next_string(environ) == entry)
        return true;
    return false;
  }

  const ExecEvent& event_;
  TimePoint deadline_;
  std::optional<ProcessDir> process_;
  bool own_view_ = true;  // not that of the parent, or of the host, instead
  std::optional<RootView> view_;
};

}  // namespace

AlertFacts find_facts(const ExecEvent& event, const Term& term,
                      TimePoint deadline) {
  AlertFacts facts;
  const FactFinder finder(event, deadline);
  // The ancestors first, since they end sooner than files go.
  if (event.origin != Origin::kPreloadFile)
    finder.introducer(term, facts);
  finder.libraries(term, facts);
  return facts;
}

}  // namespace preload
