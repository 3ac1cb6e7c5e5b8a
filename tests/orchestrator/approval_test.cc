// SPDX-License-Identifier: Apache-2.0
//
// What policies make of a run: it waits for approval, whatever happens to the process meanwhile; overrides are in the
// trail; and the audit log is proven before anything begins.
#include <gtest/gtest.h>

#include <algorithm>

#include "orchestrator/exit_code.h"
#include "orchestrator/report.h"
#include "tests/orchestrator/story.h"

namespace vmferry {
namespace {

constexpr const char* kApi = "customer-analytics-api";

PolicyDemands& DemandsOf(FakeRun& run, std::size_t plan = 0) { return run.submission.wave.plans.at(plan).policy; }

void RequireApproval(FakeRun& run, std::size_t plan = 0) {
  DemandsOf(run, plan).in_force.push_back({"strict", std::string(64, '0')});
  DemandsOf(run, plan).approval = {"strict"};
}

int Count(const std::vector<Event>& events, EventKind kind) {
  return static_cast<int>(std::count_if(events.begin(), events.end(), [&](const Event& e) { return e.kind == kind; }));
}

const Event& DecisionOf(const std::vector<Event>& events, const std::string& kind) {
  const auto found = std::find_if(events.begin(), events.end(), [&](const Event& event) {
    return event.kind == EventKind::kDecision && event.payload.value("kind", "") == kind;
  });
  if (found == events.end()) throw std::runtime_error("no decision " + kind);
  return *found;
}

TEST(Approval, ARunRestsBeforeItsCutoverWithNothingTouched) {
  FakeRun run(1);
  RequireApproval(run);
  ASSERT_TRUE(run.Run());
  const ApplicationState& state = run.Application(kApi);
  EXPECT_EQ(state.phase, Phase::kConversion);
  EXPECT_EQ(state.activity, Activity::kHolding);
  EXPECT_EQ(state.holds_for, kForApproval);
  EXPECT_EQ(state.reason, "waits for approval before the cutover, as policy strict requires");
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kWaiting);
  EXPECT_TRUE(run.world->Copy().history.empty());
  const std::string summary = RunSummary(run.State(), "", Style());
  EXPECT_NE(summary.find("vmferry approve " + run.run_id), std::string::npos) << summary;
  EXPECT_NE(summary.find("vmferry reject " + run.run_id), std::string::npos) << summary;
  EXPECT_EQ(RunToJson(run.State())["applications"][0]["holdsFor"], "approval");
}

TEST(Approval, ApprovedItGoesOnAndTheTrailSaysWhoAndWhy) {
  FakeRun run(1);
  RequireApproval(run);
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.Decide("approve", {kApi}));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
  const std::vector<Event> events = run.Events();
  const Event& approval = DecisionOf(events, "approve");
  EXPECT_EQ(approval.actor, "tester");
  EXPECT_EQ(approval.payload.value("reason", ""), "because the test says so");
  EXPECT_EQ(Count(events, EventKind::kHold), 1);
  const Status again = run.Decide("approve", {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message,
            "cannot approve: customer-analytics-api: it does not wait for approval; it is soak since " +
                FormatWallTime(run.Application(kApi).updated_ms));
}

TEST(Approval, RejectedWithNothingTouchedItIsAborted) {
  FakeRun run(1);
  RequireApproval(run);
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.Decide("reject", {}));
  const ApplicationState& state = run.Application(kApi);
  EXPECT_EQ(state.phase, Phase::kAborted);
  EXPECT_EQ(state.reason, "because the test says so");
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kProblems);
  EXPECT_TRUE(run.world->Copy().history.empty());
  EXPECT_EQ(DecisionOf(run.Events(), "reject").actor, "tester");
  ASSERT_TRUE(run.Run()) << "it may be run again";
}

