// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/text_format.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <auparse.h>
#include <gtest/gtest.h>

#include "golden.h"
#include "preload/audit/audit_writer.h"
#include "preload/base/digest.h"
#include "preload/base/text.h"
#include "preload/deliver/syslog_socket.h"
#include "samples.h"
#include "support/rounds.h"

namespace preload {
namespace {

struct Field {
  std::string key;
  bool key_quoted = false;
  std::string value;  // unescaped
  bool quoted = false;
};

// Takes `"..."` off the front of `text` and gives what is inside, unescaped.
std::optional<std::string> take_quoted(std::string_view& text) {
  if (!text.starts_with('"'))
    return std::nullopt;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      auto inner = unescaped(text.substr(1, i - 1));
      text.remove_prefix(i + 1);
      return inner;
    }
  }
  return std::nullopt;
}

std::string take_bare(std::string_view& text, std::string_view stops) {
  const size_t end = std::min(text.find_first_of(stops), text.size());
  std::string word(text.substr(0, end));
  text.remove_prefix(end);
  return word;
}

// What a collector makes of a line; nothing when it breaks the grammar.
std::optional<std::vector<Field>> parse(std::string_view line) {
  constexpr std::string_view kPrefix = "new preload term: ";
  if (!line.starts_with(kPrefix) || line.find('\n') != std::string_view::npos)
    return std::nullopt;
  line.remove_prefix(kPrefix.size());
  std::vector<Field> fields;
  while (true) {
    Field field;
    field.key_quoted = line.starts_with('"');
    if (field.key_quoted) {
      auto key = take_quoted(line);
      if (!key)
        return std::nullopt;
      field.key = *key;
    } else {
      field.key = take_bare(line, "= \"\\");
    }
    if (!line.starts_with('='))
      return std::nullopt;
    line.remove_prefix(1);
    field.quoted = line.starts_with('"');
    if (field.quoted) {
      auto value = take_quoted(line);
      if (!value)
        return std::nullopt;
      field.value = *value;
    } else {
      field.value = take_bare(line, " \"\\=");
    }
    fields.push_back(field);
    if (line.empty())
      return fields;
    if (!line.starts_with(' '))
      return std::nullopt;
    line.remove_prefix(1);
  }
}

// The value of a bare key; fails the test unless it is there exactly once.
std::string get(const std::vector<Field>& fields, std::string_view key) {
  std::string value;
  int found = 0;
  for (const Field& field : fields) {
    if (!field.key_quoted && field.key == key) {
      value = field.value;
      ++found;
    }
  }
  EXPECT_EQ(found, 1) << key;
  return value;
}

bool has(const std::vector<Field>& fields, std::string_view key) {
  for (const Field& field : fields)
    if (!field.key_quoted && field.key == key)
      return true;
  return false;
}

// The field is `bytes`, or a prefix of it with its length told.
void expect_string(const std::vector<Field>& fields, const std::string& key,
                   const std::string& bytes) {
  const std::string shown = get(fields, key);
  if (has(fields, key + "_bytes")) {
    EXPECT_TRUE(bytes.starts_with(shown)) << key;
    EXPECT_LT(shown.size(), bytes.size()) << key;
    EXPECT_EQ(get(fields, key + "_bytes"), std::to_string(bytes.size()));
  } else {
    EXPECT_EQ(shown, bytes) << key;
  }
}

TEST(TextFormat, IsTheLineOfTheDesign) {
  EXPECT_EQ(text_line(sample_alert()),
            "new preload term: LD_PRELOAD=\"/tmp/x.so\" exe=\"/usr/bin/id\" "
            "args=\"id -u\" pid=1234 ppid=1200 parent=\"/usr/bin/bash\" "
            "uid=1000 user=\"bob\" auid=1000 ses=3 tty=pts0 "
            "cwd=\"/home/bob\" severity=low risk_score=21 "
            "technique=T1574.006 audit=1795484879.068:7 capture=exec "
            "alert=42");
}

TEST(TextFormat, Golden) {
  Alert gone = full_alert();
  std::swap(gone.facts.libraries[0], gone.facts.libraries[1]);
  gone.alert_id = 0;
  Alert unknown = sample_alert();
  unknown.facts.libraries = {full_alert().facts.libraries[2]};
  std::string lines;
  for (const Alert& alert :
       {sample_alert(), full_alert(), gone, unknown, summary_alert()})
    lines += text_line(alert) + "\n";
  expect_golden("alerts.txt", lines);
}

