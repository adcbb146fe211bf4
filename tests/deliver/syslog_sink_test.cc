// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/syslog_sink.h"

#include <sys/socket.h>
#include <syslog.h>

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "preload/deliver/text_format.h"
#include "samples.h"
#include "support/fake_clock.h"
#include "support/syslog_daemon.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class SyslogSinkTest : public testing::Test {
 protected:
  SyslogSink sink(SyslogFormat format) {
    return {SyslogSocket(path_, LOG_AUTHPRIV, clock_), format, HostInfo{},
            clock_};
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

  TempDir dir_;
  std::string path_ = dir_ / "log";
  SyslogDaemon daemon_{path_, SOCK_DGRAM};
  FakeClock clock_;
};

TEST_F(SyslogSinkTest, PriorityFollowsSeverity) {
  SyslogSink sink = this->sink(SyslogFormat::kText);
  const std::pair<const char*, int> cases[] = {{"low", LOG_NOTICE},
                                               {"medium", LOG_WARNING},
                                               {"high", LOG_ERR},
                                               {"critical", LOG_CRIT}};
  for (const auto& [severity, level] : cases) {
    Alert alert = sample_alert();
    alert.severity = severity;
    ASSERT_TRUE(sink.deliver(alert));
    std::string header;
    EXPECT_EQ(receive(&header), text_line(alert));
    EXPECT_TRUE(
        header.starts_with("<" + std::to_string(LOG_AUTHPRIV | level) + ">"))
        << header;
  }
}

TEST_F(SyslogSinkTest, CeeHasItsCookieAndEcsNone) {
  SyslogSink cee = sink(SyslogFormat::kCee);
  ASSERT_TRUE(cee.deliver(sample_alert()));
  const std::string text = receive();
  ASSERT_TRUE(text.starts_with("@cee: {"));
  EXPECT_EQ(nlohmann::json::parse(text.substr(6))["event"]["kind"], "alert");

  SyslogSink ecs = sink(SyslogFormat::kEcs);
  ASSERT_TRUE(ecs.deliver_event(*sample_alert().event));
  EXPECT_EQ(nlohmann::json::parse(receive())["event"]["kind"], "event");
}

TEST_F(SyslogSinkTest, TextHasNoEvents) {
  SyslogSink text = sink(SyslogFormat::kText);
  ASSERT_TRUE(text.deliver_event(*sample_alert().event));
  ASSERT_TRUE(text.deliver(summary_alert()));
  EXPECT_EQ(receive(), text_line(summary_alert()));
}

TEST_F(SyslogSinkTest, NoMessageIsLongerThanCollectorsTake) {
  HostileBytes hostile(5);
  for (const SyslogFormat format :
       {SyslogFormat::kText, SyslogFormat::kEcs, SyslogFormat::kCee}) {
    SyslogSink sink = this->sink(format);
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(sink.deliver(hostile.alert()));
      EXPECT_EQ(receive().find('\n'), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace preload
