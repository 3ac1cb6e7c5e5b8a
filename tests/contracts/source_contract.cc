// SPDX-License-Identifier: Apache-2.0
//
// Contract of every source platform: configuration, claims, fence, power, snapshots. Exports: export_contract.cc.
#include "tests/contracts/source_contract.h"

#include <algorithm>
#include <set>

#include "plugins/stream.h"

namespace vmferry::contracts {

VmFacts SourceContract::Facts() {
  Result<VmFacts> facts = Ask(source::kDescribeVm, VmQuery{vm_});
  EXPECT_GOOD(facts);
  return facts ? *facts : VmFacts{};
}

bool SourceContract::Claim(const std::string& claim) {
  const auto reply = Ask(source::kClaimVm, ClaimRequest{vm_, claim, Facts().change_version});
  EXPECT_GOOD(reply);
  return reply.ok();
}

bool SourceContract::Finish(const Call<PowerRequest, PowerReply>& call, const std::string& claim) {
  std::string task;
  bool failed = false;
  const auto look = [&] {
    const auto reply = Ask(call, PowerRequest{vm_, claim, task});
    EXPECT_GOOD(reply);
    failed = !reply;
    if (reply) task = reply->task;
    return failed || reply->done;
  };
  return Until(look, [&] { return harness_->Breathe(); }) && !failed;
}

TEST_P(SourceContract, PlatformSaysWhatItIs) {
  const auto facts = Ask(source::kDescribePlatform, PlatformQuery{});
  ASSERT_GOOD(facts);
  EXPECT_FALSE(facts->product.empty());
  EXPECT_FALSE(facts->api_version.empty());
}

TEST_P(SourceContract, VmIsDescribedInFull) {
  harness_->AwaitTools();
  const VmFacts facts = Facts();
  EXPECT_EQ(facts.path, vm_);
  EXPECT_EQ(facts.name, vm_.substr(vm_.rfind('/') + 1));
  EXPECT_EQ(facts.power, "on");
  EXPECT_EQ(facts.tools, "running");
  EXPECT_EQ(facts.claim, "");
  EXPECT_EQ(facts.fence, "");
  EXPECT_FALSE(facts.id.empty());
  EXPECT_FALSE(facts.change_version.empty());
  EXPECT_TRUE(facts.firmware == "bios" || facts.firmware == "efi") << facts.firmware;
  EXPECT_GT(facts.cpus, 0);
  EXPECT_GT(facts.memory_mib, 0);
}

TEST_P(SourceContract, DisksAndAdaptersAreDescribed) {
  const VmFacts facts = Facts();
  ASSERT_FALSE(facts.disks.empty());
  ASSERT_FALSE(facts.nics.empty());
  std::set<std::string> ids;
  for (const DiskFacts& disk : facts.disks) {
    ids.insert(disk.id);
    EXPECT_GT(disk.capacity_bytes, 0U);
    EXPECT_FALSE(disk.path.empty());
    EXPECT_FALSE(disk.controller.empty());
  }
  for (const NicFacts& nic : facts.nics) {
    ids.insert(nic.id);
    EXPECT_EQ(nic.mac.size(), 17U) << nic.mac;
    EXPECT_EQ(nic.mac.find_first_of("ABCDEF"), std::string::npos) << nic.mac;
    EXPECT_FALSE(nic.network.empty());
  }
  EXPECT_EQ(ids.size(), facts.disks.size() + facts.nics.size()) << "ids are unique within a VM";
}

TEST_P(SourceContract, ReadingTwiceGivesTheSame) {
  harness_->AwaitTools();
  EXPECT_EQ(Json(Facts()), Json(Facts()));
}

TEST_P(SourceContract, UniqueBareNameIsAccepted) {
  const auto facts = Ask(source::kDescribeVm, VmQuery{vm_.substr(vm_.rfind('/') + 1)});
  ASSERT_GOOD(facts);
  EXPECT_EQ(facts->path, vm_);
}

TEST_P(SourceContract, MissingVmIsNotFoundAndNamed) {
  const auto facts = Ask(source::kDescribeVm, VmQuery{"/no/such/vm7"});
  EXPECT_KIND(facts, ErrorKind::kNotFound);
  EXPECT_NE(facts.error().object.find("vm7"), std::string::npos) << Text(facts);
}

TEST_P(SourceContract, AmbiguousNameIsAConflictThatListsThePaths) {
  const std::string name = harness_->ambiguous_name();
  if (name.empty()) GTEST_SKIP() << "this system has no two VMs of one name";
  const auto facts = Ask(source::kDescribeVm, VmQuery{name});
  EXPECT_KIND(facts, ErrorKind::kConflict);
  const std::string text = Text(facts);
  const std::size_t first = text.find("/" + name);
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_NE(text.find("/" + name, first + 1), std::string::npos) << text;
}

TEST_P(SourceContract, ClaimStandsAndMayBeRepeated) {
  const ClaimRequest request{vm_, "run1/app/vm", Facts().change_version};
  ASSERT_GOOD(Ask(source::kClaimVm, request));
  EXPECT_EQ(Facts().claim, "run1/app/vm");
  const auto again = Ask(source::kClaimVm, request);
  ASSERT_GOOD(again);
  EXPECT_EQ(again->change_version, Facts().change_version);
  EXPECT_EQ(Facts().claim, "run1/app/vm");
}

TEST_P(SourceContract, VmOfAnotherRunCannotBeClaimed) {
  ASSERT_TRUE(Claim("run1/app/vm"));
  const auto other = Ask(source::kClaimVm, ClaimRequest{vm_, "run2/app/vm", Facts().change_version});
  EXPECT_KIND(other, ErrorKind::kConflict);
  EXPECT_NE(Text(other).find("run1/app/vm"), std::string::npos) << Text(other);
  EXPECT_EQ(Facts().claim, "run1/app/vm");
}

TEST_P(SourceContract, ClaimWithStaleConfigurationIsAConflict) {
  const std::string read = Facts().change_version;
  harness_->Reconfigure();
  EXPECT_KIND(Ask(source::kClaimVm, ClaimRequest{vm_, "run1/app/vm", read}), ErrorKind::kConflict);
  EXPECT_EQ(Facts().claim, "");
}

TEST_P(SourceContract, ReleaseEndsTheClaimAndMayBeRepeated) {
  const std::string migrated = Facts().migrated;  // what an earlier test left
  ASSERT_TRUE(Claim("run1/app/vm"));
  ASSERT_GOOD(Ask(source::kReleaseVm, ReleaseRequest{vm_, "run1/app/vm", ""}));
  EXPECT_EQ(Facts().claim, "");
  EXPECT_EQ(Facts().migrated, migrated);
  EXPECT_GOOD(Ask(source::kReleaseVm, ReleaseRequest{vm_, "run1/app/vm", ""}));
  EXPECT_TRUE(Claim("run2/app/vm"));
}

TEST_P(SourceContract, ClaimOfAnotherRunCannotBeReleased) {
  ASSERT_TRUE(Claim("run1/app/vm"));
  EXPECT_KIND(Ask(source::kReleaseVm, ReleaseRequest{vm_, "run2/app/vm", "run2"}), ErrorKind::kConflict);
  EXPECT_EQ(Facts().claim, "run1/app/vm");
  EXPECT_NE(Facts().migrated, "run2");
}

TEST_P(SourceContract, ReleaseMayLeaveWordThatTheVmMoved) {
  ASSERT_TRUE(Claim("run1/app/vm"));
  ASSERT_GOOD(Ask(source::kReleaseVm, ReleaseRequest{vm_, "run1/app/vm", "run1"}));
  EXPECT_EQ(Facts().claim, "");
  EXPECT_EQ(Facts().migrated, "run1");
}

TEST_P(SourceContract, FenceIsSetAndRestored) {
  ASSERT_TRUE(Claim("run1/app/vm"));
  const VmFacts before = Facts();
  SetNicStartRequest fence{vm_, "run1/app/vm", {}, "nics as they were"};
  SetNicStartRequest restore{vm_, "run1/app/vm", {}, ""};
  for (const NicFacts& nic : before.nics) {
    fence.nics.push_back({nic.id, false});
    restore.nics.push_back({nic.id, nic.start_connected});
  }
  ASSERT_GOOD(Ask(source::kSetNicStart, fence));
  ASSERT_GOOD(Ask(source::kSetNicStart, fence)) << "may be repeated";
  VmFacts fenced = Facts();
  EXPECT_EQ(fenced.fence, "nics as they were");
  EXPECT_EQ(fenced.claim, "run1/app/vm");
  for (const NicFacts& nic : fenced.nics) EXPECT_FALSE(nic.start_connected) << nic.label;
  ASSERT_GOOD(Ask(source::kSetNicStart, restore));
  VmFacts after = Facts();
  EXPECT_EQ(after.fence, "");
  EXPECT_EQ(Json(after.nics), Json(before.nics));
  EXPECT_EQ(Json(after.disks), Json(before.disks));
}

TEST_P(SourceContract, FenceNeedsTheClaim) {
  harness_->AwaitTools();
  ASSERT_TRUE(Claim("run1/app/vm"));
  const VmFacts before = Facts();
  const SetNicStartRequest fence{vm_, "run2/app/vm", {{before.nics.at(0).id, false}}, "mine"};
  EXPECT_KIND(Ask(source::kSetNicStart, fence), ErrorKind::kConflict);
  EXPECT_EQ(Json(Facts()), Json(before));
}

TEST_P(SourceContract, FenceOfAPoweredOffVmSurvivesPowerOn) {
  ASSERT_TRUE(Claim("run1/app/vm"));
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  SetNicStartRequest fence{vm_, "run1/app/vm", {}, "nics"};
  for (const NicFacts& nic : Facts().nics) fence.nics.push_back({nic.id, false});
  ASSERT_GOOD(Ask(source::kSetNicStart, fence));
  ASSERT_TRUE(Finish(source::kEnsurePoweredOn));
  const VmFacts facts = Facts();
  EXPECT_EQ(facts.fence, "nics");
  for (const NicFacts& nic : facts.nics) EXPECT_FALSE(nic.start_connected) << nic.label;
}

TEST_P(SourceContract, PowerIsSwitchedOffAndOnAgain) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  EXPECT_FALSE(harness_->PoweredOn());
  EXPECT_EQ(Facts().power, "off");
  auto again = Ask(source::kEnsurePoweredOff, PowerRequest{vm_, "", ""});
  ASSERT_GOOD(again);
  EXPECT_TRUE(again->done) << "off is off";
  EXPECT_EQ(again->power, "off");
  ASSERT_TRUE(Finish(source::kEnsurePoweredOn));
  EXPECT_TRUE(harness_->PoweredOn());
  EXPECT_EQ(Facts().power, "on");
  again = Ask(source::kEnsurePoweredOn, PowerRequest{vm_, "", ""});
  ASSERT_GOOD(again);
  EXPECT_TRUE(again->done) << "on is on";
}