TEST(TextFormat, SaysWhatIsNotSet) {
  Alert alert = sample_alert();
  ExecEvent& event = edit(alert);
  event.auid = event.ses = kUnsetId;
  event.tty = "(none)";
  event.user.clear();
  const auto fields = parse(text_line(alert));
  ASSERT_TRUE(fields);
  EXPECT_EQ(get(*fields, "auid"), "unset");
  EXPECT_EQ(get(*fields, "ses"), "unset");
  EXPECT_EQ(get(*fields, "tty"), "none");
  EXPECT_EQ(get(*fields, "user"), "1000");
}

TEST(TextFormat, AVariableNamedLikeAFieldIsNotThatField) {
  for (const char* name : {"pid", "alert", "exe_bytes", "a b", "", "a=b"}) {
    Alert alert = sample_alert();
    alert.term.variable = name;
    const auto fields = parse(text_line(alert));
    ASSERT_TRUE(fields) << name;
    EXPECT_TRUE(fields->front().key_quoted) << name;
    EXPECT_EQ(fields->front().key, name);
    EXPECT_EQ(get(*fields, "pid"), "1234");
  }
  Alert alert = sample_alert();
  alert.term.variable = "ld.so.preload";
  EXPECT_FALSE(parse(text_line(alert))->front().key_quoted);
}

TEST(TextFormat, EveryKeyOfOursIsReserved) {
  Alert gone = full_alert();
  std::swap(gone.facts.libraries[0], gone.facts.libraries[1]);
  edit(gone).audit.serial = 7;
  edit(gone).argv_truncated = true;
  edit(gone).no_interpreter = true;
  gone.alert_id = 0;
  for (const Alert& alert : {full_alert(), gone}) {
    const auto fields = parse(text_line(alert));
    ASSERT_TRUE(fields);
    for (size_t i = 1; i < fields->size(); ++i) {
      Alert named = sample_alert();
      named.term.variable = (*fields)[i].key;
      EXPECT_TRUE(parse(text_line(named))->front().key_quoted)
          << (*fields)[i].key;
    }
  }
}

