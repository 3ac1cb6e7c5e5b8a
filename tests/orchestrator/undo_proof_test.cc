// SPDX-License-Identifier: Apache-2.0
//
// Rollback rehearsed: a run whose way back is not proved does not begin its cutover, unless its submitter passes over that.
#include <gtest/gtest.h>

#include <algorithm>

#include "orchestrator/exit_code.h"
#include "steps/undo_proof.h"
#include "tests/orchestrator/story.h"

namespace vmferry {
namespace {

constexpr const char* kApi = "customer-analytics-api";

PlannedStep& ProofOf(FakeRun& run) {
  std::vector<PlannedStep>& steps = run.submission.wave.plans.at(0).steps;
  return *std::find_if(steps.begin(), steps.end(), [](const PlannedStep& step) { return step.name == kUndoProven; });
}

void LackPrivilege(FakeRun& run) {
  ASSERT_TRUE(run.world->Change([](WorldData& world) {
    world.vms[0].lacking = {"VirtualMachine.Interact.PowerOn"};
    ++world.revision;
  }));
}

const Json& FactsOf(const ApplicationState& state) {
  for (const auto& [index, step] : state.steps)
    if (step.name == kUndoProven) return step.facts;
  throw std::runtime_error("no step undo_proven");
}

TEST(UndoProven, IsTheLastStepBeforeTheCutover) {
  for (const Example example : kExamples) {
    FakeRun run(example);
    const std::vector<PlannedStep>& steps = run.submission.wave.plans.at(0).steps;
    const auto cutover = std::find_if(steps.begin(), steps.end(),
                                      [](const PlannedStep& step) { return step.phase == Phase::kCutover; });
    ASSERT_NE(cutover, steps.begin());
    const PlannedStep& last = *std::prev(cutover);
    EXPECT_EQ(last.name, kUndoProven) << NameOf(example);
    EXPECT_LT(last.phase, Phase::kCutover);
    EXPECT_TRUE(last.implicit);
    std::size_t effects = 0;
    for (const PlannedStep& step : steps) effects += step.effect && step.phase != Phase::kCommit ? 1 : 0;
    EXPECT_EQ(last.parameters["effects"].size(), effects);
  }
}

TEST(UndoProven, WhatIsProvedIsInTheTrail) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run());
  const ApplicationState& state = run.Application(kApi);
  ASSERT_EQ(state.phase, Phase::kSoak) << state.reason;
  EXPECT_EQ(FactsOf(state)["notProven"], 0);
  EXPECT_EQ(FactsOf(state)["windowMs"], 5400000);
  EXPECT_FALSE(FactsOf(state)["undos"].empty());
}

TEST(UndoProven, ARunWhoseWayBackIsNotProvedTouchesNothing) {
  FakeRun run(1);
  LackPrivilege(run);
  ASSERT_TRUE(run.Run());
  const ApplicationState& state = run.Application(kApi);
  EXPECT_EQ(state.phase, Phase::kAborted);
  EXPECT_FALSE(state.touched);
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kProblems);
  EXPECT_NE(state.reason.find("undo of quiesce_application, VM web1"), std::string::npos) << state.reason;
  EXPECT_NE(state.reason.find("lacks the privileges VirtualMachine.Interact.PowerOn"), std::string::npos);
  EXPECT_TRUE(run.world->Copy().history.empty());
}

TEST(UndoProven, WhatDoesNotPassWithinAMinuteEndsTheRunWithItsReason) {
  FakeRun run(1);
  TickingClock clock;
  run.UseClock(clock);
  ASSERT_TRUE(run.world->Change([](WorldData& world) {
    world.guests["web1"].sick_on_source = true;
    ++world.revision;
  }));
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kAborted);
  EXPECT_NE(run.Application(kApi).reason.find("the way back would wait for it in vain"), std::string::npos)
      << run.Application(kApi).reason;
}

TEST(UndoProven, WhatWasTouchedBeforeIsTakenBack) {
  FakeRun run(Example::kInFull);
  TickingClock clock;
  clock.tick_ms = TickOf(Example::kInFull);
  run.UseClock(clock);
  const std::string before = run.Picture();
  LackPrivilege(run);
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << run.Application(kApi).reason;
  EXPECT_EQ(run.Picture(), before) << "the TTL and the claims are as they were";
}

TEST(UndoProven, AWindowThatIsTooShortIsNoWayBack) {
  FakeRun run(1);
  ProofOf(run).parameters["windowMs"] = 60000;
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kAborted);
  EXPECT_NE(run.Application(kApi).reason.find("longer than rollbackWindowMinutes (1m)"), std::string::npos)
      << run.Application(kApi).reason;
}

TEST(UndoProven, PassedOverItGoesOnAndSaysWhatWasNotProved) {
  FakeRun run(1);
  LackPrivilege(run);
  ProofOf(run).parameters["overridden"] = true;
  run.submission.wave.plans.at(0).policy.overrides.push_back({"", std::string(kUndoProven), "let through"});
  run.submission.reason = "change 4711";
  ASSERT_TRUE(run.Run());
  const ApplicationState& state = run.Application(kApi);
  EXPECT_EQ(state.phase, Phase::kSoak) << state.reason;
  EXPECT_EQ(FactsOf(state)["notProven"], 1);
  const std::vector<Event> events = run.Events();
  const auto decision = std::find_if(events.begin(), events.end(), [](const Event& event) {
    return event.kind == EventKind::kDecision && event.payload.value("kind", "") == "override";
  });
  ASSERT_NE(decision, events.end());
  EXPECT_EQ(decision->payload["clause"], kUndoProven);
  EXPECT_EQ(decision->payload["reason"], "change 4711");
}

TEST(UndoProven, IsLookedAtAgainAfterAnApproval) {
  FakeRun run(1);
  run.submission.wave.plans.at(0).policy.approval = {"strict"};
  ASSERT_TRUE(run.Run());
  ASSERT_EQ(run.Application(kApi).activity, Activity::kHolding) << run.Application(kApi).reason;
  LackPrivilege(run);
  ASSERT_TRUE(run.Decide("approve", {kApi}));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kAborted);
  EXPECT_NE(run.Application(kApi).reason.find("undo of quiesce_application"), std::string::npos);
}

}  // namespace
}  // namespace vmferry
