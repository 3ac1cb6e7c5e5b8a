// SPDX-License-Identifier: Apache-2.0
//
// The engine dies before or after an append reaches the disk: in a run, in a rollback, and again while it recovers.
#include <gtest/gtest.h>

#include <vector>

#include "tests/orchestrator/story.h"

namespace vmferry {
namespace {

using Fault = MemoryJournal::Fault;
std::string Only(const FakeRun& run) {
  return run.State().order.front();
}

// A new process takes up the run, and dies at its append `again` if that is not 0.
void Recover(FakeRun& run, std::int64_t again, Fault fault) {
  run.journal.Restart();
  run.run_id = run.journal.Runs().value().back();
  if (again > 0) run.journal.FailAt(run.journal.appends() + again, fault);
  static_cast<void>(run.Decide("resume", {}));
}

// When recovery dies as well: at which of its appends; 0: it does not. The example in full is long, so that each of its
// points has one of them.
std::vector<std::int64_t> Again(Example example, std::int64_t at) {
  if (example == Example::kInFull) return {0, at % 3 + 1};
  return {0, 1, 2, 3};
}

class CrashMatrix : public testing::TestWithParam<std::tuple<Fault, Example>> {
 protected:
  const Fault fault_ = std::get<0>(GetParam());
  const Example example_ = std::get<1>(GetParam());
  void SetUp() override { clock_.tick_ms = TickOf(example_); }
  TickingClock clock_;
};

TEST_P(CrashMatrix, ARunResumesToTheSameEndAlsoWhenRecoveryCrashes) {
  FakeRun whole(example_);
  whole.UseClock(clock_);
  ASSERT_TRUE(whole.Run());
  for (std::int64_t at = 2; at <= whole.journal.appends(); at += kStride)
    for (const std::int64_t again : Again(example_, at)) {
      SCOPED_TRACE("crash at append " + std::to_string(at) + ", and at append " + std::to_string(again) + " after it");
      FakeRun run(example_);
      run.UseClock(clock_);
      Story story(run);
      run.journal.FailAt(at, fault_);
      EXPECT_FALSE(run.Run());
      Recover(run, again, fault_);
      if (again > 0) Recover(run, 0, fault_);
      EXPECT_EQ(run.Application(Only(run)).phase, Phase::kSoak) << run.Application(Only(run)).reason;
      EXPECT_EQ(story.Faults(), std::vector<std::string>());
      if (HasFailure()) return;
    }
}

TEST_P(CrashMatrix, ARollbackResumesToItsEnd) {
  FakeRun whole(example_);
  whole.UseClock(clock_);
  ASSERT_TRUE(whole.Run());
  const std::int64_t before = whole.journal.appends();
  ASSERT_TRUE(whole.Decide("rollback", {}));
  for (std::int64_t at = before + 1; at <= whole.journal.appends(); at += kStride)
    for (const std::int64_t again : Again(example_, at)) {
      SCOPED_TRACE("crash at append " + std::to_string(at) + ", and at append " + std::to_string(again) + " after it");
      FakeRun run(example_);
      run.UseClock(clock_);
      Story story(run);
      ASSERT_TRUE(run.Run());
      run.journal.FailAt(at, fault_);
      EXPECT_FALSE(run.Decide("rollback", {}));
      Recover(run, again, fault_);
      if (again > 0) Recover(run, 0, fault_);
      // The crash came before the decision was written down: it is asked for again.
      if (run.Application(Only(run)).phase == Phase::kSoak) {
        EXPECT_TRUE(run.Decide("rollback", {}));
      }
      EXPECT_EQ(run.Application(Only(run)).phase, Phase::kRolledBack) << run.Application(Only(run)).reason;
      EXPECT_EQ(story.Faults(), std::vector<std::string>());
      if (HasFailure()) return;
    }
}

INSTANTIATE_TEST_SUITE_P(Appends, CrashMatrix,
                         testing::Combine(testing::Values(Fault::kBeforeStoring, Fault::kAfterStoring),
                                          testing::ValuesIn(kExamples)),
                         [](const auto& test) {
                           const bool before = std::get<0>(test.param) == Fault::kBeforeStoring;
                           return std::string(before ? "BeforeStoring" : "AfterStoring") + NameOf(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace vmferry
