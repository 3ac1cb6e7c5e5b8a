// SPDX-License-Identifier: Apache-2.0
#include "state/parallel_fold.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "state/chain.h"
#include "tests/state/journal_fixture.h"

namespace vmferry {
namespace {

struct Row {
  std::string application, header, payload;
};

Row RowFrom(Event event, std::int64_t seq, std::int64_t chain_seq) {
  event.seq = seq;
  event.chain_seq = chain_seq;
  return {event.application, EncodeHeader(event), event.payload.dump()};
}

// Many applications whose steps interleave, long enough for every worker to get its own thread.
std::vector<Row> LongRun(int applications, int steps) {
  std::vector<Row> rows;
  std::int64_t seq = 0;
  Json names = Json::array();
  for (int i = 0; i < applications; ++i) names.push_back("application-" + std::to_string(i));
  Event first = MakeEvent("r-1", "", EventKind::kRunCreated, Json{{"applications", names}});
  first.step = -1;
  rows.push_back(RowFrom(first, ++seq, 1));
  for (int step = 0; step < steps; ++step)
    for (int i = 0; i < applications; ++i) {
      const std::string name = names.at(static_cast<std::size_t>(i));
      Event intent = MakeEvent("r-1", name, EventKind::kIntent, Json{{"name", "step"}, {"effect", true}, {"key", name}});
      Event outcome = MakeEvent("r-1", name, EventKind::kOutcome, Json{{"result", "done"}, {"facts", {{"n", i + step}}}});
      intent.step = outcome.step = step;
      rows.push_back(RowFrom(intent, ++seq, 2 * step + 1));
      if ((i + step) % 7 != 0) rows.push_back(RowFrom(outcome, ++seq, 2 * step + 2));
    }
  return rows;
}

RunState InOrder(const std::vector<Row>& rows) {
  RunState state;
  state.run = "r-1";
  Event event;  // what one row leaves in it is nothing to the next
  for (const Row& row : rows) {
    EXPECT_TRUE(DecodeToFold(row.header, row.payload, event));
    Fold(state, event);
  }
  return state;
}

Result<RunState> InParallel(const std::vector<Row>& rows) {
  ParallelFold fold("r-1");
  for (const Row& row : rows) fold.Add(row.application, row.header, row.payload);
  return fold.Finish();
}

TEST(ParallelFold, AddsUpToWhatOneAfterTheOtherDoes) {
  for (const auto& [applications, steps] : std::map<int, int>{{0, 0}, {1, 3}, {1, 3000}, {300, 40}}) {
    const std::vector<Row> rows = LongRun(applications, steps);
    const RunState expected = InOrder(rows);
    const Result<RunState> state = InParallel(rows);
    ASSERT_TRUE(state) << Describe(state.error());
    EXPECT_EQ(state->run, "r-1");
    EXPECT_EQ(state->order, expected.order);
    EXPECT_EQ(state->wave, expected.wave);
    ASSERT_EQ(state->applications.size(), expected.applications.size());
    for (const auto& [name, application] : expected.applications) {
      const ApplicationState& other = state->applications.at(name);
      EXPECT_EQ(other.application, name);
      EXPECT_EQ(other.last_seq, application.last_seq);
      ASSERT_EQ(other.steps.size(), application.steps.size()) << name;
      for (const auto& [index, step] : application.steps) {
        EXPECT_EQ(other.steps.at(index).status, step.status) << name << " " << index;
        EXPECT_EQ(other.steps.at(index).facts, step.facts);
        EXPECT_EQ(other.steps.at(index).intent_seq, step.intent_seq);
      }
    }
  }
}

TEST(ParallelFold, NamesTheFirstEventThatCannotBeRead) {
  std::vector<Row> rows = LongRun(300, 40);
  for (const std::size_t damaged : {rows.size() - 5, rows.size() / 2, rows.size() / 2 + 1}) rows[damaged].payload = "[]";
  const Result<RunState> state = InParallel(rows);
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(state.error().message,
            "the payload of event " + std::to_string(rows.size() / 2 + 1) + " is not a JSON object");
}

TEST(ParallelFold, MayBeLeftUnfinished) {
  ParallelFold fold("r-1");
  for (const Row& row : LongRun(300, 40)) fold.Add(row.application, row.header, row.payload);
}

}  // namespace
}  // namespace vmferry
