// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/sinks.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "preload/deliver/syslog_socket.h"
#include "preload/deliver/text_format.h"
#include "samples.h"
#include "support/fake_clock.h"
#include "support/syslog_daemon.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class SinksTest : public testing::Test {
 protected:
  Sinks sinks(SyslogFormat format, const std::string& ecs_file,
              bool audit_message = false) {
    Config config;
    config.syslog_format = format;
    config.syslog_socket = socket_;
    config.ecs_file = ecs_file;
    config.audit_message = audit_message;
    return make_sinks(config, clock_);
  }

  TempDir dir_;
  std::string socket_ = dir_ / "log";
  FakeClock clock_;
};

TEST_F(SinksTest, AreThoseOfTheConfiguration) {
  EXPECT_TRUE(sinks(SyslogFormat::kOff, "off").empty());
  EXPECT_EQ(sink_names(sinks(SyslogFormat::kText, "/e.json", true)),
            (std::vector<std::string>{"syslog", "ecs_file", "audit"}));
}

namespace fs = std::filesystem;

// Files may not grow beyond `bytes`: a full disk, as write(2) tells of it.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

class FileSinkTest : public SinksTest {
 protected:
  [[nodiscard]] std::string content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file),
            std::istreambuf_iterator<char>()};
  }
  // The alert ids of the file; fails on a line that is not a document.
  [[nodiscard]] std::vector<int64_t> ids() const {
    std::vector<int64_t> found;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);)
      found.push_back(
          nlohmann::json::parse(line)["audisp_preload"]["alert_id"]);
    return found;
  }
  static Alert alert(int64_t id) {
    Alert alert = sample_alert();
    alert.alert_id = id;
    return alert;
  }

  std::string path_ = dir_ / "ecs.json";
  Sinks sinks_ = sinks(SyslogFormat::kOff, path_);
  Sink& sink_ = *sinks_.at(0);
};

TEST_F(FileSinkTest, AppendsLinesToAFileOfItsOwn) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  ASSERT_TRUE(sink_.deliver(alert(2)));
  EXPECT_EQ(ids(), (std::vector<int64_t>{1, 2}));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U & ~0640U, 0U);
  ASSERT_TRUE(sink_.deliver_event(*sample_alert().event));
  EXPECT_TRUE(content().ends_with("}\n"));
}

TEST_F(FileSinkTest, ReopensAfterRotation) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  fs::rename(path_, path_ + ".1");
  ASSERT_TRUE(sink_.deliver(alert(2)));  // still the old one
  EXPECT_FALSE(fs::exists(path_));
  sink_.reopen();
  ASSERT_TRUE(sink_.deliver(alert(3)));
  EXPECT_EQ(ids(), std::vector<int64_t>{3});
}

TEST_F(FileSinkTest, NoticesThatTheFileWasDeleted) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  fs::remove(path_);
  ASSERT_TRUE(sink_.deliver(alert(2)));
  EXPECT_EQ(ids(), std::vector<int64_t>{2});
}

TEST_F(FileSinkTest, AFullDiskLeavesNoBrokenLine) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  const std::string before = content();
  Status status;
  {
    const FileSizeLimit limit(before.size() + 100);
    status = sink_.deliver(alert(2));
  }
  EXPECT_FALSE(status);
  EXPECT_EQ(content(), before);
  ASSERT_TRUE(sink_.deliver(alert(2)));
  EXPECT_EQ(ids(), (std::vector<int64_t>{1, 2}));
}

TEST_F(FileSinkTest, TakesBackALineThatACrashCut) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  std::ofstream(path_, std::ios::app) << "{\"@timestamp\":\"2026-";
  sink_.reopen();
  ASSERT_TRUE(sink_.deliver(alert(2)));
  EXPECT_EQ(ids(), (std::vector<int64_t>{1, 2}));

  std::ofstream(path_) << "{\"cut\":";  // nothing but a cut line
  sink_.reopen();
  ASSERT_TRUE(sink_.deliver(alert(3)));
  EXPECT_EQ(ids(), std::vector<int64_t>{3});
}

