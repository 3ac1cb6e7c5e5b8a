// SPDX-License-Identifier: Apache-2.0
//
// final_data_sync and convert_image: what is copied, what is kept, and what happens when it goes wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "stage.h"
#include "state/digest.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class Sync : public testing::Test {
 protected:
  Sync() {
    stage.PlayUntil("final_data_sync");
    life = stage.LifeOf(step);
  }
  void ChangeWeb1(const std::function<void(FakeVm&)>& change) {
    stage.Change([&](WorldData& world) { change(*FindVmByPath(world, "/DC0/vm/web1")); });
  }
  Result<Progress> Run() { return stage.Finish(step, life); }
  Json Undo() {
    life.elapsed = milliseconds(0);
    const Result<Progress> end = stage.Finish(step, life, true);
    EXPECT_TRUE(end) << Describe(end.error());
    return end ? end->facts : Json();
  }
  std::vector<FakeVolume> Volumes() { return stage.Look().pools[0].volumes; }
  std::size_t SealedVolumes() {
    std::size_t sealed = 0;
    for (const FakeVolume& volume : Volumes()) sealed += volume.seal.empty() ? 0 : 1;
    return sealed;
  }

  const Step& step = *FindStep("final_data_sync");
  Stage stage;
  Life life;
};

TEST_F(Sync, CopiesEveryDiskAndSealsTheCopies) {
  ASSERT_TRUE(Run());
  const std::vector<FakeVolume> volumes = Volumes();
  ASSERT_EQ(volumes.size(), 3u);
  for (const std::string name : {"web1", "db1"}) {
    const FakeVm vm = stage.Vm(name);
    const Json& disks = life.facts["workloads"][name]["disks"];
    ASSERT_EQ(disks.size(), vm.disks.size());
    for (std::size_t i = 0; i < vm.disks.size(); ++i) {
      const WorldData world = stage.Look();
      const FakeVolume* copy = FindVolume(world, "images", disks[i]["volume"].get<std::string>());
      ASSERT_NE(copy, nullptr);
      EXPECT_TRUE(copy->content == vm.disks[i].content);
      EXPECT_EQ(copy->name, "shop-" + name + "-" + life.key.substr(0, 12) + "-disk" + std::to_string(i + 1) + ".raw");
      const Json seal = Json::parse(copy->seal);
      EXPECT_EQ(seal["key"], life.key);
      EXPECT_EQ(seal["vm"], "/DC0/vm/" + name);
      EXPECT_EQ(seal["instanceUuid"], vm.facts.instance_uuid);
      EXPECT_EQ(seal["sha256"], Sha256Hex(vm.disks[i].content.Read(0, vm.disks[i].facts.capacity_bytes)));
      EXPECT_EQ(seal["sha256"], disks[i]["sha256"]);
    }
  }
  EXPECT_EQ(life.facts["bytes"], 16 << 20);
  EXPECT_TRUE(stage.Look().leases.empty());
}

TEST_F(Sync, CopiesNoMoreAtOnceThanAllowed) {
  life.parameters["parallelDisks"] = 1;
  ASSERT_TRUE(Run());
  bool writing = false;
  for (const Fact& fact : stage.Look().history) {
    if (fact.effect != "volume-written" && fact.effect != "volume-sealed") continue;
    const bool starts = fact.effect == "volume-written" && !fact.detail["finished"].get<bool>();
    EXPECT_FALSE(starts && writing);
    writing = fact.effect != "volume-sealed";
  }
}

TEST_F(Sync, ReportsBytesOfAllDisks) {
  Result<Progress> progress = stage.Round(step, life);
  while (progress && progress->meter.unit != "bytes") progress = stage.Round(step, life);
  ASSERT_TRUE(progress) << Describe(progress.error());
  EXPECT_EQ(progress->meter.total, std::uint64_t{16} << 20);
  EXPECT_THAT(progress->meter.text, HasSubstr("of 3 disks finished"));
  ASSERT_TRUE(Run());
}

