// SPDX-License-Identifier: Apache-2.0
#include "plugins/haproxy/haproxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "plugins/haproxy/runtime_socket.h"
#include "plugins/haproxy/server_table.h"
#include "plugins/load_balancer.h"
#include "tests/plugins/haproxy/scripted_api.h"

namespace vmferry::haproxy {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Manner = ScriptedApi::Manner;

class HaproxyTest : public testing::Test {
 protected:
  std::shared_ptr<Plugin> Make(const Json& instances, const Json& persist = {{"none", "a test"}}) {
    auto plugin = HaproxyKind().make(PluginSetup{"lb", {{"instances", instances}, {"persist", persist}}, nullptr});
    EXPECT_TRUE(plugin.ok()) << (plugin ? "" : Describe(plugin.error()));
    return plugin ? *plugin : nullptr;
  }
  std::shared_ptr<Plugin> MakeBoth() { return Make(Json::array({one_.address(), two_.address()})); }
  Status Set(Plugin& plugin, const std::string& server, const std::string& state, int weight = -1) {
    const auto done =
        Invoke(plugin, load_balancer::kSetServer, SetServerRequest{"web", server, state, weight}, context_);
    return done ? Ok() : Status(done.error());
  }
  Result<LbFacts> Describe_(Plugin& plugin, const std::string& pool = "web") {
    return Invoke(plugin, load_balancer::kDescribePool, LbQuery{pool}, context_);
  }
  Status Check(Plugin& plugin, const std::string& server) {
    const auto done = Invoke(plugin, load_balancer::kCheckSetServer, LbServerQuery{"web", server}, context_);
    return done ? Ok() : Status(done.error());
  }
  static std::vector<std::string> Writes(const ScriptedApi& api) {
    std::vector<std::string> writes;
    for (const std::string& command : api.commands())
      if (command.starts_with("set ")) writes.push_back(command);
    return writes;
  }

  TempDirectory directory_;
  ScriptedApi one_{directory_ / "one.sock"};
  ScriptedApi two_{directory_ / "two.sock"};
  CallContext context_{{}, 10s};
};

TEST_F(HaproxyTest, DescribesSeveralInstancesAsOne) {
  one_.servers["old"].sessions = 3;
  two_.servers["old"].sessions = 4;
  two_.servers["old"].admin = kForcedDrain;
  const auto facts = Describe_(*MakeBoth());
  ASSERT_TRUE(facts.ok());
  ASSERT_EQ(facts->servers.size(), 2u);
  EXPECT_EQ(facts->servers[1].name, "old");
  EXPECT_EQ(facts->servers[1].sessions, 7);
  EXPECT_EQ(facts->servers[1].state, "drain");
  EXPECT_THAT(facts->differences, ElementsAre(one_.address() + ": old is ready, elsewhere drain"));
  EXPECT_EQ(facts->persist, "not persisted: a test");
}

TEST_F(HaproxyTest, SetsWeightThenStateOnEveryInstanceAndReadsAgain) {
  ASSERT_TRUE(Set(*MakeBoth(), "new", "ready", 50).ok());
  for (const ScriptedApi* api : {&one_, &two_}) {
    EXPECT_THAT(Writes(*api), ElementsAre("set server web/new weight 50", "set server web/new state ready"));
    EXPECT_THAT(api->commands().back(), StartsWith("show stat web"));
  }
}

TEST_F(HaproxyTest, LeavesTheWeightAloneUnlessAsked) {
  ASSERT_TRUE(Set(*Make({one_.address()}), "old", "drain").ok());
  EXPECT_THAT(Writes(one_), ElementsAre("set server web/old state drain"));
}

TEST_F(HaproxyTest, SettingTwiceIsSettingOnce) {
  const auto plugin = Make({one_.address()});
  ASSERT_TRUE(Set(*plugin, "old", "maint").ok());
  const auto before = Describe_(*plugin);
  ASSERT_TRUE(Set(*plugin, "old", "maint").ok());
  EXPECT_EQ(Json(*before), Json(*Describe_(*plugin)));
}

TEST_F(HaproxyTest, AWriteThatHaproxySwallowsIsNotBelieved) {
  one_.sticky = true;
  const Status set = Set(*Make({one_.address()}), "old", "maint");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(set.error().message, HasSubstr("was set to maint and is ready"));
}

TEST_F(HaproxyTest, AServerThatFollowsAnotherIntoMaintenanceCannotBeMadeReady) {
  one_.servers["old"].admin = kInheritedMaint;
  one_.override_answer = [](const std::string& command) {
    return command == "show stat web 4 -1"
               ? "# pxname,svname,scur,status,tracked\nweb,old,0,MAINT (via web/new),web/new\n"
                 "web,new,0,MAINT,"
               : std::string();
  };
  const Status set = Set(*Make({one_.address()}), "old", "ready");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(set.error().advice, "it follows web/new; set that one");
}

TEST_F(HaproxyTest, UnknownServerIsNotFoundWithTheNamesThereAreAndNothingIsChanged) {
  const Status set = Set(*MakeBoth(), "nope", "drain");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(Describe(set.error()), "lb (haproxy " + one_.address() + ", " + two_.address() +
                                       "): server web/nope, instance " + one_.address() +
                                       ": not found: No such server.; its servers are new, old");
  EXPECT_TRUE(Writes(one_).empty());
}

TEST_F(HaproxyTest, UnknownBackendIsNotFound) {
  const auto facts = Describe_(*Make({one_.address()}), "nope");
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(facts.error().message, "Can't find backend.");
}

TEST_F(HaproxyTest, ASocketWithoutLevelAdminIsDeniedBeforeAnyInstanceIsChanged) {
  two_.level = "operator";
  const Status set = Set(*MakeBoth(), "old", "drain");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kDenied);
  EXPECT_THAT(set.error().message, HasSubstr("level operator"));
  EXPECT_THAT(set.error().advice, HasSubstr("level admin"));
  EXPECT_TRUE(Writes(one_).empty());
}

