// SPDX-License-Identifier: Apache-2.0
#include "preload/sandbox/privileges.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <vector>

#include <cap-ng.h>

namespace preload {
namespace {

enum class Kept { kAlways, kForAuditMessage, kUntilScheduled };
struct KeptCapability {
  unsigned capability;
  const char* name;
  Kept kept;
};
constexpr std::array<KeptCapability, 4> kKept{{
    // To read /proc/PID/environ, exe, cwd and maps of other users' processes.
    {CAP_SYS_PTRACE, "sys_ptrace", Kept::kAlways},
    // The same for non-dumpable ones; to read the configuration again and to
    // digest libraries.
    {CAP_DAC_READ_SEARCH, "dac_read_search", Kept::kAlways},
    // To write alerts into the audit trail.
    {CAP_AUDIT_WRITE, "audit_write", Kept::kForAuditMessage},
    // To give listener threads SCHED_FIFO or nice -20.
    {CAP_SYS_NICE, "sys_nice", Kept::kUntilScheduled},
}};

// Two for each CPU, of which there may be 2000 (exec_capture.cc), and others.
constexpr rlim_t kDescriptors = 8192;

constexpr auto kBothSets =
    static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED);

bool has(capng_type_t set, unsigned capability) {
  return capng_have_capability(set, capability) == 1;
}

// Capabilities of the table that the calling thread has and keeps.
std::vector<unsigned> to_keep(bool audit_message, bool scheduling) {
  std::vector<unsigned> keep;
  for (const KeptCapability& kept : kKept)
    if ((kept.kept != Kept::kForAuditMessage || audit_message) &&
        (kept.kept != Kept::kUntilScheduled || scheduling) &&
        has(CAPNG_PERMITTED, kept.capability))
      keep.push_back(kept.capability);
  return keep;
}

Status read_own() {
  capng_clear(CAPNG_SELECT_ALL);
  if (capng_get_caps_process() != 0)
    return fail("cannot read the capabilities of this process", errno);
  return {};
}

Status apply(const std::optional<Identity>& user,
             const std::vector<unsigned>& keep) {
  const bool clears_bounds = has(CAPNG_EFFECTIVE, CAP_SETPCAP);
  capng_clear(CAPNG_SELECT_ALL);
  for (const unsigned capability : keep)
    capng_update(CAPNG_ADD, kBothSets, capability);
  if (user) {
    const int result = capng_change_id(
        static_cast<int>(user->uid), static_cast<int>(user->gid),
        static_cast<capng_flags_t>(CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING |
                                   CAPNG_CLEAR_AMBIENT));
    if (result != 0)
      return fail(
          fmt::format("cannot become the user {} (step {} of libcap-ng)",
                      user->name, -result),
          errno);
    return {};
  }
  const auto sets =
      static_cast<capng_select_t>(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT |
                                  (clears_bounds ? CAPNG_SELECT_BOUNDS : 0));
  if (const int result = capng_apply(sets); result != 0)
    return fail(
        fmt::format("cannot drop capabilities (step {} of libcap-ng)", -result),
        errno);
  return {};
}

// Reads back what those calls have set. `bounded`: the bounding set is empty.
Status verify_capabilities(const std::vector<unsigned>& keep, bool bounded) {
  if (Status read = read_own(); !read)
    return read;
  for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    const bool kept =
        std::find(keep.begin(), keep.end(), capability) != keep.end();
    if (has(CAPNG_PERMITTED, capability) != kept ||
        has(CAPNG_EFFECTIVE, capability) != kept ||
        has(CAPNG_INHERITABLE, capability) || has(CAPNG_AMBIENT, capability) ||
        (bounded && has(CAPNG_BOUNDING_SET, capability)))
      return fail(fmt::format(
          "privileges were not dropped: the capability {} is not as requested",
          capng_capability_to_name(capability)));
  }
  return {};
}

Status verify_identity(const Identity& user) {
  std::array<uid_t, 3> uids{};
  std::array<gid_t, 3> gids{};
  if (::getresuid(&uids[0], &uids[1], &uids[2]) != 0 ||
      ::getresgid(&gids[0], &gids[1], &gids[2]) != 0)
    return fail("cannot read the ids of this process", errno);
  const auto all = [](const auto& ids, auto id) {
    return std::all_of(ids.begin(), ids.end(),
                       [&](auto other) { return other == id; });
  };
  if (!all(uids, user.uid) || !all(gids, user.gid) ||
      ::getgroups(0, nullptr) != 0)
    return fail(
        "privileges were not dropped: ids of the parent process are left");
  if (user.uid != 0 && ::setresuid(0, 0, 0) == 0)
    return fail("privileges were not dropped: uid 0 can be regained");
  return {};
}

}  // namespace

Result<Identity> find_identity(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> buffer;
  const int error =
      ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr)
    return Identity{name, entry.pw_uid, entry.pw_gid};
  const std::string remedy = fmt::format(
      "create it: systemd-sysusers, or useradd --system --no-create-home "
      "--home-dir /nonexistent --shell /usr/sbin/nologin {}; or set user = "
      "root",
      name);
  if (error != 0)
    return fail(fmt::format("cannot look up the user {} ({})", name, remedy),
                error);
  return fail(
      fmt::format("the plugin's user {} does not exist: {}", name, remedy));
}

void reset_inherited_state() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0)
      ::open("/dev/null", O_RDWR);  // takes the lowest number that is free
  ::closefrom(STDERR_FILENO + 1);
  ::clearenv();
  for (int signal = 1; signal < NSIG; ++signal)
    ::signal(signal, SIG_DFL);  // those of the C library are refused
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < kDescriptors) {
    files.rlim_cur = std::min(kDescriptors, files.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

Status drop_privileges(const std::optional<Identity>& user,
                       bool audit_message) {
  if (Status read = read_own(); !read)
    return read;
  const auto keep = to_keep(audit_message, true);
  if (Status applied = apply(user, keep); !applied)
    return applied;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail("cannot set no_new_privs", errno);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return fail("cannot become non-dumpable", errno);
  const Status verified = verify_capabilities(keep, user.has_value());
  return verified && user ? verify_identity(*user) : verified;
}

Status drop_thread_capabilities(ThreadRole role) {
  if (Status read = read_own(); !read)
    return read;
  const auto keep = to_keep(role == ThreadRole::kOther, false);
  capng_clear(CAPNG_SELECT_CAPS);
  for (const unsigned capability : keep)
    capng_update(CAPNG_ADD, kBothSets, capability);
  if (capng_apply(CAPNG_SELECT_CAPS) != 0)
    return fail("cannot drop a thread's capabilities", errno);
  return verify_capabilities(keep, false);
}

std::string privileges_text() {
  std::vector<std::string_view> names;
  for (const KeptCapability& kept : kKept)
    if (has(CAPNG_EFFECTIVE, kept.capability))
      names.emplace_back(kept.name);
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> buffer;
  ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return fmt::format(
      "{} (uid {}), capabilities {}", found == nullptr ? "?" : found->pw_name,
      ::geteuid(),
      names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

}  // namespace preload