TEST_P(SourceContract, ShutdownRequestTurnsTheVmOff) {
  harness_->AwaitTools();
  const auto asked = Ask(source::kRequestShutdown, PowerRequest{vm_, "", ""});
  ASSERT_GOOD(asked);
  ASSERT_TRUE(Until([&] { return Facts().power == "off"; }, [&] { return harness_->Breathe(); }));
  EXPECT_FALSE(harness_->PoweredOn());
  const auto again = Ask(source::kRequestShutdown, PowerRequest{vm_, "", ""});
  ASSERT_GOOD(again);
  EXPECT_TRUE(again->done);
  EXPECT_EQ(again->power, "off");
}

TEST_P(SourceContract, ShutdownWithoutGuestToolsIsInvalid) {
  if (!harness_->StopTools()) GTEST_SKIP() << "this system cannot stop the guest tools";
  EXPECT_KIND(Ask(source::kRequestShutdown, PowerRequest{vm_, "", ""}), ErrorKind::kInvalid);
  EXPECT_TRUE(harness_->PoweredOn());
}

TEST_P(SourceContract, PowerOfAnotherRunsVmIsNotTouched) {
  ASSERT_TRUE(Claim("run1/app/vm"));
  const PowerRequest foreign{vm_, "run2/app/vm", ""};
  EXPECT_KIND(Ask(source::kRequestShutdown, foreign), ErrorKind::kConflict);
  EXPECT_KIND(Ask(source::kEnsurePoweredOff, foreign), ErrorKind::kConflict);
  EXPECT_TRUE(harness_->PoweredOn());
  EXPECT_TRUE(Finish(source::kEnsurePoweredOff, "run1/app/vm"));
  EXPECT_KIND(Ask(source::kEnsurePoweredOn, foreign), ErrorKind::kConflict);
  EXPECT_FALSE(harness_->PoweredOn());
}

