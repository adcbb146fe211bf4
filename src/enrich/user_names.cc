// SPDX-License-Identifier: Apache-2.0
#include "preload/enrich/user_names.h"

#include <pwd.h>

#include <array>
#include <memory>
#include <utility>

#include "preload/correlate/exec_event.h"

namespace preload {
namespace {

constexpr int64_t kFoundNs = 3600 * kNanosPerSecond;
constexpr int64_t kNotFoundNs = 60 * kNanosPerSecond;

}  // namespace

std::string look_up_user(uint32_t uid) {
  if (uid == kUnsetId)
    return {};
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr)
    return {};
  return found->pw_name;
}

std::optional<std::string> UserNames::known(uint32_t uid) {
  if (uid == kUnsetId)
    return std::string();
  const std::lock_guard lock(names_mutex_);
  const auto found = names_.find(uid);
  if (found == names_.end() || clock_.monotonic_ns() >= found->second.until_ns)
    return std::nullopt;
  return found->second.name;
}

std::string UserNames::name_of(uint32_t uid) {
  if (auto name = known(uid))
    return std::move(*name);
  const std::lock_guard one_call(call_mutex_);
  if (auto name = known(uid))
    return std::move(*name);
  // Shared with the job, which may end long after it was given up.
  auto found = std::make_shared<std::string>();
  const bool in_time =
      call_.run([found, uid, look_up = look_up_] { *found = look_up(uid); });
  std::string name = in_time ? *found : std::string();
  const std::lock_guard lock(names_mutex_);
  if (names_.size() >= kMaxNames)
    names_.clear();
  names_[uid] = {
      name, clock_.monotonic_ns() + (name.empty() ? kNotFoundNs : kFoundNs)};
  return name;
}

}  // namespace preload