TEST_F(FileSinkTest, BeginsBelowALineThatIsNotOurs) {
  std::ofstream(path_) << std::string(200'000, 'x');
  ::chmod(path_.c_str(), 0640);
  ASSERT_TRUE(sink_.deliver(alert(1)));
  const std::string all = content();
  EXPECT_TRUE(all.starts_with(std::string(200'000, 'x') + "\n{"));
}

TEST_F(FileSinkTest, RefusesWhatIsNotSafe) {
  const auto refused = [&](const std::string& why) {
    sink_.reopen();
    const Status status = sink_.deliver(alert(1));
    ASSERT_FALSE(status) << why;
    EXPECT_NE(status.error().message().find(why), std::string::npos)
        << status.error().message();
  };
  std::ofstream(dir_ / "elsewhere") << "";
  fs::create_symlink(dir_ / "elsewhere", path_);
  refused("symbolic link");
  fs::remove(path_);
  std::ofstream(path_) << "";
  ::chmod(path_.c_str(), 0660);
  refused("chmod go-w");
  fs::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0640), 0);
  refused("not a regular file");
  fs::remove(path_);
  fs::create_directory(path_);
  refused("Is a directory");
  fs::remove(path_);
  if (::geteuid() == 0) {
    std::ofstream(path_) << "";
    ASSERT_EQ(::chown(path_.c_str(), 65'534, 0), 0);
    refused("chown root");
    fs::remove(path_);
  }
  EXPECT_EQ(fs::file_size(dir_ / "elsewhere"), 0U);
  ASSERT_TRUE(sink_.deliver(alert(2)));  // mended
  EXPECT_EQ(ids(), std::vector<int64_t>{2});
}

class SyslogSinkTest : public SinksTest {
 protected:
  std::unique_ptr<Sink> sink(SyslogFormat format) {
    return std::move(sinks(format, "off").at(0));
  }
  // The text of the next message; `header` gets the rest.
  std::string receive(std::string* header = nullptr) {
    const std::string message = daemon_.receive();
    EXPECT_LT(message.size(), kSyslogMessageBytes);
    const size_t end = message.find("]: ") + 3;
    if (header != nullptr)
      *header = message.substr(0, end);
    return message.substr(end);
  }

  SyslogDaemon daemon_{socket_, SOCK_DGRAM};
};

TEST_F(SyslogSinkTest, PriorityFollowsSeverity) {
  const auto sink = this->sink(SyslogFormat::kText);
  const std::pair<const char*, int> cases[] = {{"low", LOG_NOTICE},
                                               {"medium", LOG_WARNING},
                                               {"high", LOG_ERR},
                                               {"critical", LOG_CRIT}};
  for (const auto& [severity, level] : cases) {
    Alert alert = sample_alert();
    alert.severity = severity;
    ASSERT_TRUE(sink->deliver(alert));
    std::string header;
    EXPECT_EQ(receive(&header), text_line(alert));
    EXPECT_TRUE(
        header.starts_with("<" + std::to_string(LOG_AUTHPRIV | level) + ">"))
        << header;
  }
}

TEST_F(SyslogSinkTest, CeeHasItsCookieAndEcsNone) {
  const auto cee = sink(SyslogFormat::kCee);
  ASSERT_TRUE(cee->deliver(sample_alert()));
  const std::string text = receive();
  ASSERT_TRUE(text.starts_with("@cee: {"));
  EXPECT_EQ(nlohmann::json::parse(text.substr(6))["event"]["kind"], "alert");

  const auto ecs = sink(SyslogFormat::kEcs);
  ASSERT_TRUE(ecs->deliver_event(*sample_alert().event));
  EXPECT_EQ(nlohmann::json::parse(receive())["event"]["kind"], "event");
}

TEST_F(SyslogSinkTest, TextHasNoEvents) {
  const auto text = sink(SyslogFormat::kText);
  ASSERT_TRUE(text->deliver_event(*sample_alert().event));
  ASSERT_TRUE(text->deliver(summary_alert()));
  EXPECT_EQ(receive(), text_line(summary_alert()));
}

TEST_F(SyslogSinkTest, NoMessageIsLongerThanCollectorsTake) {
  HostileBytes hostile(5);
  for (const SyslogFormat format :
       {SyslogFormat::kText, SyslogFormat::kEcs, SyslogFormat::kCee}) {
    const auto sink = this->sink(format);
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(sink->deliver(hostile.alert()));
      EXPECT_EQ(receive().find('\n'), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace preload