TEST_P(SourceContract, MissingVmIsNotFoundByWritesToo) {
  EXPECT_KIND(Ask(source::kClaimVm, ClaimRequest{"/no/such/vm7", "c", "1"}), ErrorKind::kNotFound);
  EXPECT_KIND(Ask(source::kEnsurePoweredOff, PowerRequest{"/no/such/vm7", "", ""}), ErrorKind::kNotFound);
  EXPECT_KIND(Ask(source::kEnsureSnapshot, SnapshotRequest{"/no/such/vm7", "s", "k"}), ErrorKind::kNotFound);
}

TEST_P(SourceContract, SnapshotIsFoundAgainByItsKey) {
  const SnapshotRequest request{vm_, "vmferry", "key1"};
  const auto made = Ask(source::kEnsureSnapshot, request);
  ASSERT_GOOD(made);
  const auto again = Ask(source::kEnsureSnapshot, request);
  ASSERT_GOOD(again);
  EXPECT_EQ(made->id, again->id);
  EXPECT_EQ(harness_->SnapshotCount(), 1);
  EXPECT_EQ(Facts().snapshots, std::vector<std::string>{"vmferry"});
  ASSERT_GOOD(Ask(source::kEnsureNoSnapshot, SnapshotRequest{vm_, "vmferry", "another key"}));
  EXPECT_EQ(harness_->SnapshotCount(), 1) << "another's snapshot stays";
  ASSERT_GOOD(Ask(source::kEnsureNoSnapshot, request));
  ASSERT_GOOD(Ask(source::kEnsureNoSnapshot, request)) << "may be repeated";
  EXPECT_EQ(harness_->SnapshotCount(), 0);
}

}  // namespace vmferry::contracts
