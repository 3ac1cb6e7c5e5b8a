// SPDX-License-Identifier: Apache-2.0
//
// A checker that never speaks up would be no better than none.
#include "tests/orchestrator/checkers.h"

#include <gtest/gtest.h>

#include "plugins/fake/example_world.h"

namespace vmferry {
namespace {

Event At(std::int64_t wall_ms, EventKind kind, int step, Json payload = Json::object()) {
  Event event;
  event.application = "shop";
  event.kind = kind;
  event.step = step;
  event.at.wall_ms = wall_ms;
  event.payload = std::move(payload);
  return event;
}

Event Intent(std::int64_t wall_ms, int step, const char* name = "claim_source") {
  return At(wall_ms, EventKind::kIntent, step, {{"effect", true}, {"name", name}});
}
Event Outcome(std::int64_t wall_ms, int step, const char* result) {
  return At(wall_ms, EventKind::kOutcome, step, {{"result", result}});
}

// What IntentFirst says of one fact at this time.
std::size_t FaultsAt(std::int64_t at_ms, const std::vector<Event>& events) {
  Faults faults;
  IntentFirst({Fact{1, at_ms, "source.EnsureClaimed", "claimed", "/DC0/vm/web1"}}, events, faults);
  return faults.size();
}

TEST(Checkers, AnEffectLiesBetweenIntentAndOutcome) {
  const std::vector<Event> events{Intent(100, 3), Outcome(200, 3, "done")};
  EXPECT_EQ(FaultsAt(99, events), 1U);
  EXPECT_EQ(FaultsAt(100, events), 0U);
  EXPECT_EQ(FaultsAt(200, events), 0U);
  EXPECT_EQ(FaultsAt(201, events), 1U);
}

TEST(Checkers, AFailedAttemptMayStillTakeEffect) {
  EXPECT_EQ(FaultsAt(300, {Intent(100, 3), Outcome(200, 3, "failed")}), 0U);
}

TEST(Checkers, TheIntentOfAnotherStepAllowsNothing) {
  const std::vector<Event> events{Intent(100, 3, "update_dns"), Outcome(200, 3, "done")};
  const auto faults = [&](const char* effect) {
    Faults found;
    IntentFirst({Fact{1, 150, "", effect, "x"}}, events, found);
    return found.size();
  };
  EXPECT_EQ(faults("dns"), 0U);
  EXPECT_EQ(faults("fence"), 0U) << "an effect that belongs to no step in particular";
  for (const char* effect : {"signal", "no-signal", "backup-begun", "backup-stopped", "restore-begun", "claimed", "lb"})
    EXPECT_EQ(faults(effect), 1U) << effect;
}

TEST(Checkers, AKeyStandsForOneBackup) {
  std::vector<Fact> history{{1, 0, "", "backup-begun", "0123"}, {2, 0, "", "backup-begun", "4567"}};
  Faults faults;
  NoBackupTwice(history, faults);
  EXPECT_TRUE(faults.empty());
  history.push_back({3, 0, "", "backup-begun", "0123"});
  NoBackupTwice(history, faults);
  EXPECT_EQ(faults, Faults{"a second backup for the key 0123"});
}

TEST(Checkers, ASignalIsClearedByItsLabels) {
  const Json ours{{"labels", {{"vmferry", "0123"}}}}, others{{"labels", {{"vmferry", "4567"}}}};
  std::vector<Fact> history{{1, 0, "", "signal", "trial", ours}, {2, 0, "", "no-signal", "trial", others}};
  Faults faults;
  SignalsAreCleared(history, faults);
  EXPECT_EQ(faults, Faults{"the signal still stands: trial{\"vmferry\":\"0123\"}"});
  history.push_back({3, 0, "", "no-signal", "trial", ours});
  faults.clear();
  SignalsAreCleared(history, faults);
  EXPECT_TRUE(faults.empty());
}

TEST(Checkers, NamesHaveTheirValuesAndTtlsBack) {
  const WorldData before = ExampleWorld(1);
  Faults faults;
  NamesAreAsBefore(before, before, faults);
  EXPECT_TRUE(faults.empty());
  WorldData now = before;
  now.dns.records.front().set.ttl = 1;
  NamesAreAsBefore(before, now, faults);
  EXPECT_EQ(faults.size(), 2U) << "what is gone, and what came";
  now.dns.records.clear();
  NamesAreAsBefore(before, now, faults);
  EXPECT_EQ(faults.size(), 3U);
}

TEST(Checkers, TheIntentOfACheckAllowsNothing) {
  EXPECT_EQ(FaultsAt(150, {At(100, EventKind::kIntent, 0, {{"effect", false}})}), 1U);
}

TEST(Checkers, WhatWasFoundIsNotUndone) {
  Faults faults;
  NothingFoundIsUndone({Intent(1, 2), Outcome(2, 2, "done"), At(3, EventKind::kUndoIntent, 2)}, faults);
  EXPECT_TRUE(faults.empty());
  NothingFoundIsUndone({At(1, EventKind::kFound, 2), At(3, EventKind::kUndoIntent, 2)}, faults);
  EXPECT_EQ(faults.size(), 1U);
}

TEST(Checkers, TheSourceKeepsItsDisksAndTheirBytes) {
  const WorldData before = ExampleWorld(1);
  Faults faults;
  SourceIsKept(before, before, faults);
  EXPECT_TRUE(faults.empty());
  WorldData now = before;
  now.vms.front().disks.front().content.Write(0, "other bytes");
  SourceIsKept(before, now, faults);
  now.vms.front().disks.pop_back();
  SourceIsKept(before, now, faults);
  now.vms.clear();
  SourceIsKept(before, now, faults);
  EXPECT_EQ(faults.size(), 3U);
}

TEST(Checkers, ATargetMayRunOnlyOnceAllSourcesAreOff) {
  std::vector<Fact> history{{1, 0, "", "source-off", "web1"}, {2, 0, "", "target-on", "web1"}};
  Faults faults;
  NeverTwo(history, 2, faults);
  EXPECT_EQ(faults.size(), 1U);
  history.insert(history.begin(), Fact{0, 0, "", "source-off", "db1"});
  faults.clear();
  NeverTwo(history, 2, faults);
  EXPECT_TRUE(faults.empty());
}

TEST(Checkers, TheOrderOfEffectsIsJudged) {
  const std::vector<Fact> history{{1, 0, "", "target-on", "web1", {{"on_network", true}}},
                                  {2, 0, "", "target-on", "web1", {{"on_network", true}}},
                                  {3, 0, "", "lb", "app/kvm", {{"state", "ready"}, {"machine_on", false}}},
                                  {4, 0, "", "volume-sealed", "vmferry/web1"},
                                  {5, 0, "", "volume-removed", "vmferry/web1"}};
  Faults faults;
  CheckHistory(history, 1, faults);
  EXPECT_EQ(faults.size(), 8U) << "both run at each of the five, twice on, traffic to nothing, a copy removed";
}

}  // namespace
}  // namespace vmferry
