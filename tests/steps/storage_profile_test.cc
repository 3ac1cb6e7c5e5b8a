// SPDX-License-Identifier: Apache-2.0
//
// attach_target_storage_profile, and how what it attaches arrives in the domain and goes again at commit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "stage.h"
#include "steps/contradictions.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

class StorageProfileStep : public testing::Test {
 protected:
  StorageProfileStep() {
    stage.PlayUntil("attach_target_storage_profile");
    life = stage.LifeOf(step, "web1");
  }
  void ExpectRefused(ErrorKind kind, const std::string& object, const std::string& why, const std::string& advice) {
    const Json before = Picture(stage.Look());
    const Result<Progress> end = stage.Finish(step, life);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().kind, kind) << Describe(end.error());
    EXPECT_THAT(end.error().object, HasSubstr(object));
    EXPECT_THAT(end.error().message, HasSubstr(why));
    EXPECT_THAT(end.error().advice, HasSubstr(advice));
    EXPECT_EQ(Picture(stage.Look()), before);
  }
  std::vector<std::string> Reserves() {
    std::vector<std::string> names;
    const WorldData world = stage.Look();
    for (const FakeVolume& volume : world.pools[0].volumes)
      if (volume.name.ends_with(kReserveSuffix)) names.push_back(volume.name);
    return names;
  }

  const Step& step = *FindStep("attach_target_storage_profile");
  Stage stage;
  Life life;
};

TEST_F(StorageProfileStep, ReservesItsShareOfTheDisksSize) {
  ASSERT_TRUE(stage.Finish(step, life));
  ASSERT_EQ(Reserves().size(), 1u);
  EXPECT_THAT(Reserves()[0], testing::MatchesRegex("shop-web1-[0-9a-f]{12}\\.reserve"));
  WorldData world = stage.Look();
  EXPECT_EQ(FindVolume(world, "images", Reserves()[0])->capacity_bytes, 6u << 20);  // half of 8 and 4 MiB
  EXPECT_EQ(life.facts["reservations"][0]["bytes"], 6u << 20);
  EXPECT_EQ(life.facts["cache"], "none");
}

TEST_F(StorageProfileStep, WithoutReserveThereIsNothingToDoOrUndo) {
  life.parameters["reservePercent"] = 0;
  const Result<Observation> seen = stage.Observe(step, life);
  ASSERT_TRUE(seen) << Describe(seen.error());
  EXPECT_EQ(seen->verdict, Verdict::kDone);
  EXPECT_EQ(seen->evidence["io"], "native");
  ASSERT_TRUE(stage.Finish(step, life));
  EXPECT_TRUE(Reserves().empty());
}

TEST_F(StorageProfileStep, RefusesAPoolWithoutThatRoom) {
  stage.Change([](WorldData& world) {
    FakePool& pool = world.pools[0];
    pool.others_use_bytes = 0;
    pool.others_use_bytes = pool.capacity_bytes - UsedBytes(pool) - (6 << 20) + 1;
  });
  ExpectRefused(ErrorKind::kInvalid, "pool images", "not enough room to reserve 6 MiB", "reservePercent");
}

TEST_F(StorageProfileStep, CountsWhatOthersReserved) {
  stage.Change([](WorldData& world) {
    FakePool& pool = world.pools[0];
    FakeVolume other;
    other.name = "billing1-0123456789ab.reserve";
    other.format = "raw";
    other.capacity_bytes = pool.capacity_bytes - UsedBytes(pool) - (6 << 20) + 1;
    pool.volumes.push_back(other);
  });
  ExpectRefused(ErrorKind::kInvalid, "pool images", "are reserved for others", "commit what was moved there before");
}

// Another run looks at the same time and reserves a moment before us.
TEST_F(StorageProfileStep, GivesBackWhatTwoRunsReservedAtOnce) {
  stage.BeforeCalls([this](const CallSpec& call) {
    if (call.name != "EnsureVolume") return;
    stage.Change([](WorldData& world) {
      FakePool& pool = world.pools[0];
      FakeVolume other;
      other.name = "billing1-0123456789ab.reserve";
      other.format = "raw";
      other.capacity_bytes = pool.capacity_bytes - UsedBytes(pool) - (1 << 20);
      pool.volumes.push_back(other);
    });
  });
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_FALSE(end);
  EXPECT_THAT(end.error().message, HasSubstr("not enough room to reserve 6 MiB"));
  EXPECT_EQ(Reserves(), std::vector<std::string>{"billing1-0123456789ab.reserve"});
}

TEST_F(StorageProfileStep, RefusesDisksInAnotherPool) {
  life.parameters["storagePools"] = {"gold", "silver"};
  ExpectRefused(ErrorKind::kInvalid, "volume images/shop-web1-",
                "lies in pool images, and the profile is for gold and silver", "storage mapping");
  const Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  ASSERT_FALSE(forecast->problems.empty());
  EXPECT_THAT(forecast->problems[0].message, HasSubstr("lies in pool images, and the profile is for gold and silver"));
}

