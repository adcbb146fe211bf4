// SPDX-License-Identifier: Apache-2.0
// In children that drop privileges as the plugin does: what they may do, and
// what happens when they try more.
#include "preload/sandbox/privileges.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "preload/sandbox/seccomp.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

constexpr int kKilled = 1000;     // by the filter
constexpr int kNotReduced = 200;  // the child could not drop privileges

bool filtered() {
  return confinement_text() == "system calls filtered";
}

// What `attempt` gives in a child that `prepare` has readied: 0 or an errno.
int outcome_of(const std::function<bool()>& prepare,
               const std::function<long()>& attempt) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!prepare())
      ::_exit(kNotReduced);
    errno = 0;
    ::_exit(attempt() < 0 ? errno : 0);
  }
  const int status = wait_for(child);
  if (WIFSIGNALED(status))
    return WTERMSIG(status) == SIGSYS ? kKilled : -WTERMSIG(status);
  return WEXITSTATUS(status);
}

bool confine(bool audit_message) {
  const auto user = find_identity("daemon");
  return user && drop_privileges(*user, audit_message) &&
         drop_thread_capabilities(ThreadRole::kOther) &&
         confine_process(audit_message);
}

class Privileges : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0)
      GTEST_SKIP() << "only root can become another user";
  }
  static int running(const std::function<long()>& attempt,
                     bool audit_message = false) {
    return outcome_of([=] { return confine(audit_message); }, attempt);
  }
  static int listening(const std::function<long()>& attempt) {
    return outcome_of(
        [] {
          return confine(true) &&
                 drop_thread_capabilities(ThreadRole::kListener) &&
                 confine_listener();
        },
        attempt);
  }
};

// A file of the test's own process, which is root's.
const pid_t kTest = ::getpid();
long open_of_parent(const char* name, int flags) {
  return ::open(fmt::format("/proc/{}/{}", kTest, name).c_str(), flags);
}

