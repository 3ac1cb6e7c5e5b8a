// SPDX-License-Identifier: Apache-2.0
#include "plugins/local/local.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

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
  // What it prints itself takes so long that what it leaves behind has begun by then.
  const auto reply = Ask({"/bin/sh", "-c", "yes chatter & exec head -c 4000000 /dev/zero"}, {});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, 0);
}

TEST(Local, SomethingSilentThatAProgramLeavesBehindDoesNotHoldTheCall) {
  const auto reply = Ask({"/bin/sh", "-c", "sleep 1000 & echo $!"}, {});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, 0);
  const pid_t left_behind = std::atoi(reply->output.c_str());
  ASSERT_GT(left_behind, 1) << reply->output;
  EXPECT_EQ(kill(left_behind, SIGKILL), 0) << "it was to outlive the call";
}

// Sockets of libraries that do not close on exec were the program's too: a client of the engine's never saw its end.
TEST(Local, AProgramGetsNoFileOfOurs) {
  const int open_file = dup2(1, 63);  // without FD_CLOEXEC
  const auto reply = Ask({"/bin/sh", "-c", "test -e /proc/self/fd/2 && ! test -e /proc/self/fd/63"}, {});
  close(open_file);
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, 0) << reply->output;
}

// Programs that change something: begun once for each key, found again by another plugin, forgotten on demand.
class LocalRuns : public ::testing::Test {
 protected:
  LocalRuns() {
    std::filesystem::remove_all(place_);
    std::filesystem::create_directories(place_);
  }
  ~LocalRuns() override { std::filesystem::remove_all(place_); }
  std::shared_ptr<Plugin> Plug(const std::string& script) {
    PluginSetup setup;
    setup.name = "stop";
    setup.settings = {{"command", {"/bin/sh", "-c", script, "sh"}}, {"workDirectory", (place_ / "runs").string()}};
    return *LocalKind().make(setup);
  }
  CommandRun Look(Plugin& plugin, const std::string& key = "k1") {
    const auto run = Invoke(plugin, command::kReadRun, CommandKey{key}, CallContext{});
    EXPECT_TRUE(run) << Describe(run.error());
    return run ? *run : CommandRun{};
  }
  CommandRun Begin(Plugin& plugin, const std::vector<std::string>& arguments = {}, const std::string& key = "k1") {
    const auto run = Invoke(plugin, command::kBeginRun, CommandRunRequest{key, arguments}, CallContext{});
    EXPECT_TRUE(run) << Describe(run.error());
    return run ? *run : CommandRun{};
  }
  CommandRun Await(Plugin& plugin, const std::string& key = "k1") {
    CommandRun run = Look(plugin, key);
    for (int look = 0; look < 3000 && run.state == "running"; ++look, run = Look(plugin, key))
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return run;
  }
  std::string Lines() {
    std::ifstream in(place_ / "log");
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const std::filesystem::path place_ = std::filesystem::temp_directory_path() / ("vmferry-local." + std::to_string(getpid()));
};

TEST_F(LocalRuns, AKeysProgramIsBegunOnceAndItsEndIsFoundByTheNextProcess) {
  const std::string script = "echo \"ran $1\" >> '" + (place_ / "log").string() + "'; echo done; echo worried >&2; exit 4";
  EXPECT_EQ(Look(*Plug(script)).state, "not started");
  EXPECT_EQ(Begin(*Plug(script), {"it's"}).state, "running");
  const CommandRun run = Await(*Plug(script));
  EXPECT_EQ(run.state, "ended");
  EXPECT_EQ(run.exit_code, 4);
  EXPECT_EQ(run.output, "done worried");
  EXPECT_EQ(Begin(*Plug(script)).state, "ended") << "it is not begun again";
  EXPECT_EQ(Lines(), "ran it's\n");
  EXPECT_EQ(Look(*Plug(script), "k2").state, "not started");
  for (int again = 0; again < 2; ++again)
    EXPECT_TRUE(Invoke(*Plug(script), command::kEnsureEnded, CommandKey{"k1"}, CallContext{}));
  EXPECT_EQ(Look(*Plug(script)).state, "not started");
}

TEST_F(LocalRuns, OneThatDoesNotEndIsEnded) {
  const auto plugin = Plug("echo waiting; exec sleep 600");
  Begin(*plugin);
  EXPECT_EQ(Look(*plugin).state, "running");
  EXPECT_TRUE(Invoke(*plugin, command::kEnsureEnded, CommandKey{"k1"}, CallContext{}));
  EXPECT_EQ(Look(*plugin).state, "not started");
}

TEST_F(LocalRuns, OneThatIsKilledIsLost) {
  const auto plugin = Plug("echo half; kill -9 $$");
  Begin(*plugin);
  const CommandRun run = Await(*plugin);
  EXPECT_EQ(run.state, "lost");
  EXPECT_NE(run.output.find("it had printed: half"), std::string::npos) << run.output;
}

TEST_F(LocalRuns, WithoutAWorkDirectoryTheyAreRefused) {
  const auto run = Invoke(*Make({"/bin/true"}), command::kBeginRun, CommandRunRequest{"k1", {}}, CallContext{});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(run.error().message.find("workDirectory"), std::string::npos);
}

}  // namespace
}  // namespace vmferry
