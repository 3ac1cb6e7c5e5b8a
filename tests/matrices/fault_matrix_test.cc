// SPDX-License-Identifier: Apache-2.0
//
// A fault at every plugin call of a run and of its rollback, once and for ever after. What holds of every history is in
// story.h; how each must end is here.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>

#include "tests/orchestrator/story.h"

namespace vmferry {
namespace {

struct Kind {
  const char* name;
  Fault fault;
};
const Kind kKinds[] = {{"Unavailable", {Fault::Kind::kBefore, ErrorKind::kUnavailable}},
                       {"UnknownBefore", {Fault::Kind::kBefore, ErrorKind::kUnknownOutcome}},
                       {"UnknownAfter", {Fault::Kind::kLostAnswer}},
                       {"Permanent", {Fault::Kind::kBefore, ErrorKind::kDenied}}};

struct Case {
  Kind kind;
  bool for_ever;
  bool rollback;  // the faults begin with the rollback from soak, not with the run
  Example example;
};

constexpr int kEvery = kStride;  // calls; a run makes some 250 of them, most of them looks

// The example in full makes three times as many calls: of those that the other examples make too, faults come there.
bool IsTried(Example example, const CallSpec& call) {
  static const std::set<std::string_view> known{"source", "target", "load_balancer"};
  return example != Example::kInFull || !known.contains(call.role);
}

class FaultMatrix : public testing::TestWithParam<Case> {
 protected:
  // Runs (and rolls back) with a fault at call `at` of those that are tried; 0: none. How many of them there were, in
  // `calls_`.
  void Play(FakeRun& run, int at) {
    run.UseClock(clock_);
    clock_.tick_ms = TickOf(GetParam().example);
    calls_ = 0;
    const Case& which = GetParam();
    const FaultPicker picker = [this, at, which](const CallSpec& spec, const Json&) {
      const bool tried = IsTried(which.example, spec);
      const int call = tried ? ++calls_ : calls_.load();
      const bool now = at > 0 && (which.for_ever ? call >= at : tried && call == at);
      if (now && which.for_ever) clock_.tick_ms = 5000;
      return now ? which.kind.fault : Fault();
    };
    if (!which.rollback) run.fault = picker;
    ASSERT_TRUE(run.Run());
    if (!which.rollback) return;
    run.fault = picker;
    ASSERT_TRUE(run.Decide("rollback", {}));
  }
  static bool Parked(const ApplicationState& state) {
    return state.activity == Activity::kNeedsOperator || state.activity == Activity::kRollbackBlocked;
  }

  TickingClock clock_;
  std::atomic<int> calls_{0};
};

bool Touched(const FakeRun& run) {
  return !run.world->Copy().history.empty();
}

void ExpectGoodEnd(FakeRun& run, const ApplicationState& state) {
  if (state.phase == Phase::kSoak || state.phase == Phase::kRolledBack) {
    EXPECT_EQ(run.Picture(), PictureAt(state.phase, run.machines()));
  }
  if (state.phase == Phase::kAborted) {
    EXPECT_FALSE(Touched(run)) << "aborted means that nothing was touched";
  }
  const bool ended = state.phase == Phase::kSoak || state.phase == Phase::kRolledBack || state.phase == Phase::kAborted;
  EXPECT_TRUE(ended) << Name(state.phase) << ", " << Name(state.activity) << ": " << state.reason;
}

TEST_P(FaultMatrix, EndsWellOrRestsWithANameUntilMended) {
  const Case& which = GetParam();
  FakeRun whole(GetParam().example);
  Play(whole, 0);
  const int calls = calls_;
  ASSERT_GT(calls, which.example == Example::kInFull && which.rollback ? 5 : 20);
  for (int at = 1; at <= calls; at += kEvery) {
    FakeRun run(which.example);
    Story story(run);
    Play(run, at);
    const ApplicationState& first = run.Application(run.State().order.front());
    if (Parked(first)) {
      EXPECT_FALSE(first.reason.empty()) << "call " << at << ": it rests and does not say why";
    }
    run.fault = nullptr;
    clock_.tick_ms = TickOf(which.example);
    for (int i = 0; i < 3 && Parked(run.Application(run.State().order.front())); ++i)
      EXPECT_TRUE(run.Decide("resume", {}));
    const ApplicationState& state = run.Application(run.State().order.front());
    SCOPED_TRACE("fault at call " + std::to_string(at) + ", then " + std::string(Name(state.phase)) + ": " +
                 state.reason);
    ExpectGoodEnd(run, state);
    if (which.rollback) {
      EXPECT_EQ(state.phase, Phase::kRolledBack);
    }
    EXPECT_EQ(story.Faults(), std::vector<std::string>());
    if (HasFailure()) return;
  }
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Kind& kind : kKinds)
    for (const bool for_ever : {false, true})
      for (const bool rollback : {false, true})
        for (const Example example : kExamples) cases.push_back({kind, for_ever, rollback, example});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Calls, FaultMatrix, testing::ValuesIn(Cases()), [](const auto& test) {
  return std::string(test.param.kind.name) + (test.param.for_ever ? "ForEver" : "Once") +
         (test.param.rollback ? "InRollback" : "InRun") + NameOf(test.param.example);
});

}  // namespace
}  // namespace vmferry
