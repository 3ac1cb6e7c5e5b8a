// SPDX-License-Identifier: Apache-2.0
//
// What every step of the catalogue promises (steps/step.h), tried on the fake world. A new step takes part by being in
// the catalogue and in Stage::Script.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "stage.h"

namespace vmferry {
namespace {

constexpr int kMostRounds = 40;
constexpr int kMostCalls = 120;

// How often a step that waits for a worker asks is a matter of timing; every other step's calls must all be tried.
bool WaitsForWorkers(const Step& step) {
  return step.spec().name == "final_data_sync" || step.spec().name == "convert_image" ||
         step.spec().name == "validate_guest_tools_and_drivers";
}

bool IsCheck(const StepSpec& spec) {
  return !spec.effect;
}
bool IsUndoable(const StepSpec& spec) {
  return spec.effect && !spec.point_of_no_return;
}
bool IsFinal(const StepSpec& spec) {
  return spec.point_of_no_return;
}

std::vector<std::string> StepNames(bool (*which)(const StepSpec&) = nullptr) {
  std::vector<std::string> names;
  for (const Step* step : AllSteps())
    if (which == nullptr || which(step->spec())) names.push_back(step->spec().name);
  return names;
}

std::string WorkloadOf(const Step& step) {
  return step.spec().scope == Scope::kWorkload ? "web1" : "";
}

// The world as it is before the step, made once for each step.
Stage& StageBefore(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Stage>> stages;
  std::unique_ptr<Stage>& stage = stages[name];
  if (!stage) {
    stage = std::make_unique<Stage>();
    stage->PlayUntil(name);
  }
  return *stage;
}

class StepContract : public testing::TestWithParam<std::string> {
 protected:
  const Step& step() const { return *FindStep(GetParam()); }
  bool effect() const { return step().spec().effect; }
  // Sealed copies stay when their maker is undone, so the world is compared without them.
  Json Before() { return Picture(StageBefore(GetParam()).Look(), true); }
  std::unique_ptr<Stage> NewStage() {
    auto stage = std::make_unique<Stage>();
    stage->Resume(StageBefore(GetParam()));
    return stage;
  }
  Life NewLife(Stage& stage) { return stage.LifeOf(step(), WorkloadOf(step())); }
  void FinishWell(Stage& stage, Life& life, bool undo = false) {
    const Result<Progress> end = stage.Finish(step(), life, undo);
    ASSERT_TRUE(end) << Describe(end.error());
    ASSERT_EQ(end->state, Progress::State::kDone) << end->why;
    EXPECT_FALSE(end->facts.is_null());
  }
  void Undo(Stage& stage, Life& life) {
    life.elapsed = std::chrono::milliseconds(0);
    FinishWell(stage, life, true);
  }
};

class CheckContract : public StepContract {};     // steps that only look
class UndoableContract : public StepContract {};  // effects before the point of no return
class FinalContract : public StepContract {};     // the point of no return, and what follows it

TEST_P(StepContract, ObserveAndPredictOnlyLook) {
  const auto stage = NewStage();
  const Life life = NewLife(*stage);
  const std::size_t history = stage->Look().history.size();
  const Result<Observation> seen = stage->Observe(step(), life);
  ASSERT_TRUE(seen) << Describe(seen.error());
  EXPECT_EQ(seen->verdict, Verdict::kNotStarted);
  const Result<Forecast> forecast = stage->Predict(step(), life);
  ASSERT_TRUE(forecast) << Describe(forecast.error());
  EXPECT_FALSE(forecast->will.empty());
  EXPECT_FALSE(forecast->undo.empty());
  for (const Error& problem : forecast->problems) EXPECT_NE(problem.kind, ErrorKind::kDenied) << Describe(problem);
  EXPECT_EQ(stage->Look().history.size(), history);
}

TEST_P(StepContract, ADryRunOfAHealthyWorldFindsNoProblems) {
  Stage stage;
  const Result<Forecast> forecast = stage.Predict(step(), NewLife(stage));
  ASSERT_TRUE(forecast) << Describe(forecast.error());
  for (const Error& problem : forecast->problems) ADD_FAILURE() << Describe(problem);
}

TEST_P(StepContract, ApplyReachesTheGoalAndObserveSaysSo) {
  const auto stage = NewStage();
  Life life = NewLife(*stage);
  FinishWell(*stage, life);
  const Result<Observation> seen = stage->Observe(step(), life);
  ASSERT_TRUE(seen) << Describe(seen.error());
  EXPECT_EQ(seen->verdict, effect() ? Verdict::kDone : Verdict::kNotStarted);
}

TEST_P(StepContract, ApplyTwiceEqualsOnce) {
  const auto stage = NewStage();
  Life life = NewLife(*stage);
  FinishWell(*stage, life);
  const Json picture = Picture(stage->Look());
  const Json facts = life.facts;
  FinishWell(*stage, life);
  EXPECT_EQ(Picture(stage->Look()), picture);
  if (effect()) {
    EXPECT_EQ(life.facts, facts);
  }
}

TEST_P(CheckContract, TheWorldIsTheSameAfterwards) {
  const auto stage = NewStage();
  const std::size_t history = stage->Look().history.size();
  Life life = NewLife(*stage);
  FinishWell(*stage, life);  // with read-only plugins
  Undo(*stage, life);
  EXPECT_EQ(stage->Look().history.size(), history);
}

TEST_P(UndoableContract, UndoRestoresAndTwiceEqualsOnce) {
  const auto stage = NewStage();
  Life life = NewLife(*stage);
  FinishWell(*stage, life);
  Undo(*stage, life);
  EXPECT_EQ(Picture(stage->Look(), true), Before());
  const Json picture = Picture(stage->Look());
  Undo(*stage, life);
  EXPECT_EQ(Picture(stage->Look()), picture);
  const Result<Observation> seen = stage->Observe(step(), stage->LifeOf(step(), WorkloadOf(step()), 1));
  ASSERT_TRUE(seen) << Describe(seen.error());
  EXPECT_EQ(seen->verdict, Verdict::kNotStarted);
}

TEST_P(UndoableContract, ItsUndoIsProvedBeforeItRanAndOnlyByLooking) {
  for (const char* when : {"policy_validated", "undo_proven"}) {
    SCOPED_TRACE(std::string("before ") + when);
    Stage stage;
    stage.Resume(StageBefore(when));
    Life life = NewLife(stage);
    life.key = std::string(64, '0');
    const Json picture = Picture(stage.Look());
    const std::size_t history = stage.Look().history.size();
    const Result<UndoProof> proof = stage.ProveUndo(step(), life);
    ASSERT_TRUE(proof) << Describe(proof.error());
    for (const Error& problem : proof->problems) ADD_FAILURE() << Describe(problem);
    EXPECT_FALSE(proof->proves.empty());
    EXPECT_EQ(proof->takes > std::chrono::milliseconds(0), !proof->estimate.empty());
    EXPECT_EQ(stage.Look().history.size(), history);
    EXPECT_EQ(Picture(stage.Look()), picture);
  }
}

TEST_P(UndoableContract, AnUndoIsNotProvedWhenASystemCannotBeAsked) {
  Stage stage;
  const Life life = NewLife(stage);
  stage.FailCall(1, Fault::Kind::kBefore);
  const Result<UndoProof> proof = stage.ProveUndo(step(), life);
  ASSERT_TRUE(stage.fault_happened());
  const bool told = !proof || !proof->problems.empty();
  ASSERT_TRUE(told);
  EXPECT_TRUE(SafeToRetry(proof ? proof->problems.front() : proof.error()));
}

TEST_P(FinalContract, NobodyProvesThatItCouldBeUndone) {
  Stage stage;
  EXPECT_FALSE(stage.ProveUndo(step(), NewLife(stage)));
}

TEST_P(FinalContract, UndoRefusesAndTouchesNothing) {
  const auto stage = NewStage();
  Life life = NewLife(*stage);
  FinishWell(*stage, life);
  const std::size_t history = stage->Look().history.size();
  const Result<Progress> undone = stage->Finish(step(), life, true);
  ASSERT_FALSE(undone);
  EXPECT_EQ(undone.error().kind, ErrorKind::kInvalid);
  EXPECT_FALSE(undone.error().advice.empty());
  EXPECT_EQ(stage->Look().history.size(), history);
}

TEST_P(StepContract, AFaultAtAnyCallOfApplyChangesNothingInTheEnd) {
  const auto undisturbed = NewStage();
  Life first = NewLife(*undisturbed);
  FinishWell(*undisturbed, first);
  const Json goal = Picture(undisturbed->Look());
  for (const Fault::Kind kind : {Fault::Kind::kBefore, Fault::Kind::kLostAnswer}) {
    for (int call = 1; call <= kMostCalls; ++call) {
      SCOPED_TRACE("fault " + std::to_string(static_cast<int>(kind)) + " at call " + std::to_string(call));
      const auto stage = NewStage();
      Life life = NewLife(*stage);
      stage->FailCall(call, kind);
      FinishWell(*stage, life);
      if (HasFatalFailure()) return;
      EXPECT_EQ(Picture(stage->Look()), goal);
      if (!stage->fault_happened()) break;
      ASSERT_TRUE(call < kMostCalls || WaitsForWorkers(step())) << "not all calls were tried";
    }
  }
}

TEST_P(UndoableContract, AFaultAtAnyCallOfUndoChangesNothingInTheEnd) {
  const auto done = NewStage();
  Life journaled = NewLife(*done);
  FinishWell(*done, journaled);
  for (const Fault::Kind kind : {Fault::Kind::kBefore, Fault::Kind::kLostAnswer}) {
    for (int call = 1; call <= kMostCalls; ++call) {
      SCOPED_TRACE("fault " + std::to_string(static_cast<int>(kind)) + " at call " + std::to_string(call));
      auto stage = std::make_unique<Stage>();
      stage->Resume(*done);
      Life life = journaled;
      stage->FailCall(call, kind);
      Undo(*stage, life);
      if (HasFatalFailure()) return;
      EXPECT_EQ(Picture(stage->Look(), true), Before());
      if (!stage->fault_happened()) break;
      ASSERT_TRUE(call < kMostCalls || WaitsForWorkers(step())) << "not all calls were tried";
    }
  }
}

// Kills the process after so many rounds; `journaled`: the last round's handle and facts made it into the journal.
TEST_P(StepContract, ACrashAfterAnyRoundOfApplyIsGoneOnFrom) {
  const auto undisturbed = NewStage();
  Life first = NewLife(*undisturbed);
  FinishWell(*undisturbed, first);
  const Json goal = Picture(undisturbed->Look());
  for (const bool journaled : {true, false}) {
    bool ended = false;
    for (int rounds = 1; rounds <= kMostRounds && !ended; ++rounds) {
      SCOPED_TRACE(std::to_string(rounds) + " rounds, journaled " + std::to_string(journaled));
      const auto stage = NewStage();
      Life life = NewLife(*stage);
      for (int i = 0; i < rounds && !ended; ++i) {
        const Life saved = life;
        const Result<Progress> progress = stage->Round(step(), life);
        ASSERT_TRUE(progress) << Describe(progress.error());
        ended = progress->state == Progress::State::kDone;
        if (i + 1 == rounds && !journaled) life.handle = saved.handle, life.facts = saved.facts;
      }
      stage->Crash();
      life.elapsed = std::chrono::milliseconds(0);
      const Result<Observation> seen = stage->Observe(step(), life);
      ASSERT_TRUE(seen) << Describe(seen.error());
      FinishWell(*stage, life);
      if (HasFatalFailure()) return;
      EXPECT_EQ(Picture(stage->Look()), goal);
    }
  }
}

TEST_P(UndoableContract, UndoAfterAnyRoundOfApplyRestores) {
  bool ended = false;
  for (int rounds = 1; rounds <= kMostRounds && !ended; ++rounds) {
    SCOPED_TRACE(std::to_string(rounds) + " rounds");
    const auto stage = NewStage();
    Life life = NewLife(*stage);
    for (int i = 0; i < rounds && !ended; ++i) {
      const Result<Progress> progress = stage->Round(step(), life);
      ASSERT_TRUE(progress) << Describe(progress.error());
      ended = progress->state == Progress::State::kDone;
    }
    if (rounds % 2 == 0) stage->Crash();
    Undo(*stage, life);
    if (HasFatalFailure()) return;
    EXPECT_EQ(Picture(stage->Look(), true), Before());
  }
}

TEST_P(StepContract, AnUnreachableSystemIsNamedInTheError) {
  const auto stage = NewStage();
  Life life = NewLife(*stage);
  life.before = stage->Observe(step(), life)->before;
  stage->FailCall(1, Fault::Kind::kBefore);
  Result<Progress> progress = stage->Round(step(), life);
  while (progress && !stage->fault_happened()) progress = stage->Round(step(), life);
  ASSERT_FALSE(progress);
  EXPECT_TRUE(SafeToRetry(progress.error()));
  EXPECT_FALSE(progress.error().system.empty());
}

std::string NameOf(const testing::TestParamInfo<std::string>& name) {
  return name.param;
}
INSTANTIATE_TEST_SUITE_P(Catalogue, StepContract, testing::ValuesIn(StepNames()), NameOf);
INSTANTIATE_TEST_SUITE_P(Catalogue, CheckContract, testing::ValuesIn(StepNames(IsCheck)), NameOf);
INSTANTIATE_TEST_SUITE_P(Catalogue, UndoableContract, testing::ValuesIn(StepNames(IsUndoable)), NameOf);
INSTANTIATE_TEST_SUITE_P(Catalogue, FinalContract, testing::ValuesIn(StepNames(IsFinal)), NameOf);

TEST(Catalogue, EveryStepIsInTheScript) {
  std::set<std::string> played;
  for (const auto& [name, workload] : Stage::Script()) played.insert(name);
  for (const std::string& name : StepNames()) EXPECT_TRUE(played.contains(name)) << name;
}

}  // namespace
}  // namespace vmferry