TEST_F(StorageProfileStep, RefusesVolumesThatAreNoFinishedCopies) {
  stage.Change([](WorldData& world) {
    for (FakeVolume& volume : world.pools[0].volumes) volume.seal.clear();
  });
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(end.error().message, HasSubstr("carries no seal"));
}

TEST_F(StorageProfileStep, RefusesUnsafeUnlessDeclaredAndNativeWithTheHostsCache) {
  life.parameters["cache"] = "unsafe";
  life.parameters["io"] = "threads";
  ExpectRefused(ErrorKind::kInvalid, "attach_target_storage_profile", "`cache: unsafe` ignores the guest's flushes",
                "allowUnsafe: true");
  life = stage.LifeOf(step, "web1");
  life.parameters["cache"] = "writeback";
  ExpectRefused(ErrorKind::kInvalid, "attach_target_storage_profile", "`io: native` needs `cache: none`",
                "change `io`");
  life = stage.LifeOf(step, "web1");
  life.parameters.update({{"cache", "unsafe"}, {"io", "threads"}, {"allowUnsafe", true}});
  EXPECT_TRUE(stage.Finish(step, life));
}

TEST_F(StorageProfileStep, TheDomainIsDefinedWithItAndUndoTakesTheRoomBack) {
  life.parameters.update({{"cache", "directsync"}, {"discard", "ignore"}, {"io", "native"}});
  ASSERT_TRUE(stage.Finish(step, life));
  const Step& power_on = *FindStep("power_on_target");
  Life on = stage.LifeOf(power_on);
  const Result<Progress> end = stage.Finish(power_on, on);
  ASSERT_TRUE(end) << Describe(end.error());
  WorldData world = stage.Look();
  for (const DomainDiskSpec& disk : FindDomain(world, "shop-web1")->spec.disks) {
    EXPECT_EQ(disk.cache, "directsync");
    EXPECT_EQ(disk.discard, "ignore");
    EXPECT_EQ(disk.io, "native");
  }
  EXPECT_EQ(end->facts["workloads"]["web1"]["storage"][0]["cache"], "directsync");
  for (const DomainDiskSpec& disk : FindDomain(world, "shop-db1")->spec.disks) EXPECT_EQ(disk.cache, "");
  ASSERT_TRUE(stage.Finish(power_on, on, true));
  ASSERT_TRUE(stage.Finish(step, life, true));
  EXPECT_TRUE(Reserves().empty());
}

// Somebody edits the definition, or the site's extra XML undoes it: nothing is started.
TEST_F(StorageProfileStep, NothingStartsIfTheProfileDidNotArrive) {
  ASSERT_TRUE(stage.Finish(step, life));
  stage.BeforeCalls([this](const CallSpec& call) {
    if (call.name != "DescribeDomain") return;
    stage.Change([](WorldData& world) {
      for (FakeDomain& domain : world.domains) domain.spec.disks[0].cache = "writeback";
    });
  });
  const Step& power_on = *FindStep("power_on_target");
  Life on = stage.LifeOf(power_on);
  const Result<Progress> end = stage.Finish(power_on, on);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(end.error().message, HasSubstr("cache writeback instead of none"));
  for (const FakeDomain& domain : stage.Look().domains) EXPECT_NE(domain.state, "running");
}

TEST(StorageProfile, CommitGivesTheRoomBack) {
  Stage stage;
  stage.PlayUntil("merge_overlay");
  const auto reserved = [&stage] {
    int count = 0;
    const WorldData world = stage.Look();
    for (const FakeVolume& volume : world.pools[0].volumes) count += volume.name.ends_with(kReserveSuffix);
    return count;
  };
  EXPECT_EQ(reserved(), 2);
  for (const char* workload : {"web1", "db1"}) {
    Life life = stage.LifeOf(*FindStep("merge_overlay"), workload);
    ASSERT_TRUE(stage.Finish(*FindStep("merge_overlay"), life));
  }
  EXPECT_EQ(reserved(), 0);
}

TEST(PowerOnTarget, EveryNicPassesTheDeclaredFilter) {
  Stage stage;
  stage.PlayUntil("power_on_target");
  const Step& step = *FindStep("power_on_target");
  Life life = stage.LifeOf(step);
  life.parameters["networkFilter"] = "shop";
  ASSERT_TRUE(stage.Finish(step, life));
  WorldData world = stage.Look();
  EXPECT_EQ(FindDomain(world, "shop-web1")->spec.nics.at(0).filter, "shop");
}

TEST(Contradictions, AreNoneForTheStandards) {
  EXPECT_TRUE(Contradictions("attach_target_storage_profile", {{"storagePools", {"a"}}}).empty());
  EXPECT_EQ(Contradictions("attach_target_storage_profile", {{"storagePools", Json::array()}}).size(), 1u);
  EXPECT_EQ(Contradictions("attach_target_storage_profile", {{"storagePools", {"a"}}, {"reservePercent", 101}}).size(),
            1u);
  EXPECT_TRUE(Contradictions("vm_exists", Json::object()).empty());
}

}  // namespace
}  // namespace vmferry
