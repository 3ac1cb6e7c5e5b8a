// SPDX-License-Identifier: Apache-2.0
//
// The contract of plugins/backup_command/README.md, by small shell programs. The example beside it is run by the live
// tests.
#include "plugins/backup_command/backup_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/backup.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

std::shared_ptr<Plugin> Made(const std::string& script, const Json& environment = Json::object()) {
  PluginSetup setup;
  setup.name = "vault";
  setup.settings = {{"command", {"/bin/sh", "-c", script, "sh"}}, {"environment", environment}};
  setup.secrets = ResolveSecret;
  auto made = BackupCommandKind().make(setup);
  EXPECT_TRUE(made) << Describe(made.error());
  return made ? *made : nullptr;
}

template <class Request, class Answer>
Result<Answer> Ask(const std::string& script, const Call<Request, Answer>& call, const Request& request = {},
                   std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
  CallContext context;
  context.timeout = timeout;
  return Invoke(*Made(script), call, request, context);
}

TEST(BackupCommand, TheCallIsTheLastArgumentAndTheRequestIsOnStandardInput) {
  const auto reply =
      Ask("read request; echo \"{\\\"state\\\": \\\"failed\\\", \\\"said\\\": \\\"$1 $(echo $request | tr -d "
          "'\\\"')\\\"}\"",
          backup::kReadRun, BackupRunRequest{"0123456789ab", {"shop", {"/srv"}, {}}});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->said, "read-run {key:0123456789ab,scope:{host:shop,paths:[/srv],tags:[]}}");
}

// A program that finds `backup`, with NOW for the time in seconds.
std::string Newest(const std::string& backup, const std::string& age_ms) {
  return "sed \"s/NOW/$(date +%s)/\" <<'END'\n{\"found\": true, \"more\": 1, \"age_ms\": " + age_ms + ", \"backup\": " +
         backup + "}\nEND";
}

TEST(BackupCommand, AReplyBecomesTheRolesReply) {
  const auto newest = Ask(Newest(R"({"id": "b-7", "time_ms": NOW000, "size_bytes": 99, "host": "shop"})", "5000"),
                          backup::kFindNewest);
  ASSERT_TRUE(newest) << Describe(newest.error());
  EXPECT_TRUE(newest->found);
  EXPECT_EQ(newest->backup.id, "b-7");
  EXPECT_EQ(newest->backup.size_bytes, 99);
  EXPECT_EQ(newest->age_ms, 5000);
  EXPECT_TRUE(Ask("echo '{}'", backup::kEnsureStopped));
}

TEST(BackupCommand, WhatIsNoReplyIsCorrupt) {
  for (const std::string script :
       {"true", "echo done", "echo '[]'", "echo '{}'", R"(echo '{"found": 7}')", R"(echo '{"found": true}')",
        R"(echo '{"found": true, "backup": {"id": "b", "time_ms": "yesterday"}}')",
        R"(echo '{"found": true, "backup": {"id": "b"}}')",
        "head -c 3000000 /dev/zero | tr '\\0' ' '; echo '{\"found\": false}'"}) {
    const auto newest = Ask(script, backup::kFindNewest);
    ASSERT_FALSE(newest) << script;
    EXPECT_EQ(newest.error().kind, ErrorKind::kCorrupt) << script << ": " << Describe(newest.error());
    EXPECT_THAT(newest.error().advice, HasSubstr("README.md"));
  }
  const auto odd = Ask(R"(echo '{"state": "fine"}')", backup::kCheck);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().kind, ErrorKind::kCorrupt) << "a state that nobody knows never passes";
}

