// SPDX-License-Identifier: Apache-2.0
#include "plugins/haproxy/persist.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stop_token>
#include <thread>

#include "tests/plugins/haproxy/scripted_api.h"

namespace vmferry::haproxy {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> kOne{"unix:/a"};
const std::vector<std::string> kTwo{"unix:/a", "unix:/b"};

Limits Within(std::chrono::milliseconds timeout, std::stop_token stop = {}) {
  return Limits(CallContext{std::move(stop), timeout});
}

std::string Problem(const Json& setting, const std::vector<std::string>& instances) {
  const auto persist = ParsePersist(setting, instances);
  return persist ? "accepted" : Describe(persist.error());
}

TEST(PersistSetting, HasNoSilentDefault) {
  EXPECT_EQ(Problem(Json(), kOne),
            "setting persist: invalid: declares no way, or several, to keep states over a reload of HAProxy; write one "
            "of stateFile: PATH, command: [PROGRAM, ...], none: REASON");
  EXPECT_NE(Problem({{"none", ""}}, kOne), "accepted");
  EXPECT_NE(Problem({{"none", "why"}, {"stateFile", "/s"}}, kOne), "accepted");
  EXPECT_NE(Problem({{"nothing", "why"}}, kOne), "accepted");
}

TEST(PersistSetting, TheReasonOfNoneIsShown) {
  EXPECT_EQ(ParsePersist({{"none", "reloads are frozen"}}, kOne)->InWords(), "not persisted: reloads are frozen");
}

TEST(PersistSetting, SeveralInstancesNeedAFileEach) {
  EXPECT_EQ(ParsePersist({{"stateFile", "/s"}}, kOne)->state_files.at("unix:/a"), "/s");
  EXPECT_EQ(ParsePersist({{"stateFile", {"/s", "/t"}}}, kTwo)->state_files.at("unix:/b"), "/t");
  const Json map{{"stateFile", {{"unix:/b", "/t"}, {"unix:/a", "/s"}}}};
  EXPECT_EQ(ParsePersist(map, kTwo)->state_files.at("unix:/a"), "/s");
  EXPECT_NE(Problem({{"stateFile", "/s"}}, kTwo), "accepted");
  EXPECT_NE(Problem({{"stateFile", {"/s", "/s"}}}, kTwo), "accepted");
  EXPECT_NE(Problem({{"stateFile", {"/s", "t"}}}, kTwo), "accepted");
  EXPECT_NE(Problem({{"stateFile", {{"unix:/a", "/s"}, {"unix:/c", "/t"}}}}, kTwo), "accepted");
  EXPECT_NE(Problem({{"stateFile", {{"unix:/a", "/s"}, {"unix:/b", "/t"}, {"unix:/c", "/u"}}}}, kTwo), "accepted");
}

TEST(PersistSetting, ACommandIsAListOfWordsThatStartsWithAnAbsolutePath) {
  EXPECT_EQ(ParsePersist({{"command", {"/bin/keep", "--now"}}}, kOne)->InWords(), "command /bin/keep");
  EXPECT_NE(Problem({{"command", "/bin/keep --now"}}, kOne), "accepted");
  EXPECT_NE(Problem({{"command", Json::array()}}, kOne), "accepted");
  EXPECT_NE(Problem({{"command", {"keep"}}}, kOne), "accepted");
  EXPECT_NE(Problem({{"command", {"/bin/keep", 7}}}, kOne), "accepted");
}

TEST(CheckPersist, FindsBeforeAnyChangeThatStatesCouldNotBeKept) {
  const Status no_directory = CheckPersist(*ParsePersist({{"stateFile", "/nowhere/at/all"}}, kOne));
  ASSERT_FALSE(no_directory.ok());
  EXPECT_EQ(no_directory.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(no_directory.error().message.find("nothing was changed"), std::string::npos);
  EXPECT_FALSE(CheckPersist(*ParsePersist({{"command", {"/nowhere/keep"}}}, kOne)).ok());
  EXPECT_TRUE(CheckPersist(*ParsePersist({{"command", {"/bin/true"}}}, kOne)).ok());
}

TEST(KeepStateFile, ReplacesTheFileAtOnceAndKeepsItsMode) {
  const TempDirectory directory;
  const std::string file = directory / "state";
  ASSERT_TRUE(KeepStateFile(file, "1\n# a b\n1 2").ok());
  EXPECT_EQ(ReadText(file), "1\n# a b\n1 2\n");
  struct stat facts {};
  ASSERT_EQ(stat(file.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0644u);
  ASSERT_EQ(chmod(file.c_str(), 0640), 0);
  ASSERT_TRUE(KeepStateFile(file, "1\n# a b\n3 4").ok());
  ASSERT_EQ(stat(file.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0640u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);  // no draft is left
}

TEST(KeepStateFile, NeverPutsAnythingButAStateTableThere) {
  const TempDirectory directory;
  ASSERT_TRUE(KeepStateFile(directory / "state", "1\n# a b\n1 2").ok());
  EXPECT_FALSE(KeepStateFile(directory / "state", "Permission denied").ok());
  EXPECT_EQ(ReadText(directory / "state"), "1\n# a b\n1 2\n");
}

TEST(KeepByCommand, GivesTheChangeAsArgumentsAndEnvironmentButNotOurSecrets) {
  const TempDirectory directory;
  setenv("VMFERRY_TEST_PASSWORD", "hunter2", 1);
  const std::string out = directory / "out";
  const std::vector<std::string> command{
      "/bin/sh", "-c",
      "echo \"$0 $@; $VMFERRY_POOL $VMFERRY_SERVER $VMFERRY_STATE $VMFERRY_WEIGHT\" >" + out + "; env >>" + out,
      "mine"};
  const Status kept = KeepByCommand(command, {"web", "old", "maint", "7"}, Within(10s));
  unsetenv("VMFERRY_TEST_PASSWORD");
  ASSERT_TRUE(kept.ok()) << Describe(kept.error());
  const std::string text = ReadText(out);
  EXPECT_EQ(text.substr(0, text.find('\n')), "mine web old maint 7; web old maint 7");
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
}

TEST(KeepByCommand, FailsWithTheExitCodeAndWhatItPrinted) {
  const Status kept = KeepByCommand({"/bin/sh", "-c", "echo no such host; echo oh >&2; exit 3"}, {}, Within(10s));
  ASSERT_FALSE(kept.ok());
  EXPECT_EQ(
      Describe(kept.error()),
      "program /bin/sh: invalid: ended with exit code 3; it printed: no such host\noh; run it by hand to see what "
      "it lacks");
  const Status gone = KeepByCommand({"/nowhere/keep"}, {}, Within(10s));
  ASSERT_FALSE(gone.ok());
  EXPECT_NE(gone.error().message.find("No such file"), std::string::npos);
}

// True once the process is gone; a zombie nobody has reaped yet has no command line any more.
bool EndsSoon(int pid) {
  const auto until = std::chrono::steady_clock::now() + 20s;
  const std::string file = "/proc/" + std::to_string(pid) + "/cmdline";
  while (!ReadText(file).empty() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  return ReadText(file).empty();
}

TEST(KeepByCommand, EndsWithItsDeadlineAndTakesItsChildrenAlong) {
  const TempDirectory directory;
  const auto start = std::chrono::steady_clock::now();
  const std::string mark = directory / "pid";
  const Status kept = KeepByCommand({"/bin/sh", "-c", "sleep 300 & echo $! >" + mark + "; wait"}, {}, Within(1s));
  ASSERT_FALSE(kept.ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 20s);
  EXPECT_NE(kept.error().message.find("did not end in time"), std::string::npos);
  EXPECT_TRUE(EndsSoon(std::atoi(ReadText(mark).c_str())));
}

TEST(KeepByCommand, DoesNotWaitForAGrandchildThatHoldsItsOutput) {
  const auto start = std::chrono::steady_clock::now();
  const TempDirectory directory;
  const std::string mark = directory / "pid";
  EXPECT_TRUE(KeepByCommand({"/bin/sh", "-c", "sleep 60 & echo $! >" + mark}, {}, Within(40s)).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
  kill(std::atoi(ReadText(mark).c_str()), SIGKILL);
}

TEST(KeepByCommand, EndsWhenAskedToStop) {
  std::stop_source stop;
  stop.request_stop();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(KeepByCommand({"/bin/sleep", "300"}, {}, Within(200s, stop.get_token())).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 20s);
}

class ReloadDriftTest : public testing::Test {
 protected:
  std::vector<std::string> Drift() {
    auto rows = ParseServersState(Recorded("moved.servers_state"), "web");
    return ReloadDrift(directory_ / "state", "web", *rows);
  }
  TempDirectory directory_;
};

TEST_F(ReloadDriftTest, IsEmptyWhenTheFileHoldsWhatIs) {
  std::filesystem::copy_file(std::string(VMFERRY_SOURCE_DIR) + "/tests/plugins/haproxy/recorded/moved.servers_state",
                             directory_ / "state");
  EXPECT_EQ(Drift(), std::vector<std::string>{});
}

TEST_F(ReloadDriftTest, NamesEveryServerAReloadWouldSetBack) {
  std::filesystem::copy_file(std::string(VMFERRY_SOURCE_DIR) + "/tests/plugins/haproxy/recorded/start.servers_state",
                             directory_ / "state");
  const std::string where = " (state file " + (directory_ / "state") + "), it is ";
  EXPECT_EQ(Drift(), (std::vector<std::string>{"a reload would make old ready" + where + "drain",
                                               "a reload would give old weight 100" + where + "7",
                                               "a reload would make new maint" + where + "ready",
                                               "a reload would make nocheck ready" + where + "maint"}));
}

TEST_F(ReloadDriftTest, WithoutAFileTheConfigurationCounts) {
  const auto drift = Drift();
  ASSERT_EQ(drift.size(), 4u);
  EXPECT_EQ(drift[2], "a reload would make new maint (no state file " + (directory_ / "state") + "), it is ready");
  auto rows = ParseServersState(Recorded("start.servers_state"), "web");
  EXPECT_EQ(ReloadDrift(directory_ / "state", "web", *rows), std::vector<std::string>{});
}

TEST_F(ReloadDriftTest, AFileThatIsNoStateTableIsNamed) {
  std::ofstream(directory_ / "state") << "rubbish\n";
  ASSERT_EQ(Drift().size(), 1u);
  EXPECT_EQ(Drift()[0].find("state file "), 0u);
}

}  // namespace
}  // namespace vmferry::haproxy
