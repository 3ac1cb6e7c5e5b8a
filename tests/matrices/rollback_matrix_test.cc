// SPDX-License-Identifier: Apache-2.0
//
// A person goes back at every moment of the seed runbook's steps: behind each intent and behind each outcome. What source,
// load balancer, DNS, monitoring and backup product are set to is afterwards what it was before.
#include <gtest/gtest.h>

#include "plugins/fake/world_json.h"
#include "tests/orchestrator/story.h"

namespace vmferry {
namespace {

// Of a world: all that a way back has to restore. Left out is what only grows: versions, histories, what was received,
// backups that were made, finished copies and deltas, which are kept on purpose.
Json Fingerprint(const WorldData& data) {
  Json world = WorldToJson(data);
  for (const char* grows : {"history", "history_limit", "revision"}) world.erase(grows);
  for (Json& vm : world["vms"]) vm.erase("version");
  for (Json& pool : world["pools"]) {
    Json left = Json::array();
    for (const Json& volume : pool["volumes"])
      if (volume.value("seal", "").empty() && volume.value("backing", "").empty()) left.push_back(volume);
    pool["volumes"] = left;
    pool.erase("written_bytes");
  }
  for (const char* grows : {"backups", "runs", "restores"}) world["vault"].erase(grows);
  world["dns"].erase("lag_left");  // until the second name server has followed
  world["monitoring"].erase("received");
  world["programs"].erase("runs");
  return world;
}

bool IsMoment(const Event& event) {
  return event.kind == EventKind::kIntent || event.kind == EventKind::kOutcome || event.kind == EventKind::kFound;
}

TEST(RollbackMatrix, GoingBackAtEveryMomentOfTheSeedRunbookRestoresWhatWasThere) {
  TickingClock clock;
  clock.tick_ms = TickOf(Example::kInFull);
  FakeRun whole(Example::kInFull);
  whole.UseClock(clock);
  int moments = 0;
  whole.on_event = [&moments](const Event& event, Engine&) { moments += IsMoment(event) ? 1 : 0; };
  ASSERT_TRUE(whole.Run());
  ASSERT_GT(moments, 30);
  for (int at = 1; at <= moments; at += kStride) {
    FakeRun run(Example::kInFull);
    run.UseClock(clock);
    Story story(run);
    const Json before = Fingerprint(run.world->Copy());
    int seen = 0;
    std::string where;
    run.on_event = [&, check = run.on_event](const Event& event, Engine& engine) {
      check(event, engine);
      if (!IsMoment(event) || ++seen != at) return;
      where = std::string(Name(event.kind)) + " of " + event.payload.value("name", "");
      const Status decided = engine.DecideFor(event.run, Decision{"rollback", {}, "tester", "every moment", "", ""});
      EXPECT_TRUE(decided) << Describe(decided.error());
    };
    ASSERT_TRUE(run.Run());
    SCOPED_TRACE("moment " + std::to_string(at) + ", " + where);
    const ApplicationState& state = run.Application(run.State().order.front());
    EXPECT_TRUE(state.phase == Phase::kRolledBack || state.phase == Phase::kAborted) << Name(state.phase) << state.reason;
    EXPECT_EQ(Json::diff(before, Fingerprint(run.world->Copy())), Json::array());
    EXPECT_EQ(story.Faults(), std::vector<std::string>());
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace vmferry
