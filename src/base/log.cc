// SPDX-License-Identifier: Apache-2.0
#include "preload/base/log.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include <spdlog/async.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "preload/base/fd.h"

namespace preload {
namespace {

constexpr size_t kQueuedLines = 1024;
constexpr auto kSilence = std::chrono::minutes(1);

struct Limited {
  std::chrono::steady_clock::time_point last{};
  uint64_t suppressed = 0;
};

struct State {
  std::mutex mutex;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> logger;
  std::map<std::string, Limited, std::less<>> limited;
};

// Never destroyed: threads may log while statics go down.
State& state() {
  static auto* state = new State;
  return *state;
}

static_assert(static_cast<int>(LogLevel::kInfo) == spdlog::level::info &&
              static_cast<int>(LogLevel::kWarning) == spdlog::level::warn &&
              static_cast<int>(LogLevel::kError) == spdlog::level::err);

// Only the log's thread calls it, so no mutex.
class ForwardSink final
    : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit ForwardSink(LogSink target) : target_(std::move(target)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    target_(static_cast<LogLevel>(message.level),
            {message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

  LogSink target_;
};

spdlog::sink_ptr stderr_sink() {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_pattern("audisp-preload: %v");
  return sink;
}

std::shared_ptr<spdlog::logger> current_logger() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (!s.logger)
    s.logger = std::make_shared<spdlog::logger>("", stderr_sink());
  return s.logger;
}

// Of the emergency log. Written once, before there are threads.
sockaddr_un syslog_address{};

// More than the text and what is put before it. fmt writes into such an array
// without allocation.
using Line = std::array<char, 600>;

void to_standard_error(std::string_view text) {
  pollfd wait{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&wait, 1, 0) != 1 || (wait.revents & POLLOUT) == 0)
    return;
  Line line;
  const size_t size =
      fmt::format_to_n(line.data(), line.size(), "audisp-preload: {}\n", text)
          .size;
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, line.data(), size);
}

// A socket of its own: the log's may be in use. Without a time stamp, which
// syslogd then adds.
void to_syslog(std::string_view text) {
  Line line;
  const size_t size =
      fmt::format_to_n(line.data(), line.size(), "<{}>audisp-preload[{}]: {}",
                       LOG_DAEMON | LOG_ERR, ::getpid(), text)
          .size;
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    const Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto* generic = reinterpret_cast<const sockaddr*>(&syslog_address);
    if (::connect(fd.get(), generic, sizeof syslog_address) == 0) {
      ::send(fd.get(), line.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
      return;
    }
    if (errno != EPROTOTYPE)
      return;
  }
}

}  // namespace

void start_log(LogSink sink) {
  auto forward = std::make_shared<ForwardSink>(std::move(sink));
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.pool = std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1);
  s.logger = std::make_shared<spdlog::async_logger>(
      "", spdlog::sinks_init_list{stderr_sink(), forward}, s.pool,
      spdlog::async_overflow_policy::overrun_oldest);
}

void stop_log() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.pool.reset();  // its destructor writes what is queued and ends its thread
  s.logger.reset();
}

void log(LogLevel level, std::string_view line) {
  current_logger()->log(static_cast<spdlog::level::level_enum>(level), line);
}

void log_limited(LogLevel level, std::string_view key, std::string_view line) {
  std::string text(line);
  {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    const auto [found, first] = s.limited.try_emplace(std::string(key));
    Limited& limited = found->second;
    const auto now = std::chrono::steady_clock::now();
    if (!first && now - limited.last < kSilence) {
      ++limited.suppressed;
      return;
    }
    if (limited.suppressed > 0)
      text += " (and " + std::to_string(limited.suppressed) +
              " more since the last such line)";
    limited = {now, 0};
  }
  log(level, text);
}

void set_emergency_log_socket(const std::string& syslog_socket) {
  if (syslog_socket.size() >= sizeof syslog_address.sun_path)
    return;
  std::copy(syslog_socket.begin(), syslog_socket.end(),
            syslog_address.sun_path);
  syslog_address.sun_family = AF_UNIX;
}

void emergency_log(std::string_view text) noexcept {
  text = text.substr(0, 500);
  to_standard_error(text);
  to_syslog(text);
}

}  // namespace preload
