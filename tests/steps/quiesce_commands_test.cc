// SPDX-License-Identifier: Apache-2.0
//
// quiesce_application with programs of the site: every combination of drain, command and guest shutdown ends off and
// fenced, a command that fails is treated as declared, and the way back starts what was stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stage.h"
#include "steps/contradictions.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class QuiesceCommands : public testing::Test {
 protected:
  QuiesceCommands() {
    stage.PlayUntil("quiesce_application");
    life = stage.LifeOf(step);
  }
  void Program(const std::string& service, const std::function<void(FakeProgram&)>& change) {
    stage.Change([&](WorldData& world) { change(world.programs.known[service]); });
  }
  Progress Run(const std::string& on_refusal) {
    life.parameters["onRefusal"] = on_refusal;
    Result<Progress> end = stage.Finish(step, life);
    EXPECT_TRUE(end) << Describe(end.error());
    return end ? *end : Progress();
  }
  Result<Progress> TryUndo() {
    life.elapsed = milliseconds(0);
    return stage.Finish(step, life, true);
  }
  void Undo() {
    const Result<Progress> end = TryUndo();
    ASSERT_TRUE(end) << Describe(end.error());
    ASSERT_EQ(end->state, Progress::State::kDone);
  }
  std::vector<std::string> Effects() {
    std::vector<std::string> effects;
    for (const Fact& fact : stage.Look().history) {
      std::string object = fact.object.substr(fact.object.rfind('/') + 1);
      if (fact.effect == "lb") object += " " + fact.detail["state"].get<std::string>();
      effects.push_back(fact.effect + " " + object);
    }
    return effects;
  }
  std::ptrdiff_t Count(const std::string& effect) {
    const std::vector<std::string> effects = Effects();
    return std::count(effects.begin(), effects.end(), effect);
  }
  // The last time it happened.
  std::ptrdiff_t Place(const std::string& effect) {
    const std::vector<std::string> effects = Effects();
    const auto place = std::find(effects.rbegin(), effects.rend(), effect);
    EXPECT_NE(place, effects.rend()) << effect << " in " << testing::PrintToString(effects);
    return effects.rend() - place;
  }
  void ExpectOffAndFenced() {
    for (const char* name : {"web1", "db1"}) {
      const FakeVm vm = stage.Vm(name);
      EXPECT_EQ(vm.facts.power, "off") << name;
      EXPECT_FALSE(vm.facts.nics[0].start_connected) << name;
      EXPECT_NE(vm.facts.fence, "") << name;
    }
  }

  const Step& step = *FindStep("quiesce_application");
  Stage stage;
  Life life;
};

TEST_F(QuiesceCommands, TheCommandRunsOnceBetweenTheDrainAndTheShutdown) {
  EXPECT_EQ(Run("rollBack").state, Progress::State::kDone);
  EXPECT_EQ(Count("command-begun stop-app"), 1);
  EXPECT_LT(Place("lb vmware maint"), Place("command-begun stop-app"));
  EXPECT_LT(Place("command-begun stop-app"), Place("shutdown-asked web1"));
  EXPECT_EQ(life.facts["stopCommand"]["output"], "stopped");
  EXPECT_TRUE(stage.Look().programs.runs.empty()) << "the service forgets it";
  ExpectOffAndFenced();
}

// Any combination of the three, and back.
TEST_F(QuiesceCommands, EveryCombinationEndsOffAndFencedAndComesBack) {
  const Json all = life.parameters;
  for (const bool drain : {true, false})
    for (const bool command : {true, false})
      for (const char* shutdown : {"yes", "no"}) {
        if (!command && std::string(shutdown) == "no") continue;  // refused, below
        SCOPED_TRACE(std::to_string(drain) + std::to_string(command) + shutdown);
        Stage other;
        other.Resume(stage);
        const Json before = Picture(other.Look());
        life = other.LifeOf(step);
        life.parameters["guestShutdown"] = shutdown;
        if (!drain)
          for (const char* name : {"loadBalancer", "pool", "sourceServer"}) life.parameters.erase(name);
        if (!command)
          for (const char* name : {"stopCommand", "startCommand"}) life.parameters.erase(name);
        const Result<Progress> end = other.Finish(step, life);
        ASSERT_TRUE(end) << Describe(end.error());
        ASSERT_EQ(end->state, Progress::State::kDone);
        const WorldData world = other.Look();
        for (const FakeVm& vm : world.vms) {
          EXPECT_EQ(vm.facts.power, "off");
          EXPECT_NE(vm.facts.fence, "");
        }
        EXPECT_EQ(other.Server("vmware").state, drain ? "maint" : "ready");
        EXPECT_EQ(world.programs.application_stopped, command);
        const bool asked = std::any_of(world.history.begin(), world.history.end(),
                                       [](const Fact& fact) { return fact.effect == "shutdown-asked"; });
        EXPECT_EQ(asked, std::string(shutdown) == "yes");
        life.elapsed = milliseconds(0);
        const Result<Progress> back = other.Finish(step, life, true);
        ASSERT_TRUE(back) << Describe(back.error());
        EXPECT_EQ(Picture(other.Look()), before);
      }
}

