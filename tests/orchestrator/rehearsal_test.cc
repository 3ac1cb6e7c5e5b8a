// SPDX-License-Identifier: Apache-2.0
//
// Rehearsals in the engine: everything is tried, everything is undone, and what it took is kept for the plan.
#include "orchestrator/rehearsal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "orchestrator/exit_code.h"
#include "orchestrator/predict.h"
#include "orchestrator/report.h"
#include "runbooks/rehearsal.h"
#include "tests/orchestrator/fake_run.h"

namespace vmferry {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kApi = "customer-analytics-api";

// A run that is a rehearsal; `real` keeps the plan as it was.
class RehearsalRun : public testing::Test {
 protected:
  RehearsalRun() {
    (void)run.world->Change([](WorldData& world) { world.host.networks.emplace_back("nowhere"); });
    Plan& plan = run.submission.wave.plans.at(0);
    plan.application.rehearsal_network = "network:nowhere";
    real = plan;
    Result<Plan> rehearsal = MakeRehearsal(plan);
    EXPECT_TRUE(rehearsal) << Describe(rehearsal.error());
    if (rehearsal) plan = *rehearsal;
    before = Everything();
  }
  // Power, claims, snapshots, domains, volumes and servers.
  std::string Everything() {
    const WorldData world = run.world->Copy();
    std::string text;
    for (const FakeVm& vm : world.vms)
      text += vm.facts.path + " " + vm.facts.power + " " + vm.facts.claim + " " + vm.facts.fence + " " +
              std::to_string(vm.snapshots.size()) + "\n";
    for (const FakeDomain& domain : world.domains) text += domain.spec.domain + " " + domain.state + "\n";
    for (const FakePool& pool : world.pools)
      for (const FakeVolume& volume : pool.volumes) text += pool.name + "/" + volume.name + "\n";
    for (const FakeLbPool& pool : world.load_balancers)
      for (const FakeServer& server : pool.servers)
        for (const auto& [instance, state] : server.instances) text += server.name + " " + state.state + "\n";
    return text;
  }
  void FailCalls(const std::string& name) {
    run.fault = [name](const CallSpec& call, const Json&) {
      return call.name == name ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
    };
  }
  bool IsRehearsedDecision(const Event& event) {
    return event.kind == EventKind::kDecision && event.payload.value("kind", "") == "rehearsed";
  }

  FakeRun run{1};
  Plan real;
  std::string before;
};

TEST_F(RehearsalRun, TriesEverythingAndUndoesIt) {
  ASSERT_TRUE(run.Run());
  const ApplicationState& application = run.Application(kApi);
  EXPECT_EQ(application.phase, Phase::kRolledBack) << application.reason;
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kDone) << RunSummary(run.State(), "", Style{});
  EXPECT_EQ(Everything(), before);
  EXPECT_THAT(RunSummary(run.State(), "", Style{}), HasSubstr("source and target are as before"));
  EXPECT_THAT(RunSummary(run.State(), "", Style{}), HasSubstr(std::string(kApi) + ": rehearsed\n"));
  EXPECT_THAT(RunSummary(run.State(), "", Style{}), Not(HasSubstr("vmferry commit")));
  int started = 0;
  for (const Fact& fact : run.world->Copy().history) {
    EXPECT_NE(fact.effect, "source-off") << "the source was to go on serving";
    EXPECT_NE(fact.effect, "lb") << "traffic was to be left alone";
    EXPECT_NE(fact.effect, "fence");
    started += fact.effect == "target-on" ? 1 : 0;
  }
  EXPECT_EQ(started, 1);
}

TEST_F(RehearsalRun, JournalsWhatItMeasured) {
  ASSERT_TRUE(run.Run());
  Json measured;
  for (const Event& event : run.Events())
    if (IsRehearsedDecision(event)) measured = event.payload["measured"];
  ASSERT_TRUE(measured.is_object());
  EXPECT_EQ(measured["notTried"], (Json{"quiesce_application", "smoke_test", "update_load_balancer"}));
  EXPECT_EQ(measured["bytes"], 4 << 20);
  std::int64_t cutover_ms = 0;
  std::vector<std::string> steps;
  for (const Json& step : measured["steps"]) {
    steps.push_back(step["step"]);
    EXPECT_GE(step["ms"].get<std::int64_t>(), 0);
    const bool counts = step["phase"] == "cutover" && step["step"] != "rehearsal_fingerprint" &&
                        step["step"] != "claim_source (web1)";
    if (counts) cutover_ms += step["ms"].get<std::int64_t>();
  }
  EXPECT_THAT(steps, testing::IsSupersetOf({"final_data_sync", "convert_image", "power_on_target"}));
  EXPECT_EQ(measured["cutoverMs"], cutover_ms);
  EXPECT_EQ(run.State().applications.at(kApi).rehearsed, measured) << "folded anew";
  EXPECT_EQ(run.State().wave["rehearsal"], true);
}