TEST(TextFormat, CutsTheValueAndTellsItsDigest) {
  Alert alert = sample_alert();
  alert.term.value = std::string(100'000, 'v');
  const std::string line = text_line(alert);
  EXPECT_LE(line.size(), kSyslogTextBytes);
  EXPECT_GT(line.size(), kSyslogTextBytes - 8);  // uses what there is
  EXPECT_NE(line.find("v\" value_bytes=100000 value_sha256=" +
                      hex(sha256(alert.term.value)) + " exe="),
            std::string::npos);
  const auto fields = parse(line);
  ASSERT_TRUE(fields);
  EXPECT_EQ(get(*fields, "args"), "id -u");
}

TEST(TextFormat, LongArgumentsUseWhatTheValueLeaves) {
  Alert alert = sample_alert();
  edit(alert).argv = {std::string(5'000, 'a')};
  EXPECT_FALSE(has(*parse(text_line(alert)), "args_bytes"));
  alert.term.value = std::string(5'000, 'v');
  const auto fields = parse(text_line(alert));
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->front().value, alert.term.value);
  EXPECT_EQ(get(*fields, "args_bytes"), "5000");
}

TEST(TextFormat, NoEnvironmentCanForgeAField) {
  HostileBytes hostile(1);
  for (int round = 0; round < rounds(1'000); ++round) {
    const Alert alert = hostile.alert();
    const std::string line = text_line(alert);
    ASSERT_LE(line.size(), kSyslogTextBytes);
    std::string no_backslash = line;
    std::replace(no_backslash.begin(), no_backslash.end(), '\\', '/');
    ASSERT_EQ(escaped(no_backslash), no_backslash);  // printable UTF-8
    const auto parsed = parse(line);
    ASSERT_TRUE(parsed) << line;
    const auto& fields = *parsed;
    if (has(fields, "variable_bytes")) {
      EXPECT_TRUE(alert.term.variable.starts_with(fields[0].key));
    } else {
      EXPECT_EQ(fields[0].key, alert.term.variable);
    }
    if (has(fields, "value_bytes")) {
      EXPECT_TRUE(alert.term.value.starts_with(fields[0].value));
      EXPECT_EQ(get(fields, "value_sha256"), hex(sha256(alert.term.value)));
    } else {
      EXPECT_EQ(fields[0].value, alert.term.value);
    }
    const ExecEvent& event = *alert.event;
    expect_string(fields, "exe", event.executable);
    expect_string(fields, "args", command_line(event.argv));
    expect_string(fields, "parent", event.parent_executable);
    expect_string(fields, "cwd", event.cwd);
    expect_string(fields, "user", event.user.empty() ? "1000" : event.user);
    expect_string(fields, "tty", event.tty.empty() ? "none" : event.tty);
    if (!event.container.empty())
      expect_string(fields, "container", event.container);
    EXPECT_EQ(get(fields, "pid"), "1234");
    EXPECT_EQ(get(fields, "uid"), "1000");
    EXPECT_EQ(get(fields, "severity"), "low");
    EXPECT_EQ(get(fields, "alert"), "42");
    if (HasFailure())
      FAIL() << line;
  }
}

TEST(TextFormat, ASummaryStaysOneLine) {
  Alert alert = summary_alert();
  alert.summary = "a=\"b\" c=\\x0a";
  EXPECT_EQ(text_line(alert),
            "preload alert summary: a=\"b\" c=\\x0a severity=low alert=43");
  alert.summary = "first\nsecond\xff" + std::string(9'000, 's');
  const std::string line = text_line(alert);
  EXPECT_LE(line.size(), kSyslogTextBytes);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_TRUE(line.ends_with(" severity=low alert=43"));
}

TEST(AuditText, TellsWhatAndWho) {
  EXPECT_EQ(audit_text(sample_alert()),
            "op=preload-term var=\"LD_PRELOAD\" file=\"/tmp/x.so\" "
            "path=\"/usr/bin/id\" cmd=6964202D75 cwd=\"/home/bob\" opid=1234 "
            "ouid=1000 oauid=1000 oses=3 audit_id=1795484879.068:7 "
            "capture=exec alert=42");
  Alert summary = summary_alert();
  summary.summary = "capped=12";
  EXPECT_EQ(audit_text(summary),
            "op=preload-summary info=\"capped=12\" alert=43");
}

TEST(AuditText, AnyAlertFitsARecord) {
  HostileBytes hostile(6);
  for (int round = 0; round < rounds(1'000); ++round) {
    Alert alert = hostile.alert();
    const std::string text = audit_text(alert);
    ASSERT_LE(text.size(), kAuditTextBytes);
    ASSERT_EQ(text.find('\n'), std::string::npos);
    ASSERT_EQ(text.find("type="), std::string::npos);
    // One field of each, whatever the strings were.
    for (const char* key : {" opid=", " file=", " cwd=", " alert=42"}) {
      const size_t at = text.find(key);
      ASSERT_NE(at, std::string::npos) << key;
      ASSERT_EQ(text.find(key, at + 1), std::string::npos) << text;
    }
  }
}

// What `ausearch -i` shows of a string field; nothing when it is not there
// exactly once.
std::optional<std::string> interpreted(const std::string& record,
                                       const char* field) {
  const std::unique_ptr<auparse_state_t, void (*)(auparse_state_t*)> state(
      ::auparse_init(AUSOURCE_BUFFER, record.c_str()), ::auparse_destroy);
  ::auparse_set_escape_mode(state.get(), AUPARSE_ESC_RAW);
  if (::auparse_next_event(state.get()) <= 0 ||
      ::auparse_find_field(state.get(), field) == nullptr)
    return std::nullopt;
  const char* value = ::auparse_interpret_field(state.get());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

TEST(AuditText, AuparseReadsBackTheBytes) {
  HostileBytes hostile(7);
  for (int round = 0; round < rounds(300); ++round) {
    const Alert alert = hostile.alert();
    // As the kernel and libaudit frame a user message.
    const std::string record =
        "type=ANOM_EXEC msg=audit(1795484879.068:7): pid=1 uid=0 auid=0 ses=1 "
        "msg='" +
        audit_text(alert) +
        " exe=\"/usr/sbin/audisp-preload\" hostname=? addr=? terminal=? "
        "res=success'\n";
    const auto expect = [&](const char* field, const std::string& bytes,
                            size_t limit) {
      const auto read = interpreted(record, field);
      ASSERT_TRUE(read) << field << " in " << record;
      EXPECT_EQ(*read, bytes.substr(0, limit)) << field << " in " << record;
    };
    expect("file", alert.term.value, 1800);
    expect("path", alert.event->executable, 500);
    expect("cmd", command_line(alert.event->argv), 600);
    expect("cwd", alert.event->cwd, 500);
    expect("opid", "1234", 4);
    if (HasFailure())
      return;
  }
}

TEST(AuditText, ALongValueHasItsDigest) {
  Alert alert = sample_alert();
  alert.term.value = std::string(100'000, 'v');
  EXPECT_NE(audit_text(alert).find(" file_bytes=100000 file_sha256=" +
                                   hex(sha256(alert.term.value)) + " path="),
            std::string::npos);
}

}  // namespace
}  // namespace preload