TEST_F(HaproxyTest, WhetherAServerCanBeSetIsAskedOfEveryInstanceAndNothingIsWritten) {
  const auto plugin = MakeBoth();
  EXPECT_TRUE(Check(*plugin, "old"));
  EXPECT_EQ(Check(*plugin, "nope").error().kind, ErrorKind::kNotFound);
  two_.level = "operator";
  const Status denied = Check(*plugin, "old");
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().kind, ErrorKind::kDenied);
  EXPECT_THAT(denied.error().object, HasSubstr(two_.address()));
  const Status lost = Check(*Make({one_.address()}, {{"stateFile", directory_ / "missing/s1"}}), "old");
  ASSERT_FALSE(lost.ok());
  EXPECT_THAT(lost.error().object, HasSubstr("missing/s1"));
  EXPECT_TRUE(Writes(one_).empty());
  EXPECT_TRUE(Writes(two_).empty());
}

TEST_F(HaproxyTest, RefusalInHaproxysOwnWords) {
  one_.override_answer = [](const std::string& command) {
    return command.find(" weight ") != std::string::npos
               ? "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'."
               : std::string();
  };
  const Status set = Set(*Make({one_.address()}), "old", "drain", 5);
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(set.error().message, StartsWith("Backend is using a static LB algorithm"));
}

TEST_F(HaproxyTest, ARefusalAfterTheWeightWasTakenIsAnUnknownOutcome) {
  one_.override_answer = [](const std::string& command) {
    return command.starts_with("set ") && command.find(" state ") != std::string::npos ? "Permission denied"
                                                                                       : std::string();
  };
  const Status set = Set(*Make({one_.address()}), "old", "drain", 5);
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_EQ(one_.servers["old"].weight, 5);
}