TEST_F(RehearsalRun, WhatFailsIsUndoneAndFails) {
  FailCalls("EnsureRunning");
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kRolledBack);
  EXPECT_EQ(Everything(), before);
  EXPECT_TRUE(run.Application(kApi).rehearsed.is_null());
}

TEST_F(RehearsalRun, APreCheckThatFailsTouchesNothing) {
  FailCalls("DescribeTarget");
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kProblems);
  EXPECT_FALSE(run.Application(kApi).touched);
}

TEST_F(RehearsalRun, ADifferenceIsNamedAndIsNoSuccess) {
  run.on_event = [this](const Event& event, Engine&) {
    if (!IsRehearsedDecision(event)) return;
    (void)run.world->Change([](WorldData& world) { world.vms.front().facts.cpus += 1; });
  };
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack);
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kRolledBack);
  EXPECT_THAT(RunSummary(run.State(), "", Style{}), HasSubstr("/cpus: "));
}

TEST_F(RehearsalRun, AnUndoThatFailsBlocksAndIsTakenUp) {
  FailCalls("EnsureUndefined");
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kRollbackBlocked);
  run.fault = nullptr;
  ASSERT_TRUE(run.Decide("resume", {}));
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kDone) << run.Application(kApi).reason;
  EXPECT_EQ(Everything(), before);
}

TEST_F(RehearsalRun, GoesOnWhereItWasStopped) {
  for (const char* name : {"final_data_sync", "power_on_target"}) {
    FakeRun again(1);
    again.submission = run.submission;
    (void)again.world->Change([](WorldData& world) { world.host.networks.emplace_back("nowhere"); });
    bool stopped = false;
    again.on_event = [&](const Event& event, Engine& engine) {
      if (event.kind != EventKind::kIntent || event.payload.value("name", "") != name) return;
      if (!std::exchange(stopped, true)) engine.RequestStop("the test wants it");
    };
    ASSERT_TRUE(again.Run());
    ASSERT_TRUE(stopped);
    EXPECT_EQ(ExitOf(again.State()), ExitCode::kInterrupted) << name;
    ASSERT_TRUE(again.Decide("resume", {}));
    EXPECT_EQ(ExitOf(again.State()), ExitCode::kDone) << name << ": " << again.Application(kApi).reason;
  }
}

TEST_F(RehearsalRun, ARollbackInMidRehearsalIsNoSuccess) {
  FailCalls("EnsureDefined");
  run.options.max_attempts = 1;
  ASSERT_TRUE(run.Run());
  EXPECT_FALSE(RehearsedWell(run.Application(kApi)));
}

TEST_F(RehearsalRun, TheRealRunMayFollowAndItsPlanKnows) {
  ASSERT_TRUE(run.Run());
  const std::string rehearsal = run.run_id;
  Result<std::optional<Rehearsed>> found = LatestRehearsal(run.journal, real);
  ASSERT_TRUE(found);
  ASSERT_TRUE(*found);
  EXPECT_EQ((*found)->run, rehearsal);
  EXPECT_TRUE((*found)->same_runbook);
  Prediction prediction;
  prediction.plan = &real;
  for (const PlannedStep& step : real.steps) {
    prediction.steps.emplace_back();
    prediction.steps.back().step = &step;
  }
  prediction.rehearsed = **found;
  const std::string text = PredictionText(prediction, false);
  EXPECT_THAT(text, HasSubstr("time without service: about "));
  EXPECT_THAT(text, HasSubstr(", plus quiesce_application, smoke_test and update_load_balancer, which a rehearsal does "
                              "not try"));
  EXPECT_THAT(text, HasSubstr(", when rehearsed\n"));
  EXPECT_THAT(text, HasSubstr("run " + rehearsal));
  EXPECT_EQ(PredictionToJson(prediction)["rehearsed"]["run"], rehearsal);

  run.submission.wave.plans = {real};
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
  real.runbook_text += "# changed\n";
  found = LatestRehearsal(run.journal, real);
  ASSERT_TRUE(found && *found);
  EXPECT_FALSE((*found)->same_runbook);
  run.submission.wave.plans = {*MakeRehearsal(real)};
  EXPECT_FALSE(run.Run()) << "the application is in soak";
}

TEST(Rehearsed, ThereIsNoneInAnEmptyJournal) {
  FakeRun run(1);
  const auto found = LatestRehearsal(run.journal, run.submission.wave.plans.at(0));
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
}

}  // namespace
}  // namespace vmferry
