// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "state/run_state.h"
#include "tests/state/journal_fixture.h"

namespace vmferry {
namespace {

Event StepEvent(std::int64_t seq, EventKind kind, Json payload) {
  Event event = MakeEvent("r-1", "a", kind, std::move(payload));
  event.seq = seq;
  event.step = 0;
  return event;
}

Event Decision(std::int64_t seq, const std::string& kind) {
  Event event = MakeEvent("r-1", "a", EventKind::kDecision, Json{{"kind", kind}});
  event.seq = seq;
  event.step = -1;
  return event;
}

// A rollback asked for again kept the deadline of the undo that had failed, and failed without trying. Only `resume`
// helped.
TEST(Fold, ARollbackAskedForAgainCountsTheDeadlineOfAFailedUndoAnew) {
  RunState run;
  Fold(run, StepEvent(1, EventKind::kIntent, {{"effect", true}, {"key", "k"}}));
  Fold(run, StepEvent(2, EventKind::kOutcome, {{"result", "done"}}));
  Fold(run, Decision(3, "rollback"));
  Fold(run, StepEvent(4, EventKind::kUndoIntent, {{"since_ms", 1000}, {"deadline_ms", 2000}}));
  Fold(run, StepEvent(5, EventKind::kUndoOutcome, {{"result", "failed"}, {"error", Json::object()}}));
  ASSERT_EQ(run.applications["a"].steps[0].since_ms, 1000);
  Fold(run, Decision(6, "rollback"));
  EXPECT_EQ(run.applications["a"].steps[0].status, StepStatus::kUndoing);
  EXPECT_EQ(run.applications["a"].steps[0].since_ms, 0) << "from its next intent";
}

// The engine folds an event, then appends it, then knows its place.
TEST(Fold, AnEventFoldedBeforeItWasAppendedGetsItsPlaceLater) {
  const std::vector<Event> events{StepEvent(7, EventKind::kIntent, {{"effect", true}, {"key", "k"}}),
                                  StepEvent(8, EventKind::kOutcome, {{"result", "done"}})};
  RunState ahead, replayed;
  for (Event event : events) {
    event.seq = 0;
    Fold(ahead, event);
  }
  for (const Event& event : events) FoldPlace(ahead.applications["a"], event);
  for (const Event& event : events) Fold(replayed, event);
  EXPECT_EQ(ahead.applications["a"].last_seq, 8);
  EXPECT_EQ(ahead.applications["a"].steps[0].intent_seq, 7);
  EXPECT_EQ(replayed.applications["a"].steps[0].intent_seq, 7);
  FoldPlace(ahead.applications["a"], events.front());
  EXPECT_EQ(ahead.applications["a"].last_seq, 8) << "an acknowledgement that comes late takes nothing back";
}

TEST(Fold, MembersOfAnotherTypeAreLikeMissingOnes) {
  RunState run;
  Fold(run, StepEvent(1, EventKind::kIntent, {{"effect", "yes"}, {"key", 5}, {"deadline_ms", "soon"}}));
  EXPECT_FALSE(run.applications["a"].steps[0].effect);
  EXPECT_EQ(run.applications["a"].steps[0].key, "");
}

}  // namespace
}  // namespace vmferry