TEST_F(QuiesceCommands, WithoutShutdownTheVmsArePoweredOff) {
  life.parameters["guestShutdown"] = "no";
  EXPECT_EQ(Run("rollBack").state, Progress::State::kDone);
  EXPECT_EQ(Count("shutdown-asked web1"), 0);
  EXPECT_EQ(life.facts["workloads"]["web1"]["guestShutdown"], "no");
  EXPECT_EQ(life.facts["workloads"]["web1"]["forced"], false);
  EXPECT_LT(Place("command-begun stop-app"), Place("source-off web1"));
  ExpectOffAndFenced();
}

TEST_F(QuiesceCommands, WithoutShutdownACommandIsNeeded) {
  life.parameters.erase("stopCommand");
  life.parameters["guestShutdown"] = "no";
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(end.error().message, HasSubstr("would cut the power of a working application"));
  EXPECT_EQ(stage.Vm("web1").facts.power, "on");
  EXPECT_EQ(Contradictions("quiesce_application", life.parameters).size(), 1u);
  life.parameters["stopCommand"] = "stop-app";
  EXPECT_TRUE(Contradictions("quiesce_application", life.parameters).empty());
}

TEST_F(QuiesceCommands, AFailedCommandRollsBackWhenDeclared) {
  const Json before = Picture(stage.Look());
  Program("stop-app", [](FakeProgram& program) { program.exit_code = 3, program.output = "orders are open"; });
  const Progress end = Run("rollBack");
  EXPECT_EQ(end.state, Progress::State::kRollBack);
  EXPECT_THAT(end.why, HasSubstr("stopCommand: exit code 3: orders are open"));
  EXPECT_EQ(Count("shutdown-asked web1"), 0) << "the guests were not touched";
  Undo();
  EXPECT_EQ(Picture(stage.Look()), before);
  EXPECT_EQ(Count("command-begun start-app"), 1) << "it may have stopped a part";
}

TEST_F(QuiesceCommands, AFailedCommandHoldsWhenDeclaredAndRunsAgainWhenResumed) {
  Program("stop-app", [](FakeProgram& program) { program.exit_code = 3; });
  const Progress held = Run("hold");
  EXPECT_EQ(held.state, Progress::State::kHold);
  EXPECT_THAT(held.why, HasSubstr("resume to run it again"));
  EXPECT_EQ(stage.Vm("web1").facts.power, "on");
  Program("stop-app", [](FakeProgram& program) { program.exit_code = 0; });
  life.elapsed = milliseconds(0);
  EXPECT_EQ(Run("hold").state, Progress::State::kDone);
  EXPECT_EQ(Count("command-begun stop-app"), 2);
  ExpectOffAndFenced();
}

TEST_F(QuiesceCommands, AFailedCommandIsPassedOverWhenForced) {
  Program("stop-app", [](FakeProgram& program) { program.exit_code = 3; });
  EXPECT_EQ(Run("force").state, Progress::State::kDone);
  EXPECT_EQ(Count("command-begun stop-app"), 1);
  EXPECT_THAT(life.facts["stopCommand"]["failed"].get<std::string>(), HasSubstr("exit code 3"));
  EXPECT_TRUE(stage.Look().programs.runs.empty());
  ExpectOffAndFenced();
}

TEST_F(QuiesceCommands, ACommandThatDoesNotEndIsEndedAndAFailure) {
  Program("stop-app", [](FakeProgram& program) { program.polls = 1000; });
  const Progress end = Run("rollBack");
  EXPECT_EQ(end.state, Progress::State::kRollBack);
  EXPECT_THAT(end.why, HasSubstr("did not end within 1m"));
  EXPECT_GE(life.elapsed, milliseconds(60000));
  Undo();
  EXPECT_EQ(Count("command-stopped stop-app"), 1);
}

TEST_F(QuiesceCommands, ACommandWhoseEndIsNotKnownIsAFailureAndNotRunAgain) {
  Program("stop-app", [](FakeProgram& program) { program.fate = "lost", program.output = "the connection broke"; });
  const Progress end = Run("rollBack");
  EXPECT_EQ(end.state, Progress::State::kRollBack);
  EXPECT_THAT(end.why, HasSubstr("lost: the connection broke"));
  EXPECT_EQ(Count("command-begun stop-app"), 1);
}

TEST_F(QuiesceCommands, ACommandThatTheServiceForgotIsNotRunAgain) {
  Program("stop-app", [](FakeProgram& program) { program.polls = 20; });
  while (Count("command-begun stop-app") == 0) ASSERT_TRUE(stage.Round(step, life));
  stage.Change([](WorldData& world) { world.programs.runs.clear(); });
  const Progress end = Run("rollBack");
  EXPECT_EQ(end.state, Progress::State::kRollBack);
  EXPECT_THAT(end.why, HasSubstr("knows nothing of the run any more"));
  EXPECT_EQ(Count("command-begun stop-app"), 1);
}

