// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decide.h"

#include <gtest/gtest.h>

namespace vmferry {
namespace {

PlannedStep Planned(Phase phase, const std::string& name, bool effect) {
  PlannedStep step;
  step.phase = phase;
  step.name = name;
  step.effect = effect;
  return step;
}

// A check, a claim, a switch that moves traffic, and a merge past which nothing goes back.
Plan FourSteps() {
  Plan plan;
  plan.application.name = "app";
  plan.steps = {Planned(Phase::kPreChecks, "check", false), Planned(Phase::kCutover, "claim", true),
                Planned(Phase::kCutover, "switch", true), Planned(Phase::kCommit, "merge", true)};
  plan.steps[2].moves_traffic = true;
  plan.steps[3].point_of_no_return = true;
  return plan;
}

// Events of one application, folded as they come.
class Story {
 public:
  Story& Tell(EventKind kind, int step, Json payload) {
    Event event;
    event.seq = ++seq_;
    event.run = "r";
    event.application = "app";
    event.kind = kind;
    event.step = step;
    event.attempt = 1;
    event.at.wall_ms = seq_ * 1000;
    event.payload = std::move(payload);
    Fold(run_, event);
    return *this;
  }
  Story& Phase(const std::string& name) { return Tell(EventKind::kPhase, -1, {{"phase", name}}); }
  Story& Intent(int step, bool effect) {
    return Tell(EventKind::kIntent, step, {{"key", "k"}, {"effect", effect}, {"before", {{"was", step}}}});
  }
  Story& Done(int step) { return Tell(EventKind::kOutcome, step, {{"result", "done"}}); }
  Story& Failed(int step) {
    return Tell(EventKind::kOutcome, step, {{"result", "failed"}, {"error", {{"kind", "invalid"}, {"message", "no"}}}});
  }
  Story& Undone(int step) {
    Tell(EventKind::kUndoIntent, step, {{"key", "k"}});
    return Tell(EventKind::kUndoOutcome, step, {{"result", "done"}});
  }
  Story& Decision(const std::string& kind) { return Tell(EventKind::kDecision, -1, {{"kind", kind}}); }
  Command Next() { return Decide(FourSteps(), run_.applications["app"], 1000000); }
  const ApplicationState& state() { return run_.applications["app"]; }