// 0 when the line of /proc/self/status is this one.
long status_is(const std::string& key, const std::string& value) {
  std::ifstream status("/proc/thread-self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":\t"))
      return line == key + ":\t" + value ? 0 : (errno = EDOM, -1);
  return errno = ENOENT, -1;
}

TEST_F(Privileges, KeepsWhatTheTableSaysAndNoMore) {
  const auto is = [](const char* key, const char* value) {
    return [=] { return status_is(key, value); };
  };
  const auto mask = [](std::initializer_list<int> capabilities) {
    uint64_t bits = 0;
    for (const int capability : capabilities)
      bits |= uint64_t{1} << capability;
    return fmt::format("{:016x}", bits);
  };
  const std::string reading = mask({CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH});
  const std::string writing =
      mask({CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_AUDIT_WRITE});
  const std::string none = mask({});
  for (const char* set : {"CapPrm", "CapEff"}) {
    EXPECT_EQ(running(is(set, reading.c_str())), 0) << set;
    EXPECT_EQ(running(is(set, writing.c_str()), true), 0) << set;
    EXPECT_EQ(listening(is(set, reading.c_str())), 0) << set;
  }
  for (const char* set : {"CapInh", "CapBnd", "CapAmb"})
    EXPECT_EQ(running(is(set, none.c_str())), 0) << set;
  EXPECT_EQ(running(is("Uid", "1\t1\t1\t1")), 0);
  EXPECT_EQ(running(is("Gid", "1\t1\t1\t1")), 0);
  EXPECT_EQ(running(is("Groups", " ")), 0);
  EXPECT_EQ(running(is("NoNewPrivs", "1")), 0);
  if (filtered()) {
    EXPECT_EQ(running(is("Seccomp", "2")), 0);
    EXPECT_EQ(running([] { return ::prctl(PR_GET_DUMPABLE) == 0 ? 0 : -1; }),
              0);
  }
}

TEST_F(Privileges, RootWithoutItsCapabilitiesIsWhatUserRootMeans) {
  const auto prepare = [] {
    const auto root = find_identity("root");
    return root && drop_privileges(*root, false) &&
           drop_thread_capabilities(ThreadRole::kOther);
  };
  EXPECT_EQ(outcome_of(prepare, [] { return status_is("Uid", "0\t0\t0\t0"); }),
            0);
  EXPECT_EQ(
      outcome_of(prepare, [] { return ::mount("x", "/mnt", "tmpfs", 0, ""); }),
      EPERM);
  // Of this thread alone: a sanitizer's own thread has kept its capabilities.
  EXPECT_EQ(
      outcome_of(prepare,
                 [] { return static_cast<int>(::syscall(SYS_setuid, 1)); }),
      EPERM);
}

TEST_F(Privileges, MayReadWhatItIsForAndWriteNothingOfRoots) {
  EXPECT_EQ(running([] { return open_of_parent("environ", O_RDONLY); }), 0);
  EXPECT_EQ(running([] { return ::open("/etc/shadow", O_RDONLY); }), 0);
  EXPECT_EQ(running([] { return ::open("/etc/shadow", O_WRONLY); }), EACCES);
  EXPECT_EQ(running([] { return ::open("/etc/x", O_WRONLY | O_CREAT, 0600); }),
            EACCES);
  EXPECT_EQ(running([] { return open_of_parent("mem", O_RDWR); }), EACCES);
  EXPECT_EQ(running([] { return ::unlink("/etc/passwd"); }), EACCES);
}

TEST_F(Privileges, CallsOfInjectedCodeEndTheProcess) {
  if (!filtered())
    GTEST_SKIP() << confinement_text();
  char program[] = "/bin/true";
  char* argv[] = {program, nullptr};
  char* envp[] = {nullptr};
  EXPECT_EQ(running([&] { return ::execve(program, argv, envp); }), kKilled);
  EXPECT_EQ(running([] { return ::ptrace(PTRACE_TRACEME, 0, 0, 0); }), kKilled);
  EXPECT_EQ(running([] { return ::mount("x", "/mnt", "tmpfs", 0, ""); }),
            kKilled);
  EXPECT_EQ(running([] { return ::unshare(CLONE_NEWUSER); }), kKilled);
  for (const long call :
       {SYS_bpf, SYS_init_module, SYS_setns, SYS_keyctl, SYS_process_vm_readv,
        SYS_process_vm_writev, SYS_open_by_handle_at, SYS_perf_event_open})
    EXPECT_EQ(running([=] { return ::syscall(call, 0, 0, 0, 0, 0); }), kKilled)
        << call;
}

TEST_F(Privileges, WhatIsNotNeededFails) {
  if (!filtered())
    GTEST_SKIP() << confinement_text();
  const auto socket_of = [](int family, int type, int protocol) {
    return [=] { return ::socket(family, type, protocol); };
  };
  EXPECT_EQ(running(socket_of(AF_UNIX, SOCK_DGRAM, 0)), 0);
  EXPECT_EQ(running(socket_of(AF_INET, SOCK_STREAM, 0)), ENOSYS);
  EXPECT_EQ(running(socket_of(AF_INET6, SOCK_DGRAM, 0)), ENOSYS);
  constexpr int kAudit = 9;  // NETLINK_AUDIT
  EXPECT_EQ(running(socket_of(AF_NETLINK, SOCK_RAW, kAudit)), ENOSYS);
  EXPECT_EQ(running(socket_of(AF_NETLINK, SOCK_RAW, kAudit), true), 0);
  EXPECT_EQ(running(socket_of(AF_NETLINK, SOCK_RAW, 0), true), ENOSYS);
  EXPECT_EQ(running([] { return ::setuid(0); }), ENOSYS);
  EXPECT_EQ(running([] { return ::kill(::getppid(), 0); }), ENOSYS);
  EXPECT_EQ(running([] {
              return ::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0);
            }),
            ENOSYS);
  EXPECT_EQ(running([] { return ::prctl(PR_SET_DUMPABLE, 1); }), ENOSYS);
  EXPECT_EQ(running([] { return ::fork(); }), ENOSYS);
  const rlimit limit{1, 1};
  EXPECT_EQ(running([&] { return ::setrlimit(RLIMIT_NOFILE, &limit); }),
            ENOSYS);
}