TEST_F(QuiesceCommands, AHostThatCannotBeReachedIsTriedUntilTheDeadline) {
  Program("stop-app", [](FakeProgram& program) { program.fate = "refused", program.output = "no route to host"; });
  const Progress end = Run("rollBack");
  EXPECT_EQ(end.state, Progress::State::kRollBack);
  EXPECT_THAT(end.why, HasSubstr("refused: no route to host"));
  EXPECT_GE(life.elapsed, milliseconds(60000));
  EXPECT_EQ(Count("command-begun stop-app"), 0);
}

TEST_F(QuiesceCommands, TheWayBackStartsTheApplicationBeforeItsHealthIsAsked) {
  Run("rollBack");
  bool started = false;
  stage.BeforeCalls([&](const CallSpec& call) {
    if (call.name == "BeginRun") started = true;
    if (call.name == "Probe") {
      EXPECT_TRUE(started);
    }
  });
  Undo();
  EXPECT_LT(Place("source-on web1"), Place("command-begun start-app"));
  EXPECT_LT(Place("command-begun start-app"), Place("lb vmware ready"));
  EXPECT_EQ(Count("command-begun start-app"), 1);
  EXPECT_FALSE(stage.Look().programs.application_stopped);
}

TEST_F(QuiesceCommands, AStartThatFailsBlocksTheRollbackAndIsRunAgainByARepeat) {
  Run("rollBack");
  Program("start-app", [](FakeProgram& program) { program.exit_code = 1, program.output = "no license"; });
  const Result<Progress> blocked = TryUndo();
  ASSERT_FALSE(blocked);
  EXPECT_THAT(blocked.error().message, HasSubstr("exit code 1: no license"));
  EXPECT_THAT(blocked.error().advice, HasSubstr("repeat the rollback"));
  EXPECT_NE(stage.Server("vmware").state, "ready") << "nobody is sent to an application that does not run";
  Program("start-app", [](FakeProgram& program) { program.exit_code = 0; });
  Undo();
  EXPECT_EQ(Count("command-begun start-app"), 2);
  EXPECT_EQ(stage.Server("vmware").state, "ready");
}

TEST_F(QuiesceCommands, WhatWasNeverStoppedIsNotStarted) {
  stage.Change([](WorldData& world) { world.load_balancers[0].servers[0].sessions_stay = true; });
  for (int round = 0; round < 4; ++round) ASSERT_TRUE(stage.Round(step, life));  // still draining
  ASSERT_EQ(Count("command-begun stop-app"), 0);
  Undo();
  EXPECT_EQ(Count("command-begun start-app"), 0);
}

// The way back also waited for a health that nobody had.
TEST_F(QuiesceCommands, WhatWasOffBeforeIsNeitherStoppedNorStarted) {
  stage.Change([](WorldData& world) {
    for (FakeVm& vm : world.vms) vm.facts.power = "off";
  });
  Run("rollBack");
  ExpectOffAndFenced();
  Undo();
  EXPECT_EQ(Count("command-begun stop-app"), 0);
  EXPECT_EQ(Count("command-begun start-app"), 0);
}

// What still stops the application would stop it again once it is back.
TEST_F(QuiesceCommands, TheWayBackWaitsForAStopThatStillRuns) {
  const Json before = Picture(stage.Look());
  Program("stop-app", [](FakeProgram& program) { program.polls = 8; });
  while (Count("command-begun stop-app") == 0) ASSERT_TRUE(stage.Round(step, life));
  Undo();
  EXPECT_EQ(Count("command-stopped stop-app"), 0) << "it ended by itself";
  EXPECT_EQ(Count("command-begun start-app"), 1);
  EXPECT_EQ(Picture(stage.Look()), before);
}

TEST_F(QuiesceCommands, TheDryRunTellsTheOrder) {
  Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  EXPECT_TRUE(forecast->problems.empty());
  const std::size_t drain = forecast->will.find("drain server"), stop = forecast->will.find("run stop-app (");
  const std::size_t shut = forecast->will.find("shut down VM");
  EXPECT_LT(drain, stop) << forecast->will;
  EXPECT_LT(stop, shut) << forecast->will;
  EXPECT_THAT(forecast->will, HasSubstr("at most 1m, and if it fails roll back"));
  const std::size_t start = forecast->undo.find("run start-app (");
  EXPECT_LT(forecast->undo.find("power on VM"), start) << forecast->undo;
  EXPECT_LT(start, forecast->undo.find("server shop/vmware ready again, last")) << forecast->undo;
  life.parameters["guestShutdown"] = "no";
  forecast = stage.Predict(step, life);
  EXPECT_THAT(forecast->will, HasSubstr("power off VM /DC0/vm/web1 (on) without asking its guest"));
}

}  // namespace
}  // namespace vmferry
