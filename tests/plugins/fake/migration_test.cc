// SPDX-License-Identifier: Apache-2.0
//
// A migration through the fake, by hand: a machine answers on the target only if its bytes were really carried there.
#include "tests/plugins/fake/fake_test_world.h"

namespace vmferry {
namespace {

class FakeMigration : public ::testing::Test {
 protected:
  FakeMigration() : test_(ExampleWorld(1)) {}

  void PowerOffSource() { ASSERT_TRUE(test_.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", ""}).ok()); }
  void CopyBoth() {
    for (const char* id : {"2000", "2001"}) {
      const Status copied = CopyDisk(test_, "web1", id, id);
      ASSERT_TRUE(copied.ok()) << Describe(copied.error());
    }
  }
  // Overlays over the copies, as the product boots them.
  void StartOnTarget(const std::string& format = "qcow2") {
    for (const std::string id : {"2000", "2001"}) {
      ASSERT_TRUE(test_.Ask(target::kConvertVolume, ConvertVolumeRequest{"vmferry", id, id + ".copy", "qcow2"}).ok());
      const EnsureVolumeRequest overlay{"vmferry", id + ".top", "qcow2", 64 << 20, id + ".copy", "qcow2"};
      ASSERT_TRUE(test_.Ask(target::kEnsureVolume, overlay).ok());
    }
    ASSERT_TRUE(test_.Ask(target::kEnsureDefined, TwoDiskDomain("web1", "2000.top", "2001.top", format)).ok());
    ASSERT_TRUE(test_.Ask(target::kEnsureRunning, DomainRequest{"web1", "key"}).ok());
  }
  void ExpectDead(const std::string& why) {
    const ProbeReply reply = test_.Probe("http://web1.kvm.example/healthz");
    EXPECT_FALSE(reply.healthy);
    EXPECT_EQ(reply.status, 0);
    EXPECT_NE(reply.why.find(why), std::string::npos) << reply.why;
  }

  FakeTestWorld test_;
};

TEST_F(FakeMigration, EveryAcknowledgedRecordIsOnTheTarget) {
  test_.Edit([](WorldData& world) { ASSERT_TRUE(PostRecord(world, "web1", "the last record").ok()); });
  const std::vector<std::string> before = test_.Records("/DC0/vm/web1");
  ASSERT_EQ(before.size(), 4U);
  PowerOffSource();
  CopyBoth();
  StartOnTarget();
  EXPECT_EQ(test_.Probe("http://web1.kvm.example/healthz").body, R"(answered by QEMU (web1) {"status":"ok"})");
  EXPECT_EQ(test_.Records("web1"), before);
  EXPECT_NE(test_.Probe("fake://domain/web1/records").body.find("the last record"), std::string::npos);
}

TEST_F(FakeMigration, PoweredOffMachineAcknowledgesNothing) {
  PowerOffSource();
  test_.Edit([](WorldData& world) { EXPECT_FALSE(PostRecord(world, "web1", "too late").ok()); });
  EXPECT_EQ(test_.Records("/DC0/vm/web1").size(), 3U);
}

TEST_F(FakeMigration, HalfCopiedDiskDoesNotBoot) {
  PowerOffSource();
  ASSERT_TRUE(CopyDisk(test_, "web1", "2000", "2000").ok());
  ASSERT_TRUE(CopyDisk(test_, "web1", "2001", "2001", 3).ok());
  StartOnTarget();
  ExpectDead("disk 2: its content does not match its digest");
}

TEST_F(FakeMigration, DisksInTheWrongOrderDoNotBoot) {
  PowerOffSource();
  ASSERT_TRUE(CopyDisk(test_, "web1", "2000", "2001").ok());
  ASSERT_TRUE(CopyDisk(test_, "web1", "2001", "2000").ok());
  StartOnTarget();
  ExpectDead("wrong order");
}

TEST_F(FakeMigration, WrongFormatInTheDefinitionDoesNotBoot) {
  PowerOffSource();
  CopyBoth();
  StartOnTarget("raw");
  ExpectDead("is qcow2, not raw");
}

TEST_F(FakeMigration, CopyIsFinishedFromTheMiddleAfterACut) {
  test_.Edit([](WorldData& world) {
    world.vms[0].cut_reads_after = 30 << 20;
    world.vms[0].cut_reads = 1;
  });
  PowerOffSource();
  const Status cut = CopyDisk(test_, "web1", "2000", "2000");
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(cut.error().message.find("connection reset"), std::string::npos) << Describe(cut.error());
  ASSERT_TRUE(CopyDisk(test_, "web1", "2000", "2000", 1 << 30, 24 << 20).ok());
  ASSERT_TRUE(CopyDisk(test_, "web1", "2001", "2001").ok());
  StartOnTarget();
  EXPECT_TRUE(test_.Probe("http://web1.kvm.example/healthz").healthy);
}

TEST_F(FakeMigration, PowerLossTakesWhatWasNotFinishedAndNothingElse) {
  PowerOffSource();
  ASSERT_TRUE(CopyDisk(test_, "web1", "2000", "2000").ok());
  ASSERT_TRUE(CopyDisk(test_, "web1", "2001", "2001").ok());
  ASSERT_TRUE(CopyDisk(test_, "web1", "2001", "2001", 3, 32 << 20).ok());
  test_.Edit([](WorldData& world) {
    LoseUnfinished(world);
    EXPECT_TRUE(FindVolume(world, "vmferry", "2000")->content == world.vms[0].disks[0].content);
    SparseBytes half = world.vms[0].disks[1].content;
    half.Truncate(32 << 20);
    EXPECT_TRUE(FindVolume(world, "vmferry", "2001")->content == half);
  });
}

TEST_F(FakeMigration, PoolThatFillsUpInMidCopyIsToldWithSizes) {
  test_.Edit([](WorldData& world) { world.pools[0].others_fill_after = 40 << 10; });
  PowerOffSource();
  const Status full = CopyDisk(test_, "web1", "2000", "2000");
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(full.error().message.find("107374182400"), std::string::npos) << Describe(full.error());
}

TEST_F(FakeMigration, RecordsWrittenOnTheTargetStayOutOfTheSealedCopyUntilTheMerge) {
  PowerOffSource();
  CopyBoth();
  StartOnTarget();
  const auto copy = [&] {
    const WorldData world = test_.world->Copy();
    return FindVolume(world, "vmferry", "2000.copy")->content.DigestFrom(0);
  };
  const std::string before = copy();
  test_.Edit([](WorldData& world) { ASSERT_TRUE(PostRecord(world, "web1", "written on the target").ok()); });
  EXPECT_EQ(copy(), before);
  EXPECT_TRUE(test_.Probe("http://web1.kvm.example/healthz").healthy);
  const auto merged = test_.Ask(target::kMergeOverlays, DomainRequest{"web1", "key"});
  ASSERT_TRUE(merged.ok() && merged->done);
  EXPECT_NE(copy(), before);
  EXPECT_EQ(test_.Records("web1").back(), "written on the target");
  EXPECT_TRUE(test_.Probe("http://web1.kvm.example/healthz").healthy);
}

TEST_F(FakeMigration, FencedSourceThatIsPoweredOnIsNotOnTheNetwork) {
  const auto facts = test_.Ask(source::kDescribeVm, VmQuery{"web1"});
  ASSERT_TRUE(facts.ok());
  ASSERT_TRUE(test_.Ask(source::kClaimVm, ClaimRequest{"web1", "c", facts->change_version}).ok());
  PowerOffSource();
  ASSERT_TRUE(test_.Ask(source::kSetNicStart, SetNicStartRequest{"web1", "c", {{"4000", false}}, "f"}).ok());
  ASSERT_TRUE(test_.Ask(source::kEnsurePoweredOn, PowerRequest{"web1", "c", ""}).ok());
  EXPECT_FALSE(test_.Probe("http://web1.vmware.example/healthz").healthy);
  const Fact last = test_.world->Copy().history.back();
  EXPECT_EQ(last.effect, "source-on");
  EXPECT_EQ(last.detail.at("on_network"), false);
}

TEST_F(FakeMigration, LoadBalancerFollowsItsStatesAndTheMachines) {
  const std::string url = "http://customer-analytics-api.example/whoami";
  EXPECT_EQ(test_.Probe(url).body, R"(answered by VMware (web1) {"status":"ok"})");
  PowerOffSource();
  EXPECT_EQ(test_.Probe(url).status, 503);
  CopyBoth();
  StartOnTarget();
  EXPECT_EQ(test_.Probe(url).status, 503) << "kvm is in maintenance";
  ASSERT_TRUE(test_.Ask(load_balancer::kSetServer, SetServerRequest{"app", "kvm", "ready", -1}).ok());
  EXPECT_EQ(test_.Probe(url).body, R"(answered by QEMU (web1) {"status":"ok"})");
}

TEST_F(FakeMigration, SickOnTheTargetAnswers503ThereOnly) {
  test_.Edit([](WorldData& world) { world.guests["web1"].sick_on_target = true; });
  EXPECT_TRUE(test_.Probe("http://web1.vmware.example/healthz").healthy);
  PowerOffSource();
  CopyBoth();
  StartOnTarget();
  EXPECT_EQ(test_.Probe("http://web1.kvm.example/healthz").status, 503);
}

TEST_F(FakeMigration, HistoryTellsEveryEffectOnceAndInOrder) {
  PowerOffSource();
  PowerOffSource();
  ASSERT_TRUE(CopyDisk(test_, "web1", "2000", "2000").ok());
  ASSERT_TRUE(test_.Ask(target::kSealVolume, SealVolumeRequest{"vmferry", "2000", R"({"key":"k"})"}).ok());
  ASSERT_TRUE(test_.Ask(target::kSealVolume, SealVolumeRequest{"vmferry", "2000", R"({"key":"k"})"}).ok());
  ASSERT_TRUE(test_.Ask(load_balancer::kSetServer, SetServerRequest{"app", "vmware", "drain", -1}).ok());
  ASSERT_TRUE(test_.Ask(source::kEnsurePoweredOn, PowerRequest{"web1", "", ""}).ok());
  EXPECT_EQ(test_.Effects(),
            (std::vector<std::string>{"source-off /DC0/vm/web1", "volume-created vmferry/2000",
                                      "volume-written vmferry/2000", "volume-written vmferry/2000",
                                      "volume-sealed vmferry/2000", "lb app/vmware", "source-on /DC0/vm/web1"}));
}

}  // namespace
}  // namespace vmferry