TEST_F(Sync, JournalsEachExportBeforeItIsUsed) {
  std::size_t open = 0;
  while (true) {
    const std::size_t handles = life.handle.is_object() ? life.handle["exports"].size() : 0;
    EXPECT_EQ(handles, open);
    const Result<Progress> progress = stage.Round(step, life);
    ASSERT_TRUE(progress) << Describe(progress.error());
    open = stage.Look().leases.size();
    if (progress->meter.unit == "bytes") break;
    EXPECT_TRUE(Volumes().empty());  // nothing is read before all exports are journaled
  }
  EXPECT_EQ(open, 2u);
}

TEST_F(Sync, RefusesAVmThatIsOn) {
  ChangeWeb1([](FakeVm& vm) { vm.facts.power = "on"; });
  const Result<Progress> end = Run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(end.error().message, HasSubstr("it is powered on"));
  EXPECT_TRUE(Volumes().empty());
}

TEST_F(Sync, RefusesAVmWithoutItsFence) {
  ChangeWeb1([](FakeVm& vm) { vm.facts.nics[0].start_connected = true; });
  const Result<Progress> end = Run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
}

TEST_F(Sync, RefusesDisksThatChangedMeanwhile) {
  ASSERT_TRUE(stage.Round(step, life));
  ChangeWeb1([](FakeVm& vm) { vm.disks.pop_back(); });
  const Result<Progress> end = Run();
  ASSERT_FALSE(end);
  EXPECT_THAT(end.error().message, HasSubstr("its disks changed since the copy began"));
}

TEST_F(Sync, GoesOnAfterACutConnectionAndKeepsFinishedCopies) {
  ChangeWeb1([](FakeVm& vm) { vm.cut_reads = 2, vm.cut_reads_after = 1 << 20; });
  ASSERT_TRUE(Run());
  EXPECT_EQ(SealedVolumes(), 3u);
  const WorldData world = stage.Look();
  const FakeVolume* copy = FindVolume(world, "images", life.facts["workloads"]["web1"]["disks"][0]["volume"]);
  EXPECT_TRUE(copy->content == stage.Vm("web1").disks[0].content);
}

TEST_F(Sync, ACutConnectionIsAnErrorThatIsSafeToRepeat) {
  ChangeWeb1([](FakeVm& vm) { vm.cut_reads = 1000, vm.cut_reads_after = 1 << 20; });
  Result<Progress> progress = stage.Round(step, life);
  while (progress && progress->state == Progress::State::kNotYet) progress = stage.Round(step, life);
  ASSERT_FALSE(progress);
  EXPECT_TRUE(SafeToRetry(progress.error()));
  EXPECT_THAT(progress.error().message, HasSubstr("connection reset"));
}

TEST_F(Sync, AFullPoolInMidCopyIsFinalAndFinishedCopiesStay) {
  life.parameters["parallelDisks"] = 1;
  stage.Change([](WorldData& world) { world.pools[0].others_fill_after = 14 << 10; });
  const Result<Progress> end = Run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kInvalid) << Describe(end.error());
  EXPECT_THAT(end.error().message, HasSubstr("the pool is full"));
  const std::size_t sealed = SealedVolumes();
  EXPECT_GT(sealed, 0u);
  const Json facts = Undo();
  EXPECT_EQ(facts["kept"].size(), sealed);
  EXPECT_EQ(SealedVolumes(), sealed);
  EXPECT_EQ(Volumes().size(), sealed);
  EXPECT_TRUE(stage.Look().leases.empty());
}

TEST_F(Sync, APoolThatFillsUpUnderAWriteLeavesNothingHalfMade) {
  stage.Change([](WorldData& world) { world.pools[0].others_fill_after = 1; });
  const Result<Progress> end = Run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kInvalid) << Describe(end.error());
  Undo();
  EXPECT_EQ(Volumes().size(), SealedVolumes());
}

