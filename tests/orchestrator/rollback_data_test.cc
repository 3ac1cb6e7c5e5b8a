// SPDX-License-Identifier: Apache-2.0
//
// What becomes of the data that the target took since cutover: kept or discarded, reported, and never touched again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "orchestrator/delta_text.h"
#include "orchestrator/report.h"
#include "plugins/fake/machine.h"
#include "tests/orchestrator/fake_run.h"

namespace vmferry {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kApi = "customer-analytics-api";

// Every volume with a digest of what the overlay itself holds.
std::map<std::string, std::string> Volumes(const FakeRun& run) {
  std::map<std::string, std::string> volumes;
  const WorldData world = run.world->Copy();
  for (const FakePool& pool : world.pools)
    for (const FakeVolume& volume : pool.volumes) volumes[volume.name] = volume.content.DigestFrom(0);
  return volumes;
}

std::vector<std::string> Overlays(const FakeRun& run) {
  std::vector<std::string> overlays;
  for (const auto& [name, digest] : Volumes(run))
    if (name.ends_with(".overlay.qcow2")) overlays.push_back(name);
  return overlays;
}

void Record(FakeRun& run, const std::string& record) {
  (void)run.world->Change([&record](WorldData& world) { EXPECT_TRUE(PostRecord(world, "web1", record)); });
}

void SetRollBackData(FakeRun& run, const std::string& value) {
  for (PlannedStep& step : run.submission.wave.plans.at(0).steps)
    if (step.name == "power_on_target") step.parameters["rollBackData"] = value;
}

TEST(RollbackData, IsJournaledBeforeTheSourceReturns) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run());
  Record(run, "since cutover");
  ASSERT_TRUE(run.Decide("rollback", {}));
  std::vector<std::string> order;
  for (const Event& event : run.Events()) {
    const std::string name = event.payload.value("name", "");
    if (event.kind == EventKind::kUndoOutcome && name == "power_on_target") {
      order.emplace_back("delta");
      ASSERT_FALSE(event.payload["facts"]["delta"].empty());
      EXPECT_EQ(event.payload["facts"]["delta"][0]["stopped"], "shut down");
    }
    if (event.kind == EventKind::kUndoIntent && name == "quiesce_application") order.emplace_back("source");
  }
  EXPECT_THAT(order, testing::ElementsAre("delta", "source"));
}

TEST(RollbackData, IsShownWithTheCommandsThatReadIt) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run());
  ASSERT_TRUE(run.Decide("rollback", {}));
  const RunState state = run.State();
  const Json delta = DeltaToJson(state.applications.at(kApi))["delta"];
  ASSERT_EQ(delta.size(), 2u);
  const std::string path = delta[0]["path"];
  for (const std::string& text : {RunSummary(state, "", Style{}), RunDetails(state, Style{})}) {
    EXPECT_THAT(text, HasSubstr("kept, as the delta"));
    EXPECT_THAT(text, HasSubstr(path + "\n      over "));
    EXPECT_THAT(text, HasSubstr("its guest shut down first"));
    EXPECT_THAT(text, HasSubstr("guestmount --ro --format=qcow2 -a " + path + " -a "));
    EXPECT_THAT(text, HasSubstr("qemu-nbd --read-only --format=qcow2 --connect=/dev/nbd0 " + path + "\n"));
  }
  const Json application = RunToJson(state)["applications"][0];
  EXPECT_EQ(application["dataSinceCutover"]["writes"], "kept");
  EXPECT_EQ(application["dataSinceCutover"]["delta"], delta);
}

TEST(RollbackData, OfATargetThatNeverServedIsNotSpokenOf) {
  FakeRun run(1);
  run.fault = [](const CallSpec& call, const Json&) {
    return call.name == "Probe" || call.role == "probe" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  ASSERT_TRUE(run.Run());
  EXPECT_THAT(Overlays(run), testing::IsEmpty());
  EXPECT_THAT(RunSummary(run.State(), "", Style{}), Not(HasSubstr("since cutover")));
}

TEST(RollbackData, IsDiscardedOnlyWhenDeclared) {
  FakeRun run(1);
  SetRollBackData(run, "discard");
  ASSERT_TRUE(run.Run());
  Record(run, "since cutover");
  EXPECT_EQ(Overlays(run).size(), 2u);
  ASSERT_TRUE(run.Decide("rollback", {}));
  EXPECT_THAT(Overlays(run), testing::IsEmpty());
  EXPECT_THAT(RunSummary(run.State(), "", Style{}), HasSubstr("was discarded, as the runbook says"));
}

// A run that blocks in its rollback and goes on, then two more runs: every delta stays as it was.
TEST(RollbackData, OfARunIsNeverTouchedByAnother) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run());
  Record(run, "of the first run");
  run.fault = [](const CallSpec& call, const Json&) {
    return call.name == "EnsurePoweredOn" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  ASSERT_TRUE(run.Decide("rollback", {}));
  ASSERT_EQ(run.Application(kApi).activity, Activity::kRollbackBlocked);
  std::map<std::string, std::string> kept = Volumes(run);
  EXPECT_EQ(Overlays(run).size(), 2u);
  run.fault = nullptr;
  ASSERT_TRUE(run.Decide("rollback", {}));
  EXPECT_EQ(Volumes(run), kept) << "a second rollback of the same run";
  for (const std::size_t runs : {2u, 3u}) {
    ASSERT_TRUE(run.Run());
    ASSERT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
    WorldData world = run.world->Copy();
    EXPECT_THAT(RecordsOf(world, "web1").value(), Not(testing::Contains("of the first run")));
    Record(run, "of run " + std::to_string(runs));
    ASSERT_TRUE(run.Decide("rollback", {}));
    const std::map<std::string, std::string> now = Volumes(run);
    for (const auto& [name, digest] : kept) EXPECT_EQ(now.count(name) == 0 ? "gone" : now.at(name), digest) << name;
    EXPECT_EQ(Overlays(run).size(), 2 * runs);
    kept = now;
  }
}

TEST(RollbackData, CommandsAreQuotedForAShell) {
  EXPECT_EQ(ShellLine({"mount", "/a b/it's", "", "-o", "ro"}), "mount '/a b/it'\\''s' '' -o ro");
}

}  // namespace
}  // namespace vmferry