// The claim moves into the pre-checks, as an effect among them would bring it there.
TEST(Approval, RejectedAfterAnEffectItIsRolledBack) {
  FakeRun run(1);
  RequireApproval(run);
  for (PlannedStep& step : run.submission.wave.plans[0].steps)
    if (step.name == "claim_source") step.phase = Phase::kPreChecks;
  Story story(run);
  ASSERT_TRUE(run.Run());
  ASSERT_EQ(run.Application(kApi).activity, Activity::kHolding);
  ASSERT_TRUE(run.Application(kApi).touched);
  ASSERT_TRUE(run.Decide("reject", {}));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << run.Application(kApi).reason;
  EXPECT_EQ(run.Picture(), PictureAt(Phase::kRolledBack, run.machines()));
  for (const std::string& fault : story.Faults()) ADD_FAILURE() << fault;
}

TEST(Approval, AResumeDoesNotApprove) {
  FakeRun run(1);
  RequireApproval(run);
  ASSERT_TRUE(run.Run());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(run.Decide("resume", {}));
    EXPECT_EQ(run.Application(kApi).activity, Activity::kHolding);
    EXPECT_EQ(run.Application(kApi).phase, Phase::kConversion);
  }
  EXPECT_EQ(Count(run.Events(), EventKind::kHold), 1) << "it has never ceased to wait";
  ASSERT_TRUE(run.Decide("approve", {}));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak);
}

TEST(Approval, ARollbackEndsTheWait) {
  FakeRun run(1);
  RequireApproval(run);
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.Decide("rollback", {}));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kAborted);
  EXPECT_TRUE(run.Application(kApi).holds_for.empty());
}

TEST(Approval, NobodyApprovesWhatDoesNotWait) {
  FakeRun run(1);
  run.fault = [](const CallSpec& call, const Json&) {
    return call.name == "EnsurePoweredOn" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.Decide("rollback", {}));
  ASSERT_EQ(run.Application(kApi).activity, Activity::kRollbackBlocked);
  for (const char* kind : {"approve", "reject"}) {
    const Status refused = run.Decide(kind, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  }
}

// The process dies at every append of a run that waits for approval and gets it: before it is stored, and after.
TEST(Approval, ACrashAnywhereNeitherLosesNorGivesTheApproval) {
  FakeRun whole(1);
  RequireApproval(whole);
  ASSERT_TRUE(whole.Run());
  const std::int64_t until_hold = whole.journal.appends();
  ASSERT_TRUE(whole.Decide("approve", {}));
  ASSERT_EQ(whole.Application(kApi).phase, Phase::kSoak);
  const std::int64_t appends = whole.journal.appends();
  ASSERT_GT(appends, until_hold + 10);
  for (const auto fault : {MemoryJournal::Fault::kBeforeStoring, MemoryJournal::Fault::kAfterStoring})
    for (std::int64_t at = 2; at <= until_hold + 4; ++at) {
      SCOPED_TRACE("append " + std::to_string(at) + (fault == MemoryJournal::Fault::kBeforeStoring ? "-" : "+"));
      FakeRun run(1);
      RequireApproval(run);
      run.journal.FailAt(at, fault);
      bool died = !run.Run().ok();
      if (!died) died = !run.Decide("approve", {}).ok();
      ASSERT_TRUE(died);
      run.journal.Restart();
      ASSERT_TRUE(run.Decide("resume", {}));
      const bool approved = run.Application(kApi).approved;
      EXPECT_EQ(approved, run.Application(kApi).phase == Phase::kSoak);
      EXPECT_TRUE(approved || run.world->Copy().history.empty());
      if (!approved) {
        ASSERT_TRUE(run.Decide("approve", {}));
      }
      EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
    }
}

// One at once: the second works while the first waits, and approved ones take turns too.
TEST(Approval, WhatWaitsTakesNobodysTurn) {
  FakeRun run(3, 1);
  for (std::size_t i = 0; i < 3; ++i) RequireApproval(run, i);
  ASSERT_TRUE(run.Run());
  const RunState waiting = run.State();
  for (const auto& [name, state] : waiting.applications) EXPECT_EQ(state.holds_for, kForApproval) << name;
  int at_work = 0;
  int most = 0;
  run.on_event = [&](const Event& event, Engine&) {
    if (event.kind != EventKind::kPhase) return;
    const std::string phase = event.payload.value("phase", "");
    at_work += phase == "cutover" ? 1 : phase == "soak" || phase == "rolled back" ? -1 : 0;
    most = std::max(most, at_work);
  };
  ASSERT_TRUE(run.Decide("approve", {}));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak);
  EXPECT_EQ(run.Application("billing").phase, Phase::kRolledBack) << "it is sick on the target";
  EXPECT_EQ(run.Application("inventory").phase, Phase::kSoak);
  EXPECT_EQ(most, 1);
}