// A reply without `age_ms` meant an age of 0, and one in seconds an age a thousand times too small. A month-old backup
// passed as young.
TEST(BackupCommand, AnAgeThatIsMissingOrInSecondsIsCorrupt) {
  const std::string month_old = R"({"id": "b", "time_ms": 1772330400000})";
  for (const std::string& script :
       {"echo '{\"found\": true, \"backup\": " + month_old + "}'", Newest(month_old, "2592000"),
        Newest(R"({"id": "b", "time_ms": NOW})", "60"), Newest(R"({"id": "b", "time_ms": NOW000})", "-1200000")}) {
    const auto newest = Ask(script, backup::kFindNewest);
    ASSERT_FALSE(newest) << script;
    EXPECT_EQ(newest.error().kind, ErrorKind::kCorrupt);
    EXPECT_THAT(newest.error().message, HasSubstr("`age_ms`"));
  }
  for (const char* age : {"true", "\"60\"", "1.5", "null", "99999999999999999999"}) {
    const auto newest = Ask(Newest(R"({"id": "b", "time_ms": NOW000})", age), backup::kFindNewest);
    ASSERT_FALSE(newest) << age;
    EXPECT_THAT(newest.error().message, HasSubstr("`age_ms` is no whole number"));
  }
}

TEST(BackupCommand, ExitCodesAreKindsOfErrorsAndStandardErrorTheWords) {
  for (const auto& [code, kind] : {std::pair{10, ErrorKind::kNotFound},
                                   {11, ErrorKind::kConflict},
                                   {12, ErrorKind::kDenied},
                                   {13, ErrorKind::kUnavailable},
                                   {14, ErrorKind::kInvalid}}) {
    const auto begun = Ask("echo 'vault says no' >&2; exit " + std::to_string(code), backup::kBeginRun);
    ASSERT_FALSE(begun);
    EXPECT_EQ(begun.error().kind, kind);
    EXPECT_THAT(begun.error().message, HasSubstr("vault says no"));
    EXPECT_THAT(begun.error().system, HasSubstr("vault"));
  }
}

TEST(BackupCommand, AWriteThatFailedOtherwiseHasAnUnknownOutcome) {
  EXPECT_EQ(Ask("exit 1", backup::kBeginRun).error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_EQ(Ask("kill -9 $$", backup::kTestRestore).error().kind, ErrorKind::kUnknownOutcome);
  // A read that failed so was a conflict, which nobody tries again. The table of README.md says that nothing was learnt.
  EXPECT_EQ(Ask("exit 1", backup::kReadRun).error().kind, ErrorKind::kUnavailable);
}

TEST(BackupCommand, AProgramThatDoesNotEndIsKilled) {
  const std::string script = "echo waiting >&2; exec sleep 600";
  const auto read = Ask(script, backup::kFindNewest, {}, std::chrono::milliseconds(300));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::kTimedOut);
  EXPECT_THAT(read.error().message, HasSubstr("waiting"));
  const auto write = Ask(script, backup::kBeginRun, {}, std::chrono::milliseconds(300));
  ASSERT_FALSE(write);
  EXPECT_EQ(write.error().kind, ErrorKind::kUnknownOutcome);
}

TEST(BackupCommand, SecretsGoIntoTheEnvironmentByReferenceOnly) {
  setenv("VMFERRY_TEST_TOKEN", "hunter2", 1);
  const std::string script = R"(test "$TOKEN" = hunter2 && test -z "$VMFERRY_TEST_TOKEN" && echo '{"found": false}')";
  const auto good =
      Invoke(*Made(script, {{"TOKEN", "env:VMFERRY_TEST_TOKEN"}}), backup::kFindNewest, BackupQuery{}, {});
  EXPECT_TRUE(good) << Describe(good.error());
  const auto plain = Invoke(*Made(script, {{"TOKEN", "hunter2"}}), backup::kFindNewest, BackupQuery{}, {});
  unsetenv("VMFERRY_TEST_TOKEN");
  ASSERT_FALSE(plain);
  EXPECT_EQ(plain.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Describe(plain.error()).find("hunter2"), std::string::npos);
}

TEST(BackupCommand, ARelativePathIsRefused) {
  PluginSetup setup;
  setup.name = "vault";
  setup.settings = {{"command", {"backup-calls"}}};
  const auto made = BackupCommandKind().make(setup);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("absolute path"));
}

}  // namespace
}  // namespace vmferry
