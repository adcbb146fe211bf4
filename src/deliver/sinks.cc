// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/sinks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "preload/audit/audit_writer.h"
#include "preload/base/fd.h"
#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/deliver/ecs_format.h"
#include "preload/deliver/host_info.h"
#include "preload/deliver/syslog_socket.h"
#include "preload/deliver/text_format.h"

namespace preload {
namespace {

int syslog_severity(std::string_view severity) {
  if (severity == "critical")
    return LOG_CRIT;
  if (severity == "high")
    return LOG_ERR;
  return severity == "medium" ? LOG_WARNING : LOG_NOTICE;
}

int syslog_severity(LogLevel level) {
  if (level == LogLevel::kError)
    return LOG_ERR;
  return level == LogLevel::kWarning ? LOG_WARNING : LOG_INFO;
}

class SyslogSink final : public Sink {
 public:
  SyslogSink(const Config& config, HostInfo host, const Clock& clock)
      : socket_(config.syslog_socket, config.syslog_facility, clock),
        format_(config.syslog_format),
        cookie_(format_ == SyslogFormat::kCee ? "@cee: " : ""),
        host_(std::move(host)),
        clock_(clock) {}

  [[nodiscard]] std::string_view name() const override { return "syslog"; }
  [[nodiscard]] Status deliver(const Alert& alert) override {
    const std::string text =
        format_ == SyslogFormat::kText
            ? text_line(alert)
            : cookie_ + ecs_document(alert, host_, document_bytes());
    return socket_.send(syslog_severity(alert.severity), text,
                        SyslogWait::kBounded);
  }
  [[nodiscard]] Status deliver_event(const ExecEvent& event) override {
    if (format_ == SyslogFormat::kText)
      return {};
    return socket_.send(LOG_INFO,
                        cookie_ + ecs_document(event, clock_.wall_us(), host_,
                                               document_bytes()),
                        SyslogWait::kNever);
  }

 private:
  [[nodiscard]] size_t document_bytes() const {
    return kSyslogTextBytes - cookie_.size();
  }

  SyslogSocket socket_;
  SyslogFormat format_;
  std::string cookie_;
  HostInfo host_;
  const Clock& clock_;
};

class FileSink final : public Sink {
 public:
  FileSink(std::string path, HostInfo host, const Clock& clock)
      : path_(std::move(path)), host_(std::move(host)), clock_(clock) {}

  [[nodiscard]] std::string_view name() const override { return "ecs_file"; }
  [[nodiscard]] Status deliver(const Alert& alert) override {
    return append(ecs_document(alert, host_, kEcsFileBytes - 1));
  }
  [[nodiscard]] Status deliver_event(const ExecEvent& event) override {
    return append(
        ecs_document(event, clock_.wall_us(), host_, kEcsFileBytes - 1));
  }
  void reopen() override { fd_.reset(); }

 private:
  [[nodiscard]] Status append(std::string line);
  [[nodiscard]] Status open();
  // Removes what follows the last line end.
  [[nodiscard]] Status drop_cut_line();

  std::string path_;
  HostInfo host_;
  const Clock& clock_;
  Fd fd_;
  bool cut_ = false;  // a cut line could not be removed
};

Status FileSink::open() {
  struct stat status {};
  // A file that was deleted would take documents that nobody can read.
  if (fd_ && ::fstat(fd_.get(), &status) == 0 && status.st_nlink > 0)
    return {};
  constexpr mode_t kMode = 0640;
  auto fd = open_trusted(path_, O_RDWR | O_APPEND | O_CREAT, kMode);
  if (!fd)
    return tl::unexpected(fd.error());
  fd_ = *std::move(fd);
  Status dropped = drop_cut_line();
  if (!dropped)
    fd_.reset();
  return dropped;
}

Status FileSink::drop_cut_line() {
  cut_ = true;
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0)
    return fail("cannot examine " + path_, errno);
  const auto most =
      std::min(static_cast<size_t>(status.st_size), size_t{kEcsFileBytes});
  const off_t begin = status.st_size - static_cast<off_t>(most);
  std::string tail(most, '\0');
  const ssize_t n = ::pread(fd_.get(), tail.data(), tail.size(), begin);
  if (n < 0)
    return fail("cannot read the end of " + path_, errno);
  tail.resize(static_cast<size_t>(n));
  const size_t keep = tail.rfind('\n') + 1;  // 0 when there is no line end
  // A longer line is not the plugin's: it stays, and the next begins below it.
  if (keep > 0 || begin == 0)
    cut_ = keep < tail.size() &&
           ::ftruncate(fd_.get(), begin + static_cast<off_t>(keep)) != 0;
  return {};
}

Status FileSink::append(std::string line) {
  if (Status opened = open(); !opened)
    return opened;
  line += '\n';
  if (cut_)
    line.insert(line.begin(), '\n');
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      const int error = errno;
      if (rest.size() < line.size()) [[maybe_unused]]
        const Status dropped = drop_cut_line();
      return fail("cannot write " + path_, error);
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
  cut_ = false;
  return {};
}

class AuditSink final : public Sink {
 public:
  [[nodiscard]] std::string_view name() const override { return "audit"; }
  [[nodiscard]] Status deliver(const Alert& alert) override {
    return writer_.write_anomaly(audit_text(alert));
  }

 private:
  AuditWriter writer_;
};

}  // namespace

Sinks make_sinks(const Config& config, const Clock& clock) {
  Sinks sinks;
  const HostInfo host = gather_host_info();
  if (config.syslog_format != SyslogFormat::kOff)
    sinks.push_back(std::make_unique<SyslogSink>(config, host, clock));
  if (config.ecs_file != "off")
    sinks.push_back(std::make_unique<FileSink>(config.ecs_file, host, clock));
  if (config.audit_message)
    sinks.push_back(std::make_unique<AuditSink>());
  return sinks;
}

std::vector<std::string> sink_names(const Sinks& sinks) {
  std::vector<std::string> names;
  for (const auto& sink : sinks)
    names.emplace_back(sink->name());
  return names;
}

LogSink log_sink(const std::string& socket) {
  static const SystemClock kClock;
  auto client = std::make_shared<SyslogSocket>(socket, LOG_DAEMON, kClock);
  return [client](LogLevel level, std::string_view line) {
    // A line that is not taken is on standard error as well.
    [[maybe_unused]] const Status sent =
        client->send(syslog_severity(level), escaped(line), SyslogWait::kNever);
  };
}

}  // namespace preload
