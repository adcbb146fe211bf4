// SPDX-License-Identifier: Apache-2.0
// What live tests have in common: they are skipped, with the reason, where a
// private auditd or a tool that they need is not to be had.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/private_auditd.h"
#include "support/process.h"
#include "support/test_program.h"

namespace preload {

class LiveTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = PrivateAuditd::obstacle(); !why.empty())
      GTEST_SKIP() << why;
  }

  // Why the test cannot run: a tool that is not installed. Empty: it can.
  static std::string lacking(const std::vector<std::string>& tools) {
    for (const std::string& tool : tools)
      if (!installed(tool))
        return tool + " is not installed (make deps check)";
    return {};
  }

  // How many alerts for the value are known to the database as `state`.
  static std::string alerts_of(const std::string& value,
                               const std::string& state = "sent") {
    return fmt::format(
        "SELECT count(*) FROM recent_alerts WHERE state = '{}' AND value = "
        "'{}'",
        state, value);
  }
  // Waits for the alert of the value.
  static void expect_alert(const PrivateAuditd& audit,
                           const std::string& value) {
    EXPECT_EQ(audit.query_until(alerts_of(value), "1"), "1") << value;
  }
  // Waits until the value was seen `times`, so that an alert would be there.
  static void expect_seen(const PrivateAuditd& audit, const std::string& value,
                          const std::string& times) {
    EXPECT_EQ(audit.query_until("SELECT sum(seen_count) FROM first_seen WHERE "
                                "value = '" +
                                    value + "'",
                                times),
              times)
        << value;
  }
  // Waits for a message that syslogd wrote.
  static bool told(const PrivateAuditd& audit,
                   const std::vector<std::string>& parts) {
    return eventually(10, [&] { return !audit.messages_with(parts).empty(); });
  }
};

// Tests that need the same deployment share it; each uses values of its own. It
// is started by the first that runs and ends with the suite. Suite::setup() is
// its PrivateAuditd::Setup.
template <class Suite>
class SharedLiveTest : public LiveTest {
 protected:
  void SetUp() override {
    if (shared() != nullptr)
      return;
    LiveTest::SetUp();
    if (!IsSkipped())
      shared() = std::make_unique<PrivateAuditd>(Suite::setup());
  }
  static void TearDownTestSuite() { shared().reset(); }
  static PrivateAuditd& deployment() { return *shared(); }

 private:
  static std::unique_ptr<PrivateAuditd>& shared() {
    static std::unique_ptr<PrivateAuditd> instance;
    return instance;
  }
};

// The plugin as it is without configuration.
class DefaultLive : public SharedLiveTest<DefaultLive> {
 public:
  static PrivateAuditd::Setup setup() { return {}; }
};

}  // namespace preload