// Approved applications went on one after the other although as many had failed as the wave allows.
TEST(Approval, ApprovedOnesHoldWhenTheWaveHasStoppedUntilTheyAreResumed) {
  FakeRun run(3, 1, 1);
  for (std::size_t i = 0; i < 3; ++i) RequireApproval(run, i);
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.Decide("reject", {kApi}));
  ASSERT_TRUE(run.Decide("approve", {"inventory"}));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kAborted);
  EXPECT_EQ(run.Application("inventory").activity, Activity::kHolding);
  EXPECT_EQ(run.Application("inventory").reason, "the wave stopped after 1 failed application(s)");
  EXPECT_FALSE(run.Application("inventory").touched);
  EXPECT_EQ(run.Application("billing").holds_for, kForApproval);
  ASSERT_TRUE(run.Decide("resume", {"inventory"}));
  EXPECT_EQ(run.Application("inventory").phase, Phase::kSoak) << run.Application("inventory").reason;
}

// What the pre-checks had found days before the approval was taken for true at the cutover.
TEST(Approval, WhatOnlyLookedLooksAgainBeforeTheCutover) {
  FakeRun run(1);
  RequireApproval(run);
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.world->Change([](WorldData& world) {
    world.vms[0].snapshots.push_back({"snap-1", "made while people thought", "", {}});
    ++world.revision;
  }));
  ASSERT_TRUE(run.Decide("approve", {kApi}));
  const ApplicationState& state = run.Application(kApi);
  EXPECT_EQ(state.phase, Phase::kAborted);
  EXPECT_NE(state.reason.find("made while people thought"), std::string::npos) << state.reason;
  EXPECT_FALSE(state.touched);
}

TEST(PolicyOverrides, AreDecisionsOfTheSubmitterInTheTrail) {
  FakeRun run(1);
  DemandsOf(run).in_force.push_back({"strict", std::string(64, '0')});
  DemandsOf(run).overrides.push_back({"strict", "compliance.residency", "the target `kvm` is in no zone"});
  run.submission.reason = "change 4711";
  ASSERT_TRUE(run.Run());
  const std::vector<Event> events = run.Events();
  const Event& decision = DecisionOf(events, "override");
  EXPECT_EQ(decision.actor, "tester");
  EXPECT_EQ(decision.application, kApi);
  EXPECT_EQ(decision.payload, Json({{"kind", "override"},
                                    {"policy", "strict"},
                                    {"clause", "compliance.residency"},
                                    {"violation", "the target `kvm` is in no zone"},
                                    {"reason", "change 4711"}}));
  EXPECT_EQ(decision.epoch, events.front().epoch);
  EXPECT_LT(decision.seq, 4) << "with the first events, before anything else";
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak);
  EXPECT_EQ(run.Application(kApi).reason, "") << "no reason of where it is";
}

TEST(PolicyOverrides, AnAuditLogThatWasChangedBeginsNothing) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run());
  const std::string first = run.run_id;
  ASSERT_TRUE(run.Decide("rollback", {}));
  DemandsOf(run).in_force.push_back({"strict", std::string(64, '0')});
  DemandsOf(run).audit_log = {"strict"};
  ASSERT_TRUE(run.Run()) << "it is whole";
  ASSERT_TRUE(run.Decide("rollback", {}));
  const std::size_t rows = run.journal.rows().size();
  run.journal.rows().at(3).payload += " ";
  const std::string before = run.Picture();
  const Status refused = run.Run();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kDenied);
  EXPECT_NE(refused.error().message.find("policy strict, compliance.immutableAuditLog: the chain of run " + first),
            std::string::npos)
      << refused.error().message;
  EXPECT_EQ(run.journal.rows().size(), rows);
  EXPECT_EQ(run.Picture(), before);
  DemandsOf(run).audit_log.clear();
  EXPECT_TRUE(run.Run()) << "nobody asked";
}

