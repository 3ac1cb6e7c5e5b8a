// SPDX-License-Identifier: Apache-2.0
#include "plugins/local/local.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "plugins/command.h"

namespace vmferry {
namespace {

std::shared_ptr<Plugin> Make(const Json& command) {
  PluginSetup setup;
  setup.name = "check";
  setup.settings = {{"command", command}};
  auto made = LocalKind().make(setup);
  EXPECT_TRUE(made) << Describe(made.error());
  return made ? *made : nullptr;
}

Result<CommandReply> Ask(const Json& command, const std::vector<std::string>& arguments,
                         std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
  CallContext context;
  context.timeout = timeout;
  return Invoke(*Make(command), command::kCheck, CommandRequest{arguments}, context);
}

TEST(Local, ArgumentsReachTheProgramAsTheyAre) {
  const auto reply = Ask({"/usr/bin/printf", "<%s>"}, {"a b", "$HOME", "'; rm -rf /'", ""});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, 0);
  EXPECT_EQ(reply->output, "<a b><$HOME><'; rm -rf /'><>");
}

TEST(Local, AnotherExitCodeIsAReply) {
  const auto reply = Ask({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"}, {});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, 3);
  EXPECT_NE(reply->output.find("out"), std::string::npos) << reply->output;
  EXPECT_NE(reply->output.find("err"), std::string::npos) << reply->output;
  EXPECT_EQ(reply->output.find('\n'), std::string::npos) << "one line";
}

TEST(Local, AProgramEndedByASignalDidNotSucceed) {
  const auto reply = Ask({"/bin/sh", "-c", "kill -9 $$"}, {});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, -1);
}

TEST(Local, AProgramThatDoesNotEndIsKilled) {
  const auto reply = Ask({"/bin/sh", "-c", "echo waiting; exec sleep 600"}, {}, std::chrono::milliseconds(300));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kTimedOut);
  EXPECT_NE(reply.error().message.find("it had printed: waiting"), std::string::npos) << reply.error().message;
}

TEST(Local, AProgramThatIsNotThereIsInvalidAndNamed) {
  const auto reply = Ask({"/no/such/program"}, {});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(Describe(reply.error()).find("check (local /no/such/program)"), std::string::npos) << Describe(reply.error());
}

TEST(Local, SecretsOfTheEnvironmentAreNotHandedOn) {
  setenv("VMFERRY_TEST_PASSWORD", "hunter2", 1);
  const auto reply = Ask({"/usr/bin/env"}, {});
  unsetenv("VMFERRY_TEST_PASSWORD");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->output.find("hunter2"), std::string::npos);
}

TEST(Local, ARelativePathIsRefused) {
  PluginSetup setup;
  setup.name = "check";
  setup.settings = {{"command", {"check-app"}}};
  const auto made = LocalKind().make(setup);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("absolute path"), std::string::npos);
}

// Reading what the program had printed went on as long as anything it left behind printed: for ever.
TEST(Local, WhatAProgramLeavesBehindDoesNotHoldTheCall) {
  const auto reply = Ask({"/bin/sh", "-c", "yes chatter & exit 0"}, {});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, 0);
}

// Sockets of libraries that do not close on exec were the program's too: a client of the engine's never saw its end.
TEST(Local, AProgramGetsNoFileOfOurs) {
  const int open_file = dup2(1, 63);  // without FD_CLOEXEC
  const auto reply = Ask({"/bin/sh", "-c", "test -e /proc/self/fd/2 && ! test -e /proc/self/fd/63"}, {});
  close(open_file);
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, 0) << reply->output;
}

}  // namespace
}  // namespace vmferry
