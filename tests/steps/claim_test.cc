// SPDX-License-Identifier: Apache-2.0
//
// claim_source and release_source: one owner, from the first effect to the mark left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stage.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

void ChangeWeb1(Stage& stage, const std::function<void(FakeVm&)>& change) {
  stage.Change([&](WorldData& world) { change(*FindVmByPath(world, "/DC0/vm/web1")); });
}

TEST(ClaimSource, RefusesTheVmOfAnotherRunBeforeAnyIntent) {
  Stage stage;
  ChangeWeb1(stage, [](FakeVm& vm) { vm.facts.claim = "r-other/shop/web1"; });
  const Life life = stage.LifeOf(*FindStep("claim_source"), "web1");
  const Result<Observation> seen = stage.Observe(*FindStep("claim_source"), life);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(seen.error().message, HasSubstr("claimed by run r-other"));
  EXPECT_THAT(seen.error().advice, HasSubstr("vmferry rollback r-other"));
}

TEST(ClaimSource, RefusesAVmThatWasMigrated) {
  Stage stage;
  ChangeWeb1(stage, [](FakeVm& vm) { vm.facts.migrated = "r-old shop-web1 on kvm"; });
  const Result<Observation> seen =
      stage.Observe(*FindStep("claim_source"), stage.LifeOf(*FindStep("claim_source"), "web1"));
  ASSERT_FALSE(seen);
  EXPECT_THAT(seen.error().message, HasSubstr("already migrated (r-old shop-web1 on kvm)"));
}

TEST(ClaimSource, LosesTheRaceWithoutTouchingTheOthersClaim) {
  Stage stage;
  const Step& step = *FindStep("claim_source");
  Life life = stage.LifeOf(step, "web1");
  life.before = stage.Observe(step, life)->before;
  ChangeWeb1(stage, [](FakeVm& vm) { vm.facts.claim = "r-other/shop/web1"; });
  const Result<Progress> progress = stage.Round(step, life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().kind, ErrorKind::kConflict);
  const Result<Observation> settled = step.Observe(stage.Context(life, true));  // as recovery asks, after the intent
  ASSERT_TRUE(settled) << Describe(settled.error());
  EXPECT_EQ(settled->verdict, Verdict::kNotStarted);
  const Result<Progress> undone = stage.Finish(step, life, true);
  ASSERT_TRUE(undone) << Describe(undone.error());
  EXPECT_EQ(stage.Vm("web1").facts.claim, "r-other/shop/web1");
}

TEST(ClaimSource, WritesRunApplicationAndWorkload) {
  Stage stage;
  Life life = stage.LifeOf(*FindStep("claim_source"), "web1");
  ASSERT_TRUE(stage.Finish(*FindStep("claim_source"), life));
  EXPECT_EQ(stage.Vm("web1").facts.claim, "r-20260301-7f3a9c/shop/web1");
}

TEST(ReleaseSource, LeavesTheMarkAndTheFence) {
  Stage stage;
  stage.PlayUntil("release_source");
  Life life = stage.LifeOf(*FindStep("release_source"), "web1");
  const std::string fence = stage.Vm("web1").facts.fence;
  ASSERT_FALSE(fence.empty());
  ASSERT_TRUE(stage.Finish(*FindStep("release_source"), life));
  const FakeVm vm = stage.Vm("web1");
  EXPECT_EQ(vm.facts.claim, "");
  EXPECT_EQ(vm.facts.migrated, "r-20260301-7f3a9c shop-web1 on kvm");
  EXPECT_EQ(vm.facts.fence, fence);
  EXPECT_EQ(vm.facts.power, "off");
  EXPECT_FALSE(vm.facts.nics[0].start_connected);
}

TEST(ReleaseSource, RefusesWhenTheFenceIsBroken) {
  Stage stage;
  stage.PlayUntil("release_source");
  ChangeWeb1(stage, [](FakeVm& vm) { vm.facts.nics[0].start_connected = true; });
  Life life = stage.LifeOf(*FindStep("release_source"), "web1");
  const Result<Progress> progress = stage.Finish(*FindStep("release_source"), life);
  ASSERT_FALSE(progress);
  EXPECT_THAT(progress.error().message, HasSubstr("connects at power-on"));
}

}  // namespace
}  // namespace vmferry
