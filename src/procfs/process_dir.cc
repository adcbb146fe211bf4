// SPDX-License-Identifier: Apache-2.0
#include "preload/procfs/process_dir.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "preload/base/trusted_file.h"
#include "preload/procfs/proc_files.h"

namespace preload {
namespace {

std::string link_target(int dir, const char* name) {
  std::array<char, kMaxLink> room;
  return std::string(read_link(dir, name, room));
}

Fd open_in_root(const Fd& root, const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  // A rename anywhere on the machine may spoil a look-up of `..`: EAGAIN.
  constexpr int kAttempts = 5;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const long fd =
        ::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how);
    if (fd >= 0)
      return Fd(static_cast<int>(fd));
    if (errno != EAGAIN)
      break;
  }
  if (errno != ENOSYS)
    return Fd();
  // Before Linux 5.6 only our own root can be looked up in safely.
  struct stat theirs {};
  struct stat ours {};
  if (::fstat(root.get(), &theirs) != 0 || ::stat("/", &ours) != 0 ||
      theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino)
    return Fd();
  return Fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
}

}  // namespace

std::string own_fd_path(const Fd& fd) {
  return "/proc/thread-self/fd/" + std::to_string(fd.get());
}

std::string path_of_fd(const Fd& fd) {
  return link_target(AT_FDCWD, own_fd_path(fd).c_str());
}

std::optional<ProcessDir> ProcessDir::open(int32_t pid) {
  ProcessDir process;
  process.pid_ = pid;
  process.dir_ = Fd(::open(("/proc/" + std::to_string(pid)).c_str(),
                           O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::array<char, kMaxStat> room;
  const ProcessStat stat =
      process.dir_ ? parse_stat(read_file(process.dir_.get(), "stat", room))
                   : ProcessStat();
  if (pid <= 0 || !stat.valid)
    return std::nullopt;
  process.ppid_ = stat.ppid;
  process.start_ticks_ = stat.start_ticks;
  return process;
}

Fd ProcessDir::open_file(const char* name, int flags) const {
  return Fd(::openat(dir_.get(), name, flags | O_CLOEXEC));
}

std::string ProcessDir::link(const char* name) const {
  return link_target(dir_.get(), name);
}

std::optional<std::string> ProcessDir::read(const char* name,
                                            size_t limit) const {
  const Fd fd = open_file(name, O_RDONLY);
  return fd ? read_up_to(fd, limit) : std::nullopt;
}

std::optional<RootView> RootView::of_process(const ProcessDir& process) {
  Fd root = process.open_file("root", O_PATH | O_DIRECTORY);
  if (!root)
    return std::nullopt;
  std::string prefix = process.link("root");
  if (prefix == "/")
    prefix.clear();
  RootView view(std::move(root), std::move(prefix), "");
  view.cwd_ = view.inside(process.link("cwd"));
  return view;
}

std::optional<RootView> RootView::of_host(const std::string& cwd) {
  Fd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root)
    return std::nullopt;
  return RootView(std::move(root), "", cwd);
}

std::string RootView::inside(const std::string& path) const {
  if (!path.starts_with('/') || !path.starts_with(prefix_))
    return {};
  const std::string rest = path.substr(prefix_.size());
  if (rest.empty())
    return "/";
  return rest.front() == '/' ? rest : std::string();
}

std::string RootView::absolute(const std::string& path) const {
  if (path.starts_with('/'))
    return path;
  return cwd_.starts_with('/') ? cwd_ + "/" + path : std::string();
}

Fd RootView::open(const std::string& path) const {
  const std::string whole = absolute(path);
  return whole.empty() ? Fd() : open_in_root(root_, whole);
}

bool RootView::absent(const std::string& path) const {
  constexpr int kMaxDepth = 128;  // directories that are looked for
  const auto nowhere = [] { return errno == ENOENT || errno == ENOTDIR; };
  const std::string whole = absolute(path);
  // A working directory that was deleted has files around it nevertheless.
  if (whole.empty() || (whole != path && !open(cwd_)))
    return false;
  size_t end = whole.size();
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const size_t slash = whole.rfind('/', end - 1);
    const Fd directory = open(slash == 0 ? "/" : whole.substr(0, slash));
    if (directory) {
      const std::string name = whole.substr(slash + 1, end - slash - 1);
      struct statfs system {};
      struct stat status {};
      return ::fstatfs(directory.get(), &system) == 0 &&
             system.f_type != PROC_SUPER_MAGIC &&
             ::fstatat(directory.get(), name.c_str(), &status,
                       AT_SYMLINK_NOFOLLOW) != 0 &&
             nowhere();
    }
    if (!nowhere() || slash == 0)
      break;
    end = slash;
  }
  return false;
}

std::string RootView::path_of(const Fd& file) const {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || status.st_nlink == 0)
    return {};
  return inside(path_of_fd(file));
}

}  // namespace preload