TEST_F(HaproxyTest, NamesThatCouldCarryACommandNeverReachTheSocket) {
  const auto plugin = Make({one_.address()});
  for (const std::string name : {"old;shutdown sessions", "old\nset server web/new state maint", "old state drain",
                                 "#1", "web/old", "", "old\\", "old <<"}) {
    const Status set = Set(*plugin, name, "drain");
    ASSERT_FALSE(set.ok()) << name;
    EXPECT_EQ(set.error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(Describe_(*plugin, name).error().kind, ErrorKind::kInvalid);
  }
  EXPECT_FALSE(Set(*plugin, "old", "drain;show info").ok());
  EXPECT_FALSE(Set(*plugin, "old", "").ok());
  EXPECT_FALSE(Set(*plugin, "old", "drain", 257).ok());
  EXPECT_TRUE(one_.commands().empty());
}

TEST_F(HaproxyTest, ReadingNamesTheInstanceThatCannotBeReached) {
  const auto plugin = Make({one_.address(), "unix:" + (directory_ / "gone.sock")});
  const auto facts = Describe_(*plugin);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(facts.error().object, "backend web, instance unix:" + (directory_ / "gone.sock"));
  EXPECT_THAT(facts.error().message, HasSubstr("No such file or directory"));
}

TEST_F(HaproxyTest, AnUnreachableInstanceStopsAChangeBeforeItReachesAnother) {
  const auto plugin = Make({one_.address(), "unix:" + (directory_ / "gone.sock")});
  const Status set = Set(*plugin, "old", "drain");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kUnavailable);
  EXPECT_TRUE(Writes(one_).empty());
}

TEST_F(HaproxyTest, AnInstanceLostInMidChangeIsAnUnknownOutcomeThatNamesBoth) {
  two_.manner = [](const std::string& command) { return command.starts_with("set ") ? Manner::kCut : Manner::kAnswer; };
  const Status set = Set(*MakeBoth(), "old", "drain");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_THAT(set.error().message,
              StartsWith("set on " + one_.address() + "; " + two_.address() + ": unknown outcome"));
}

TEST_F(HaproxyTest, AFirstInstanceLostInMidChangeNamesThoseNotTried) {
  one_.manner = [](const std::string& command) {
    return command.starts_with("set ") ? Manner::kApplyAndCut : Manner::kAnswer;
  };
  const Status set = Set(*MakeBoth(), "old", "drain");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_THAT(set.error().message, StartsWith("set on no instance yet; "));
  EXPECT_THAT(set.error().message, HasSubstr("not tried: " + two_.address()));
  EXPECT_TRUE(Writes(two_).empty());
}

TEST_F(HaproxyTest, ADenialAfterOneInstanceTookItIsAnUnknownOutcome) {
  two_.override_answer = [](const std::string& command) {
    return command.starts_with("set ") ? "Permission denied" : std::string();
  };
  const Status set = Set(*MakeBoth(), "old", "drain");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_THAT(set.error().message, HasSubstr("Permission denied"));
}

TEST_F(HaproxyTest, AnInstanceThatEndsAfterTheChangeIsAnUnknownOutcome) {
  one_.manner = [](const std::string& command) {
    return command.starts_with("set ") ? Manner::kApplyAndVanish : Manner::kAnswer;
  };
  const Status set = Set(*Make({one_.address()}), "old", "drain");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_THAT(set.error().message, StartsWith("set, but it could not be read again"));
}

TEST_F(HaproxyTest, AnAnswerCutInTheMiddleIsNotTakenForAShortOne) {
  one_.manner = [](const std::string& command) {
    return command.starts_with("show stat") ? Manner::kApplyAndCut : Manner::kAnswer;
  };
  const auto facts = Describe_(*Make({one_.address()}));
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(facts.error().message, HasSubstr("closed in mid-answer"));
}

TEST_F(HaproxyTest, AHangingInstanceIsLeftAtTheDeadline) {
  one_.manner = [](const std::string&) { return Manner::kHang; };
  context_.timeout = 300ms;
  const auto start = std::chrono::steady_clock::now();
  const auto facts = Describe_(*Make({one_.address()}));
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 8s);
}

TEST_F(HaproxyTest, AHangInMidChangeIsAnUnknownOutcome) {
  one_.manner = [](const std::string& command) {
    return command.starts_with("set ") ? Manner::kHang : Manner::kAnswer;
  };
  context_.timeout = 2s;
  const Status set = Set(*Make({one_.address()}), "old", "drain");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kUnknownOutcome);
}

