// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/watch_list.h"

#include <algorithm>

namespace preload {

WatchList::WatchList(std::span<const std::string> names) {
  for (const std::string& name : names) {
    if (name.empty())
      continue;
    first_.set(static_cast<unsigned char>(name.front()));
    if (name.ends_with('*')) {
      prefixes_.push_back(name.substr(0, name.size() - 1));
    } else {
      exact_.push_back(name);
    }
  }
}

bool WatchList::matches(std::string_view name) const {
  return std::find(exact_.begin(), exact_.end(), name) != exact_.end() ||
         std::any_of(prefixes_.begin(), prefixes_.end(),
                     [&](const std::string& p) { return name.starts_with(p); });
}

}  // namespace preload
