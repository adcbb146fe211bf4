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

// Each document is one line, appended with one write. We are the only writer.
// A line that a full disk cuts is completed, or taken back, or ended before the
// next one, so a reader never finds two documents in one line; a line that was
// cut by a crash is taken back when the file is opened.
//
// The file is made with mode 0640 when it is not there. It must be a regular
// file, not a link, of root's or of the user we run as, and not writable by
// group or others.
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
  // Takes back what follows the last line end.
  [[nodiscard]] Status drop_cut_line(int64_t size);

  std::string path_;
  HostInfo host_;
  const Clock& clock_;
  Fd fd_;
  bool cut_ = false;  // a cut line could not be taken back
};

}  // namespace preload