TEST_F(HaproxyTest, AStopRequestEndsAWait) {
  std::stop_source stop;
  one_.manner = [&stop](const std::string&) {
    stop.request_stop();
    return Manner::kHang;
  };
  context_ = CallContext{stop.get_token(), 100s};
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(Describe_(*Make({one_.address()})).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
}

TEST_F(HaproxyTest, EachInstancesStatesGoIntoItsOwnFile) {
  const Json files{{"stateFile", {directory_ / "s1", directory_ / "s2"}}};
  const auto plugin = Make({one_.address(), two_.address()}, files);
  two_.servers["old"].weight = 33;
  ASSERT_TRUE(Set(*plugin, "old", "maint").ok());
  EXPECT_THAT(ReadText(directory_ / "s1"), HasSubstr(" old 127.0.0.1 0 1 100 100 "));
  EXPECT_THAT(ReadText(directory_ / "s2"), HasSubstr(" old 127.0.0.1 0 1 33 100 "));
  EXPECT_THAT(Describe_(*plugin)->differences, Not(Contains(HasSubstr("a reload"))));
}

TEST_F(HaproxyTest, AChangeBehindOurBackThatAReloadWouldForgetIsADifference) {
  const auto plugin = Make({one_.address()}, {{"stateFile", directory_ / "s1"}});
  ASSERT_TRUE(Set(*plugin, "old", "maint").ok());
  one_.servers["new"].admin = kConfiguredMaint;  // somebody made it ready
  EXPECT_THAT(Describe_(*plugin)->differences,
              ElementsAre(one_.address() + ": a reload would make new maint (state file " + (directory_ / "s1") +
                          "), it is ready"));
}

TEST_F(HaproxyTest, AStateFileThatCannotBeWrittenStopsTheChangeBeforeItBegins) {
  const auto plugin = Make({one_.address()}, {{"stateFile", directory_ / "missing/s1"}});
  const Status set = Set(*plugin, "old", "maint");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kInvalid);
  EXPECT_TRUE(one_.commands().empty());
}

TEST_F(HaproxyTest, AFailingPersistCommandFailsTheCallAndSaysThatTheStateIsSet) {
  const auto plugin = Make({one_.address()}, {{"command", {"/bin/sh", "-c", "echo read-only; exit 5"}}});
  const Status set = Set(*plugin, "old", "maint");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(set.error().object, "server web/old");
  EXPECT_THAT(
      set.error().message,
      StartsWith("is maint on every instance now, but this was not made to survive a reload of HAProxy: program "
                 "/bin/sh: ended with exit code 5; it printed: read-only"));
}

TEST_F(HaproxyTest, ThePersistCommandRunsOnceForAllInstances) {
  const std::string log = directory_ / "log";
  const auto plugin =
      Make({one_.address(), two_.address()}, {{"command", {"/bin/sh", "-c", "echo \"$@\" >>" + log, "sh"}}});
  ASSERT_TRUE(Set(*plugin, "old", "maint").ok());
  EXPECT_EQ(ReadText(log), "web old maint \n");
}

TEST_F(HaproxyTest, TcpInstancesNobodyListensOnAreUnavailable) {
  const auto plugin = Make({"tcp:127.0.0.1:1"});
  const auto facts = Describe_(*plugin);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(facts.error().message, HasSubstr("Connection refused"));
}

TEST(HaproxySettings, BadOnesAreRefusedWithWhatToWrite) {
  const auto problem = [](const Json& settings) {
    const auto plugin = HaproxyKind().make(PluginSetup{"lb", settings, nullptr});
    return plugin ? "accepted" : Describe(plugin.error());
  };
  const Json none{{"none", "x"}};
  EXPECT_THAT(problem({{"persist", none}}), StartsWith("lb (haproxy): setting instances: invalid: "));
  EXPECT_THAT(problem({{"instances", {"/run/a.sock"}}, {"persist", none}}), HasSubstr("neither unix: nor tcp:"));
  EXPECT_THAT(problem({{"instances", {"unix:a.sock"}}, {"persist", none}}), HasSubstr("not absolute"));
  EXPECT_THAT(problem({{"instances", {"tcp:lb1"}}, {"persist", none}}), HasSubstr("no host"));
  EXPECT_THAT(problem({{"instances", {"tcp:lb1:99999"}}, {"persist", none}}), HasSubstr("no port"));
  EXPECT_THAT(problem({{"instances", {"unix:/a", "unix:/a"}}, {"persist", none}}), HasSubstr("different addresses"));
  EXPECT_THAT(problem({{"instances", {"unix:/a"}}}), StartsWith("lb (haproxy): setting persist: invalid: "));
  EXPECT_EQ(problem({{"instances", {"unix:/a", "tcp:[::1]:9999"}}, {"persist", none}}), "accepted");
}

}  // namespace
}  // namespace vmferry::haproxy
