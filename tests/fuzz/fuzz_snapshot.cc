// SPDX-License-Identifier: Apache-2.0
// Messages of the listeners, whatever /proc has put into them, and the event
// that becomes of them: as JSON and back it is the same.
#include <vector>

#include "fuzz.h"
#include "preload/capture/snapshot_format.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/loader_options.h"
#include "preload/procfs/proc_files.h"
#include "preload/store/event_json.h"

namespace preload {

void fuzz_one(std::string_view input) {
  // A copy of its own: a read beyond the message is an error.
  const std::vector<char> copy(input.begin(), input.end());
  const std::string_view message(copy.data(), copy.size());
  auto notice = parse_notice(bytes_of(message));
  check(notice.has_value() == (input.size() >= kSnapshotHeader),
        "a message has a header");
  const ExecEvent event = notice && notice->snapshot
                              ? ExecEvent(std::move(*notice->snapshot))
                              : ExecEvent();
  const auto again = exec_event_from_json(to_json(event));
  check(again.has_value() && *again == event, "JSON loses nothing");
  (void)parse_stat(message);
  (void)parse_status_ids(message);
  std::string_view maps = message;
  while (next_mapping(maps)) {
  }
  const auto any = exec_event_from_json(message);
  check(!any || exec_event_from_json(to_json(*any)) == *any,
        "an event read is an event written");
}

}  // namespace preload