TEST_F(Sync, UndoKeepsSealedCopiesAndNamesThem) {
  ASSERT_TRUE(Run());
  const Json facts = Undo();
  EXPECT_EQ(facts["kept"].size(), 3u);
  EXPECT_TRUE(facts["removed"].empty());
  EXPECT_EQ(SealedVolumes(), 3u);
}

TEST_F(Sync, UndoInMidCopyStopsWorkersAndLeavesNothing) {
  stage.Change([](WorldData& world) { world.bytes_per_second = 64 << 10; });
  Result<Progress> progress = stage.Round(step, life);
  while (progress && Volumes().empty()) progress = stage.Round(step, life);
  ASSERT_TRUE(progress) << Describe(progress.error());
  Undo();
  EXPECT_TRUE(Volumes().empty());
  EXPECT_TRUE(stage.Look().leases.empty());
}

TEST_F(Sync, UndoNeedsNoSourcePlatformFacts) {
  ASSERT_TRUE(stage.Round(step, life));
  stage.Change([](WorldData& world) { world.vms.clear(); });
  Undo();
  EXPECT_TRUE(stage.Look().leases.empty());
}

TEST_F(Sync, ObserveTellsRunningPartialAndDoneApart) {
  stage.Change([](WorldData& world) { world.bytes_per_second = 64 << 10; });
  EXPECT_EQ(stage.Observe(step, life)->verdict, Verdict::kNotStarted);
  while (Volumes().empty()) ASSERT_TRUE(stage.Round(step, life));
  EXPECT_EQ(stage.Observe(step, life)->verdict, Verdict::kRunning);
  stage.Crash();
  EXPECT_EQ(stage.Observe(step, life)->verdict, Verdict::kPartial);
  stage.Change([](WorldData& world) { world.bytes_per_second = 0; });
  ASSERT_TRUE(Run());
  EXPECT_EQ(stage.Observe(step, life)->verdict, Verdict::kDone);
}

TEST_F(Sync, AWorkerIsFoundAgainAndNotStartedTwice) {
  stage.Change([](WorldData& world) { world.bytes_per_second = 64 << 10; });
  while (Volumes().size() < 2) ASSERT_TRUE(stage.Round(step, life));
  for (int round = 0; round < 20; ++round) ASSERT_TRUE(stage.Round(step, life));
  std::size_t begun = 0;
  for (const Fact& fact : stage.Look().history) begun += fact.effect == "volume-created" ? 1 : 0;
  EXPECT_EQ(begun, 2u);  // parallelDisks
}

TEST_F(Sync, AfterACrashTheOldExportIsClosedAndFinishedDisksAreNotCopiedAgain) {
  life.parameters["parallelDisks"] = 1;
  stage.Change([](WorldData& world) { world.bytes_per_second = 16 << 20; });
  while (SealedVolumes() == 0) ASSERT_TRUE(stage.Round(step, life));
  const std::string old = life.handle["exports"]["web1"];
  stage.Crash();
  stage.Change([](WorldData& world) { world.bytes_per_second = 0; });
  ASSERT_TRUE(Run());
  int sealed = 0, closed = 0;
  for (const Fact& fact : stage.Look().history) {
    sealed += fact.effect == "volume-sealed" ? 1 : 0;
    closed += fact.effect == "export-closed" && fact.detail["why"] == "aborted" ? 1 : 0;
  }
  EXPECT_EQ(sealed, 3);
  EXPECT_EQ(closed, 2);
  EXPECT_TRUE(stage.Look().leases.empty());
}

TEST_F(Sync, AnOrphanedExportIsWaitedOut) {
  stage.Change([](WorldData& world) { world.leases.push_back({"lease-orphan", "/DC0/vm/web1", 3}); });
  const Result<Progress> first = stage.Round(step, life);
  ASSERT_TRUE(first) << Describe(first.error());
  EXPECT_EQ(first->state, Progress::State::kNotYet);
  EXPECT_THAT(first->meter.text, HasSubstr("waiting until VM /DC0/vm/web1 can be exported"));
  ASSERT_TRUE(Run());
}

