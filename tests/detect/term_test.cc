// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/term.h"

#include <map>
#include <random>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "preload/base/config.h"

namespace preload {
namespace {

const std::vector<std::string> kEnvOnly{"process.env_vars"};

ExecEvent event_with(std::vector<EnvVar> env) {
  ExecEvent event;
  event.env = std::move(env);
  event.executable = "/usr/bin/id";
  event.parent_executable = "/usr/bin/bash";
  event.cwd = "/home/bob";
  event.uid = 1000;
  event.auid = kUnsetId;
  event.user = "bob";
  event.container = "c0ffee";
  event.key = "preload-exec,other";
  event.argv = {"id", "-u n"};
  return event;
}

std::vector<Term> terms_of(const ExecEvent& event,
                           const std::vector<std::string>& fields) {
  FieldValues values(event);
  return TermMaker(fields).terms_of(values);
}

std::string field_value(const ExecEvent& event, std::string_view field) {
  return std::string(FieldValues(event).get(parse_field(field).value()));
}

TEST(Term, FieldsAreThoseOfTheConfiguration) {
  for (const std::string_view name : kTermFields) {
    ASSERT_TRUE(parse_field(name).has_value());
    EXPECT_EQ(to_string(*parse_field(name)), name);
  }
  EXPECT_EQ(parse_field("process.args"), Field::kArgs);
  EXPECT_FALSE(parse_field("process.pid"));
  EXPECT_FALSE(parse_field(""));
}

TEST(Term, ValuesOfTheFields) {
  const ExecEvent event = event_with({});
  EXPECT_EQ(field_value(event, "process.executable"), "/usr/bin/id");
  EXPECT_EQ(field_value(event, "process.name"), "id");
  EXPECT_EQ(field_value(event, "process.parent.executable"), "/usr/bin/bash");
  EXPECT_EQ(field_value(event, "process.parent.name"), "bash");
  EXPECT_EQ(field_value(event, "process.working_directory"), "/home/bob");
  EXPECT_EQ(field_value(event, "user.id"), "1000");
  EXPECT_EQ(field_value(event, "user.name"), "bob");
  ExecEvent nameless = event;
  nameless.user.clear();
  EXPECT_EQ(field_value(nameless, "user.name"), "1000");
  EXPECT_EQ(FieldValues(nameless, "looked-up").get(Field::kUserName),
            "looked-up");
  EXPECT_EQ(FieldValues(event, "looked-up").get(Field::kUserName), "bob");
  EXPECT_EQ(field_value(event, "user.audit.id"), "");  // unset
  EXPECT_EQ(field_value(event, "container.id"), "c0ffee");
  EXPECT_EQ(field_value(event, "event.code"), "preload-exec,other");
  EXPECT_EQ(field_value(event, "process.args"), "id '-u n'");
}

TEST(Term, OnePerDifferentNameAndValue) {
  const auto terms = terms_of(event_with({{"LD_PRELOAD", "/a.so"},
                                          {"LD_LIBRARY_PATH", ""},
                                          {"LD_PRELOAD", "/b.so"},
                                          {"LD_PRELOAD", "/a.so"}}),
                              kEnvOnly);
  ASSERT_EQ(terms.size(), 3U);
  EXPECT_EQ(terms[0].value, "/a.so");
  EXPECT_EQ(terms[1].variable, "LD_LIBRARY_PATH");
  EXPECT_EQ(terms[1].value, "");
  EXPECT_EQ(terms[2].value, "/b.so");
  for (const Term& term : terms)
    EXPECT_EQ(term.digest, TermMaker(kEnvOnly).digest_of(term));
}

TEST(Term, ContextTakesPartInIdentityInConfiguredOrder) {
  const std::vector<std::string> fields{"user.id", "process.env_vars",
                                        "process.name"};
  ExecEvent event = event_with({{"LD_PRELOAD", "/a.so"}});
  const auto first = terms_of(event, fields);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].context, (std::vector<std::string>{"1000", "id"}));
  event.uid = 1001;
  EXPECT_NE(terms_of(event, fields)[0].digest, first[0].digest);
  EXPECT_NE(terms_of(event, kEnvOnly)[0].digest, first[0].digest);
}

TEST(Term, AuditKeysMultiply) {
  const std::vector<std::string> fields{"process.env_vars", "event.code"};
  ExecEvent event =
      event_with({{"LD_PRELOAD", "/a.so"}, {"LD_PRELOAD", "/b.so"}});
  std::set<std::pair<std::string, std::string>> pairs;
  for (const Term& term : terms_of(event, fields))
    pairs.insert({term.value, term.context.at(0)});
  EXPECT_EQ(pairs, (std::set<std::pair<std::string, std::string>>{
                       {"/a.so", "preload-exec"},
                       {"/a.so", "other"},
                       {"/b.so", "preload-exec"},
                       {"/b.so", "other"}}));
  event.key = "same,same";
  EXPECT_EQ(terms_of(event, fields).size(), 2U);
  event.key = "";
  EXPECT_EQ(terms_of(event, fields).size(), 2U);
}

// Identity is of exact bytes: whatever the borders of the pieces, different
// terms have different digests.
TEST(Term, DigestsTellAllTermsApart) {
  const std::vector<std::string> fields{"process.env_vars", "user.name",
                                        "process.name"};
  std::mt19937 random(3);
  const auto piece = [&random] {
    std::string s(random() % 3, '\0');
    for (char& c : s)
      c = "ab=,\x01\xff"[random() % 6];
    return s;
  };
  TermMaker maker(fields);
  std::map<Digest, std::tuple<std::string, std::string, std::string>> seen;
  for (int round = 0; round < 20'000; ++round) {
    ExecEvent event;
    event.env = {{"X" + piece(), piece()}};
    event.user = piece();
    FieldValues values(event);
    const auto terms = maker.terms_of(values);
    ASSERT_EQ(terms.size(), 1U);
    const auto identity =
        std::tuple(event.env[0].name, event.env[0].value, event.user);
    const auto [at, fresh] = seen.emplace(terms[0].digest, identity);
    ASSERT_EQ(at->second, identity);
  }
  EXPECT_GT(seen.size(), 1000U);
}

TEST(Term, ManyDuplicatesStayCheap) {
  ExecEvent event;
  for (int i = 0; i < 100'000; ++i)
    event.env.push_back({"LD_PRELOAD", std::to_string(i % 1000)});
  EXPECT_EQ(terms_of(event, kEnvOnly).size(), 1000U);
}

}  // namespace
}  // namespace preload