TEST_F(Privileges, NoMemoryBecomesCode) {
  if (!filtered())
    GTEST_SKIP() << confinement_text();
  const auto map = [](int protection, int flags, int fd) -> long {
    return ::mmap(nullptr, 4096, protection, flags, fd, 0) == MAP_FAILED ? -1
                                                                         : 0;
  };
  constexpr int kOwn = MAP_PRIVATE | MAP_ANONYMOUS;
  EXPECT_EQ(running([&] { return map(PROT_READ | PROT_WRITE, kOwn, -1); }), 0);
  EXPECT_EQ(running([&] { return map(PROT_READ | PROT_EXEC, kOwn, -1); }),
            ENOSYS);
  const int library = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(
      running([&] { return map(PROT_READ | PROT_EXEC, MAP_PRIVATE, library); }),
      0);
  EXPECT_EQ(running([&] {
              return map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE,
                         library);
            }),
            ENOSYS);
  ::close(library);
  alignas(4096) static char page[4096];
  EXPECT_EQ(running([&] {
              return ::mprotect(page, sizeof page, PROT_READ | PROT_EXEC);
            }),
            ENOSYS);
}

TEST_F(Privileges, AListenerReadsAndDoesNothingElse) {
  if (!filtered())
    GTEST_SKIP() << confinement_text();
  EXPECT_EQ(listening([] { return open_of_parent("environ", O_RDONLY); }), 0);
  EXPECT_EQ(listening([] { return ::socket(AF_UNIX, SOCK_DGRAM, 0); }), ENOSYS);
  EXPECT_EQ(listening([] { return ::unlink("/nonexistent"); }), ENOSYS);
  EXPECT_EQ(listening([] { return ::rename("/nonexistent", "/x"); }), ENOSYS);
}

TEST_F(Privileges, AUserThatDoesNotExistIsNamedWithTheRemedy) {
  const auto found = find_identity("no-such-user-here");
  ASSERT_FALSE(found.has_value());
  EXPECT_NE(found.error().message().find("useradd --system"),
            std::string::npos);
  EXPECT_NE(found.error().message().find("user = root"), std::string::npos);
}

TEST(ResetInheritedState, ResetsWhatTheParentLeft) {
  const int inherited = ::open("/dev/null", O_RDONLY);
  ASSERT_GT(inherited, 2);
  const auto left = [&](const std::function<bool()>& look) {
    return outcome_of(
        [] {
          ::signal(SIGPIPE, SIG_IGN);
          ::setenv("TZ", "Mars", 1);
          sigset_t all;
          ::sigfillset(&all);
          ::sigprocmask(SIG_SETMASK, &all, nullptr);
          ::close(1);
          const rlimit few_files{256, 4096};
          ::setrlimit(RLIMIT_NOFILE, &few_files);
          reset_inherited_state();
          return true;
        },
        [&] { return look() ? 0L : (errno = EDOM, -1L); });
  };
  EXPECT_EQ(left([&] { return ::fcntl(inherited, F_GETFD) < 0; }), 0);
  EXPECT_EQ(left([] { return ::fcntl(1, F_GETFD) >= 0; }), 0);
  EXPECT_EQ(left([] { return ::getenv("TZ") == nullptr; }), 0);
  EXPECT_EQ(left([] { return ::signal(SIGPIPE, SIG_DFL) == SIG_DFL; }), 0);
  EXPECT_EQ(left([] {
              sigset_t now;
              ::sigprocmask(SIG_SETMASK, nullptr, &now);
              return ::sigisemptyset(&now) == 1;
            }),
            0);
  EXPECT_EQ(left([] {
              rlimit core{};
              ::getrlimit(RLIMIT_CORE, &core);
              return core.rlim_max == 0;
            }),
            0);
  EXPECT_EQ(left([] {
              rlimit files{};
              ::getrlimit(RLIMIT_NOFILE, &files);
              return files.rlim_cur == 4096 && files.rlim_max == 4096;
            }),
            0);
  ::close(inherited);
}

}  // namespace
}  // namespace preload