 private:
  RunState run_;
  std::int64_t seq_ = 0;
};

TEST(Decide, APlannedApplicationEntersItsPreChecks) {
  const Command next = Story().Next();
  EXPECT_EQ(next.kind, Command::Kind::kEnterPhase);
  EXPECT_EQ(next.phase, Phase::kPreChecks);
}

TEST(Decide, AFailedCheckAbortsWithNothingTouched) {
  const Command next = Story().Phase("pre-checks").Intent(0, false).Failed(0).Next();
  EXPECT_EQ(next.kind, Command::Kind::kEnterPhase);
  EXPECT_EQ(next.phase, Phase::kAborted);
  EXPECT_NE(next.reason.find("check: invalid: no"), std::string::npos) << next.reason;
}

TEST(Decide, AFailureAfterAnEffectRollsBack) {
  const Command next = Story().Phase("cutover").Intent(1, true).Done(1).Intent(2, true).Failed(2).Next();
  EXPECT_EQ(next.kind, Command::Kind::kRollBack);
}

TEST(Decide, UndoRunsInReverseOrderAndIncludesWhatFailedHalfway) {
  Story story;
  story.Phase("cutover").Intent(1, true).Done(1).Intent(2, true).Failed(2).Decision("rollback");
  EXPECT_EQ(story.Next().kind, Command::Kind::kUndoStep);
  EXPECT_EQ(story.Next().step, 2);
  EXPECT_EQ(story.Undone(2).Next().step, 1);
  const Command end = story.Undone(1).Next();
  EXPECT_EQ(end.kind, Command::Kind::kEnterPhase);
  EXPECT_EQ(end.phase, Phase::kRolledBack);
}

TEST(Decide, WhatWasFoundIsNeverUndone) {
  Story story;
  story.Phase("cutover").Tell(EventKind::kFound, 1, {{"evidence", {{"so", true}}}}).Intent(2, true).Done(2);
  story.Decision("rollback").Undone(2);
  EXPECT_EQ(story.Next().kind, Command::Kind::kEnterPhase);
  EXPECT_EQ(story.Next().phase, Phase::kRolledBack);
}

TEST(Decide, ARollbackBeforeAnyEffectIsAnAbort) {
  const Command next = Story().Phase("pre-checks").Intent(0, false).Decision("rollback").Next();
  EXPECT_EQ(next.phase, Phase::kAborted);
}

TEST(Decide, SoakRestsUntilSomebodyCommits) {
  Story story;
  story.Phase("soak");
  EXPECT_EQ(story.Next().kind, Command::Kind::kRest);
  EXPECT_EQ(story.Decision("commit").Next().phase, Phase::kCommit);
}

TEST(Decide, PastThePointOfNoReturnAFailureHoldsAndCallsAPerson) {
  const Command next = Story().Phase("commit").Intent(3, true).Failed(3).Next();
  EXPECT_EQ(next.kind, Command::Kind::kHold);
  EXPECT_EQ(next.activity, Activity::kNeedsOperator);
}

TEST(Decide, ARetryWaitsForItsTime) {
  Story story;
  story.Phase("cutover").Intent(1, true).Tell(
      EventKind::kOutcome, 1,
      {{"result", "retry"}, {"retry_at_ms", 2000000}, {"error", {{"kind", "unavailable"}, {"message", "busy"}}}});
  EXPECT_EQ(story.Next().kind, Command::Kind::kWaitUntil);
  EXPECT_EQ(Decide(FourSteps(), story.state(), 2000000).kind, Command::Kind::kRunStep);
}

TEST(Decide, ABlockedRollbackRestsAndResumesWhereItWas) {
  Story story;
  story.Phase("cutover").Intent(1, true).Done(1).Decision("rollback");
  story.Tell(EventKind::kUndoIntent, 1, {{"key", "k"}});
  story.Tell(EventKind::kUndoOutcome, 1, {{"result", "failed"}, {"error", {{"kind", "denied"}}}});
  story.Tell(EventKind::kHold, -1, {{"activity", "rollback blocked"}, {"why", "denied"}});
  EXPECT_EQ(story.Next().kind, Command::Kind::kRest);
  EXPECT_EQ(story.Decision("resume").Next().kind, Command::Kind::kUndoStep);
}

TEST(Decide, APolicyThatWantsApprovalHoldsBeforeTheCutover) {
  Plan plan = FourSteps();
  plan.policy.approval = {"strict", "stricter"};
  Story story;
  story.Phase("pre-checks").Intent(0, false).Done(0).Phase("conversion");
  const Command hold = Decide(plan, story.state(), 0);
  EXPECT_EQ(hold.kind, Command::Kind::kHold);
  EXPECT_EQ(hold.activity, Activity::kHolding);
  EXPECT_EQ(hold.holds_for, kForApproval);
  EXPECT_NE(hold.reason.find("strict, stricter"), std::string::npos) << hold.reason;
  story.Tell(EventKind::kHold, -1, {{"activity", "holding"}, {"why", "so"}, {"for", "approval"}});
  EXPECT_EQ(Decide(plan, story.state(), 0).kind, Command::Kind::kRest);
  story.Decision("resume");
  EXPECT_EQ(Decide(plan, story.state(), 0).kind, Command::Kind::kRest) << "a resume is no approval";
  story.Decision("approve");
  EXPECT_EQ(Decide(plan, story.state(), 0).step, 0) << "the check looks again";
  story.Intent(0, false).Done(0);
  EXPECT_EQ(Decide(plan, story.state(), 0).phase, Phase::kConversion);
  story.Phase("conversion");
  EXPECT_EQ(Decide(plan, story.state(), 0).phase, Phase::kCutover);
}

// A hold of an older journal says nothing of what it is for.
TEST(Fold, AHoldForNothingInParticularEndsWithAResume) {
  Story story;
  story.Phase("cutover").Tell(EventKind::kHold, -1, {{"activity", "holding"}, {"why", "so"}});
  EXPECT_EQ(story.state().holds_for, "");
  EXPECT_EQ(story.Decision("resume").state().activity, Activity::kWorking);
}

TEST(Fold, AnOverrideChangesNothing) {
  Story story;
  story.Phase("pre-checks").Tell(EventKind::kDecision, -1, {{"kind", "override"}, {"reason", "must"}});
  EXPECT_EQ(story.state().activity, Activity::kWorking);
  EXPECT_EQ(story.state().reason, "");
}

TEST(Decide, BackOffDoublesUpToHalfAMinute) {
  EXPECT_EQ(RetryAt(1, 0), 1000);
  EXPECT_EQ(RetryAt(2, 0), 2000);
  EXPECT_EQ(RetryAt(5, 0), 16000);
  EXPECT_EQ(RetryAt(9, 0), 30000);
}

TEST(Fold, TheBeforeImageOfTheFirstAttemptIsKept) {
  Story story;
  story.Intent(1, true);
  story.Tell(EventKind::kIntent, 1, {{"key", "k"}, {"effect", true}, {"before", "changed by attempt 1"}});
  EXPECT_EQ(story.state().steps.at(1).before, Json({{"was", 1}}));
}

TEST(Fold, AnUndoRaisesTheGenerationAndForgetsTheKey) {
  Story story;
  story.Intent(1, true).Done(1).Undone(1);
  EXPECT_EQ(story.state().steps.at(1).generation, 1);
  EXPECT_TRUE(story.state().steps.at(1).key.empty());
}

TEST(Fold, TheTargetServedOnceASwitchWasIntended) {
  Story story;
  story.Intent(1, true).Done(1);
  EXPECT_FALSE(TargetServed(FourSteps(), story.state()));
  story.Intent(2, true).Undone(2);
  EXPECT_TRUE(TargetServed(FourSteps(), story.state()));
}

}  // namespace
}  // namespace vmferry
