// SPDX-License-Identifier: Apache-2.0
// Documents to a file of JSON lines, for log shippers.
#pragma once

#include <string>
#include <string_view>

#include "preload/base/clock.h"
#include "preload/base/fd.h"
#include "preload/deliver/host_info.h"
#include "preload/deliver/sink.h"

namespace preload {

// Each document is one line, appended with one write. There is no other writer.
// A line that a full disk cuts is completed, removed, or ended before the next
// one, so a reader never finds two documents in one line; a line that a crash
// cut is removed when the file is opened.
//
// A file that does not exist is created with mode 0640. One that exists must be
// a regular file, not a link, owned by root or the user of the plugin, and not
// writable by group or others.
class FileSink final : public Sink {
 public:
  // Opens nothing: that is for the first document, and again after reopen() or
  // when the file was deleted.
  FileSink(std::string path, HostInfo host, const Clock& clock);

  [[nodiscard]] std::string_view name() const override { return "ecs_file"; }
  [[nodiscard]] Status deliver(const Alert& alert) override;
  [[nodiscard]] Status deliver_event(const ExecEvent& event) override;
  void reopen() override { fd_.reset(); }

 private:
  [[nodiscard]] Status append(std::string line);
  [[nodiscard]] Status open();
  // Removes what follows the last line end.
  [[nodiscard]] Status drop_cut_line(int64_t size);

  std::string path_;
  HostInfo host_;
  const Clock& clock_;
  Fd fd_;
  bool cut_ = false;  // a cut line could not be removed
};

}  // namespace preload