TEST(GpuPolicy, IsCheckedBeforeAnythingIsTouched) {
  FakeRun run(1);
  PlannedStep check;
  check.phase = Phase::kPreChecks;
  check.name = "policy_validated";
  check.workload = "web1";
  check.implicit = true;
  check.deadline = std::chrono::minutes(1);
  check.parameters = {{"policy", "strict"}, {"allowModes", {"vgpu"}}};
  auto& steps = run.submission.wave.plans[0].steps;
  steps.insert(steps.begin(), check);
  const Status changed = run.world->Change([](WorldData& world) {
    world.vms[0].facts.gpus = {{"13000", "PCI device 0", "passthrough", "0000:3b:00.0"}};
    ++world.revision;
  });
  ASSERT_TRUE(changed);
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kAborted);
  EXPECT_NE(run.Application(kApi).reason.find("PCI device 0 (0000:3b:00.0) has mode passthrough"), std::string::npos)
      << run.Application(kApi).reason;
  EXPECT_TRUE(run.world->Copy().history.empty());
  steps.front().parameters["overridden"] = true;
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
}

// With `retireSource: true` the plan ends in this step.
void RetireTheSource(FakeRun& run) {
  PlannedStep retire = run.submission.wave.plans.at(0).steps.back();
  ASSERT_EQ(retire.name, "release_source");
  retire.name = "retire_source";
  retire.needs_approval = true;
  ++retire.ordinal;
  run.submission.wave.plans.at(0).steps.push_back(retire);
}

TEST(Retirement, TheSourceStaysInTheInventoryUntilThatIsApproved) {
  FakeRun run(1);
  RetireTheSource(run);
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.Decide("commit", {}));
  EXPECT_EQ(run.Application(kApi).holds_for, kForRetirement);
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kWaiting);
  EXPECT_EQ(run.world->Copy().vms.size(), 1u);
  EXPECT_NE(RunSummary(run.State(), "", Style()).find("retire the source: vmferry approve"), std::string::npos);
  ASSERT_TRUE(run.Decide("approve", {}));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kCommitted) << run.Application(kApi).reason;
  EXPECT_TRUE(run.world->Copy().vms.empty());
  for (const Event& event : run.Events())
    if (event.kind == EventKind::kOutcome && event.payload.value("name", "") == "retire_source") {
      EXPECT_EQ(event.payload["facts"]["disks"].size(), 2u) << "where to register it again from";
    }
}

TEST(Retirement, RejectedTheSourceStaysAndTheRunIsCommitted) {
  FakeRun run(1);
  RetireTheSource(run);
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.Decide("commit", {}));
  ASSERT_TRUE(run.Decide("reject", {}));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kCommitted);
  EXPECT_EQ(run.world->Copy().vms.size(), 1u);
  EXPECT_EQ(run.Picture(), PictureAt(Phase::kCommitted, 1));
}

TEST(Retirement, ASourceThatSomebodyChangedIsNotRetired) {
  FakeRun run(1);
  RetireTheSource(run);
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.Decide("commit", {}));
  ASSERT_TRUE(run.world->Change([](WorldData& world) {
    world.vms.at(0).facts.migrated = "another run";
    ++world.revision;
  }));
  ASSERT_TRUE(run.Decide("approve", {}));
  EXPECT_EQ(run.Application(kApi).activity, Activity::kNeedsOperator);
  EXPECT_EQ(run.world->Copy().vms.size(), 1u);
}

}  // namespace
}  // namespace vmferry