TEST_F(Sync, ALostExportIsOpenedAgain) {
  stage.Change([](WorldData& world) { world.bytes_per_second = 4 << 20; });
  while (Volumes().empty()) ASSERT_TRUE(stage.Round(step, life));
  stage.Change([](WorldData& world) { world.leases.clear(), world.bytes_per_second = 0; });
  const Result<Progress> end = Run();
  ASSERT_TRUE(end) << Describe(end.error());
  EXPECT_EQ(SealedVolumes(), 3u);
}

TEST_F(Sync, TheFolderMethodNeedsNoExport) {
  life.parameters["method"] = "folder";
  ASSERT_TRUE(Run());
  for (const Fact& fact : stage.Look().history) EXPECT_NE(fact.effect, "export-open");
  EXPECT_EQ(SealedVolumes(), 3u);
}

TEST_F(Sync, DryRunTellsSizesAndAFullPool) {
  stage.Change([](WorldData& world) { world.pools[0].capacity_bytes = 15 << 20; });
  const Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  EXPECT_EQ(forecast->will, "copy 3 disks, 16 MiB, by nfc, 2 at once; pool images: 16 MiB of 15 MiB available");
  ASSERT_EQ(forecast->problems.size(), 1u);
  EXPECT_THAT(forecast->problems[0].message, HasSubstr("not enough space: 16 MiB needed, 15 MiB available"));
}

TEST(ConvertImage, MakesSealedQcow2CopiesAndLeavesTheRawOnes) {
  Stage stage;
  stage.PlayUntil("convert_image");
  const Json before = Picture(stage.Look())["volumes"];
  Life life = stage.LifeOf(*FindStep("convert_image"));
  ASSERT_TRUE(stage.Finish(*FindStep("convert_image"), life));
  const Json after = Picture(stage.Look())["volumes"];
  EXPECT_EQ(after.size(), 6u);
  for (const auto& [name, volume] : before.items()) EXPECT_EQ(after[name], volume);
  const Json& disk = life.facts["workloads"]["web1"]["disks"][1];
  EXPECT_EQ(disk["format"], "qcow2");
  EXPECT_EQ(disk["volume"], "shop-web1-" + life.key.substr(0, 12) + "-disk2.qcow2");
  EXPECT_EQ(after["images/" + disk["volume"].get<std::string>()]["sealed"], true);
  EXPECT_EQ(life.facts["workloads"]["web1"]["diskBus"], "virtio");
}

TEST(ConvertImage, RawIsDoneAsItIs) {
  Stage stage;
  stage.PlayUntil("convert_image");
  Life life = stage.LifeOf(*FindStep("convert_image"));
  life.parameters = {{"format", "raw"}, {"diskBus", "sata"}, {"nicModel", "e1000e"}};
  const Result<Observation> seen = stage.Observe(*FindStep("convert_image"), life);
  ASSERT_TRUE(seen) << Describe(seen.error());
  EXPECT_EQ(seen->verdict, Verdict::kDone);
  EXPECT_EQ(seen->evidence["workloads"]["db1"]["diskBus"], "sata");
  EXPECT_EQ(seen->evidence["workloads"]["db1"]["disks"][0]["format"], "raw");
}

TEST(ConvertImage, WithoutCopiesIsAClearError) {
  Stage stage;
  stage.PlayUntil("final_data_sync");
  Life life = stage.LifeOf(*FindStep("convert_image"));
  const Result<Progress> end = stage.Finish(*FindStep("convert_image"), life);
  ASSERT_FALSE(end);
  EXPECT_THAT(end.error().advice, HasSubstr("put final_data_sync before"));
}

}  // namespace
}  // namespace vmferry
