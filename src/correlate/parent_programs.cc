// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/parent_programs.h"

#include <utility>

namespace preload {

std::optional<std::string> ParentPrograms::find(const ExecSnapshot& child,
                                                int64_t now_ns) const {
  const auto found = parents_.find(child.ppid);
  if (child.ppid <= 0)
    return "";
  if (found == parents_.end() || found->second.asked ||
      now_ns - found->second.read_ns >= kKnownNs)
    return std::nullopt;
  return program_for(found->second, child.start_ticks);
}

bool ParentPrograms::wait(int32_t parent, Child child) {
  if (parents_.size() >= kMaxKnown)
    std::erase_if(parents_,
                  [](const auto& entry) { return !entry.second.asked; });
  Parent& entry = parents_[parent];
  entry.children.push_back(std::move(child));
  return !std::exchange(entry.asked, true);
}

std::vector<ParentPrograms::Child> ParentPrograms::answer(
    int32_t parent, const std::string& program, uint64_t start_ticks,
    int64_t now_ns) {
  const auto found = parents_.find(parent);
  if (found == parents_.end())
    return {};
  Parent& entry = found->second;
  entry.program = program;
  entry.start_ticks = start_ticks;
  entry.read_ns = now_ns;
  entry.asked = false;
  std::vector<Child> children = std::exchange(entry.children, {});
  for (Child& child : children)
    child.parent_program = program_for(entry, child.start_ticks);
  if (entry.replaced)
    parents_.erase(found);
  return children;
}

void ParentPrograms::executed(int32_t pid) {
  const auto found = parents_.find(pid);
  if (found == parents_.end())
    return;
  if (found->second.asked)
    found->second.replaced = true;
  else
    parents_.erase(found);
}

}  // namespace preload
