// SPDX-License-Identifier: Apache-2.0
#include "preload/sandbox/seccomp.h"

#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "preload/base/sanitizer.h"
#include "preload/base/text.h"

// libseccomp's headers name calls by macros; the names alone serve for all
// architectures, and one that this architecture lacks is skipped.

namespace preload {
namespace {

using Conditions = std::initializer_list<scmp_arg_cmp>;

// Every thread's: memory, waiting, signals to itself, its end.
constexpr const char* kThread =
    "brk clock_getres clock_gettime clock_nanosleep close exit exit_group "
    "fstat fstat64 futex futex_time64 getpid getrandom gettid gettimeofday "
    "lseek _llseek madvise membarrier mremap munmap nanosleep newfstatat "
    "openat openat2 poll ppoll pread64 read readlinkat readv recvfrom recvmsg "
    "restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn "
    "sched_yield set_robust_list sigaltstack statx time write";

// The rest: files and their locks (SQLite, outputs, libraries to digest), local
// sockets (syslog, name services), threads, capabilities (only fewer of them).
constexpr const char* kProcess =
    "access bind capget capset chdir close_range connect dup dup2 dup3 "
    "epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd2 faccessat "
    "faccessat2 fadvise64 "
    "fallocate fchmod fchmodat fchown fchown32 fcntl fcntl64 fdatasync flock "
    "fstatfs fstatfs64 fsync ftruncate ftruncate64 getcpu getcwd getdents64 "
    "getegid geteuid getgid getgroups getpeername getppid getresgid getresuid "
    "getrlimit getrusage getsockname getsockopt getuid inotify_add_watch "
    "inotify_init1 inotify_rm_watch link lstat mincore mkdir mkdirat msync "
    "open pipe2 pselect6 pwrite64 pwritev readlink rename renameat renameat2 "
    "rmdir sched_getaffinity sched_setaffinity sched_getparam "
    "sched_getscheduler seccomp select "
    "sendmmsg sendmsg sendto setsockopt shutdown signalfd4 stat stat64 statfs "
    "statfs64 sync_file_range sysinfo timerfd_create timerfd_gettime "
    "timerfd_settime times umask uname unlink unlinkat utimensat writev";

// The plugin never makes these calls; injected code would.
constexpr const char* kKill =
    "add_key bpf chroot delete_module execve execveat finit_module fork "
    "fsconfig fsmount fsopen init_module io_uring_setup kexec_file_load "
    "kexec_load keyctl mknod mknodat mount mount_setattr move_mount "
    "open_by_handle_at open_tree perf_event_open personality pidfd_getfd "
    "pidfd_send_signal pivot_root process_madvise process_vm_readv "
    "process_vm_writev ptrace quotactl reboot request_key setns settimeofday "
    "swapon umount2 unshare userfaultfd vfork";

// Of prctl(2): thread names, and what libcap-ng reads to verify.
constexpr int kSetVma = 0x53564d41;  // newer than the headers of Debian 12
constexpr std::initializer_list<int> kPrctl{
    PR_SET_NAME,       PR_GET_NAME,         PR_GET_DUMPABLE, PR_CAPBSET_READ,
    PR_GET_SECUREBITS, PR_GET_NO_NEW_PRIVS, kSetVma};

scmp_arg_cmp equal(unsigned argument, scmp_datum_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}

scmp_arg_cmp bits(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

class Filter {
 public:
  Filter()
      : context_(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), ::seccomp_release) {
    if (!context_)
      error_ = ENOMEM;
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    set(SCMP_FLTATR_CTL_NNP, 0);  // drop_privileges() has set it
    // Otherwise the kernel's mitigation of speculative stores slows us down.
    set_if_known(SCMP_FLTATR_CTL_SSB, 1);
    constexpr uint32_t kBinaryTree = 2;
    set_if_known(SCMP_FLTATR_CTL_OPTIMIZE, kBinaryTree);
  }

  void rule(uint32_t action, const char* name, Conditions conditions = {}) {
    const int call = ::seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR)
      return;
    const std::vector<scmp_arg_cmp> array(conditions);
    keep(::seccomp_rule_add_array(context_.get(), action, call,
                                  static_cast<unsigned>(array.size()),
                                  array.data()));
  }
  void allow(const char* name, Conditions conditions = {}) {
    rule(SCMP_ACT_ALLOW, name, conditions);
  }
  // `names` are separated by blanks.
  void rules(uint32_t action, const char* names) {
    for (const std::string& name : split(names, ' '))
      rule(action, name.c_str());
  }
  // Memory is executable only if a file is mapped (a name service's library,
  // loaded when it is first needed), and never also writable. Signals go to
  // the process's own threads only.
  void allow_own_memory_and_threads() {
    for (const char* name : {"mmap", "mmap2"}) {
      allow(name, {bits(2, PROT_EXEC, 0)});
      allow(name, {bits(2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
                   bits(3, MAP_ANONYMOUS, 0)});
    }
    allow("mprotect", {bits(2, PROT_EXEC, 0)});
    allow("tgkill", {equal(0, static_cast<scmp_datum_t>(::getpid()))});
  }

  Status load(bool all_threads) {
    if (all_threads)
      set(SCMP_FLTATR_CTL_TSYNC, 1);
    if (error_ == 0)
      keep(::seccomp_load(context_.get()));
    if (error_ != 0)
      return fail(
          "cannot install the system call filter (a kernel without "
          "CONFIG_SECCOMP_FILTER?)",
          error_);
    return {};
  }

 private:
  // The library refuses a null context.
  void keep(int result) {
    if (error_ == 0 && result != 0)
      error_ = -result;
  }
  void set(scmp_filter_attr attribute, uint32_t value) {
    keep(::seccomp_attr_set(context_.get(), attribute, value));
  }
  // Errors are ignored: older libraries and kernels lack the attribute.
  void set_if_known(scmp_filter_attr attribute, uint32_t value) {
    ::seccomp_attr_set(context_.get(), attribute, value);
  }

  int error_ = 0;  // the first
  std::unique_ptr<void, void (*)(void*)> context_;
};

}  // namespace

Status confine_process(bool audit_message) {
  if (kSanitizer)
    return {};
  Filter filter;
  filter.rules(SCMP_ACT_ALLOW, kThread);
  filter.rules(SCMP_ACT_ALLOW, kProcess);
  filter.allow_own_memory_and_threads();
  filter.allow("clone", {bits(0, CLONE_THREAD, CLONE_THREAD)});
  filter.allow("socket", {equal(0, AF_UNIX)});
  if (audit_message)
    filter.allow("socket", {equal(0, AF_NETLINK), equal(2, NETLINK_AUDIT)});
  filter.allow("prlimit64", {equal(0, 0), equal(2, 0)});  // asking only
  filter.allow("ioctl", {equal(1, TCGETS)});
  for (const int option : kPrctl)
    filter.allow("prctl", {equal(0, static_cast<scmp_datum_t>(option))});
  filter.allow("prctl",
               {equal(0, PR_CAP_AMBIENT), equal(1, PR_CAP_AMBIENT_IS_SET)});
  filter.rules(SCMP_ACT_KILL_PROCESS, kKill);
  return filter.load(true);
}

Status confine_listener() {
  if (kSanitizer)
    return {};
  Filter filter;
  filter.rules(SCMP_ACT_ALLOW, kThread);
  filter.allow_own_memory_and_threads();
  return filter.load(false);
}

std::string_view confinement_text() {
  return kSanitizer ? "system calls not filtered: built with a sanitizer"
                    : "system calls filtered";
}

}  // namespace preload
