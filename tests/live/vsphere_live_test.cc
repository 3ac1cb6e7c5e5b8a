// SPDX-License-Identifier: Apache-2.0
//
// The session, the inventory, claims, fences, power and snapshots; see vsphere_live.h.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/live/vsphere_live.h"

namespace vmferry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(VsphereLive, PlatformTellsItsProductVersionAndOurUser) {
  auto facts = Ask(source::kDescribePlatform, PlatformQuery{});
  ASSERT_GOOD(facts);
  EXPECT_THAT(facts->product, HasSubstr("VMware"));
  EXPECT_FALSE(facts->api_version.empty());
  EXPECT_THAT(facts->user, HasSubstr(env_["VC_USER"]));
}

TEST_F(VsphereLive, WrongPasswordIsDeniedInThePlatformsWordsAndNotShown) {
  plugin_ = Make(Settings(), [](const std::string&) -> Result<std::string> { return std::string("wr<o>n&g-secret"); });
  auto facts = Ask(source::kDescribePlatform, PlatformQuery{});
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kDenied);
  EXPECT_THAT(Describe(facts.error()), HasSubstr("InvalidLogin"));
  EXPECT_THAT(Describe(facts.error()), HasSubstr("user lab"));
  EXPECT_THAT(Describe(facts.error()), Not(HasSubstr("secret")));
  Control("DELETE", "/calls");
  EXPECT_FALSE(Ask(source::kDescribePlatform, PlatformQuery{}).ok());
  EXPECT_EQ(Calls("Login"), 0) << "a refused password was sent again at once";
  plugin_ = Make(Settings());
}

TEST_F(VsphereLive, PinnedThumbprintIsTrustedWithoutCa) {
  Json settings = Settings();
  settings.erase("caFile");
  settings["thumbprint"] = env_["VC_THUMBPRINT"];
  plugin_ = Make(settings);
  EXPECT_GOOD(Ask(source::kDescribePlatform, PlatformQuery{}));
}

TEST_F(VsphereLive, UntrustedCertificateIsDeniedWithItsThumbprint) {
  Json settings = Settings();
  settings.erase("caFile");
  auto facts = Invoke(*Make(settings), source::kDescribePlatform, PlatformQuery{}, CallContext{});
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kDenied);
  EXPECT_THAT(facts.error().message, HasSubstr("not trusted"));
  EXPECT_THAT(facts.error().message, HasSubstr(env_["VC_THUMBPRINT"]));
  EXPECT_THAT(facts.error().advice, HasSubstr("caFile"));
}

TEST_F(VsphereLive, OtherCertificateThanThePinnedIsDenied) {
  Json settings = Settings();
  settings["thumbprint"] = std::string(64, 'a');
  auto facts = Invoke(*Make(settings), source::kDescribePlatform, PlatformQuery{}, CallContext{});
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kDenied);
  EXPECT_THAT(facts.error().message, HasSubstr(env_["VC_THUMBPRINT"]));
}

TEST_F(VsphereLive, HostThatRefusesConnectionsIsUnavailable) {
  Json settings = Settings();
  settings["url"] = "https://127.0.0.1:1/sdk";
  auto facts = Invoke(*Make(settings), source::kDescribePlatform, PlatformQuery{}, CallContext{});
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(facts.error().message, HasSubstr("refused"));
}

TEST_F(VsphereLive, VmIsFoundByPathWithItsHardware) {
  auto facts = Ask(source::kDescribeVm, VmQuery{App(2)});
  ASSERT_GOOD(facts);
  EXPECT_EQ(facts->path, App(2));
  EXPECT_EQ(facts->name, "app2");
  EXPECT_EQ(facts->power, "off");
  EXPECT_EQ(facts->firmware, "bios");
  EXPECT_EQ(facts->cpus, 1);
  EXPECT_GT(facts->memory_mib, 0);
  EXPECT_FALSE(facts->instance_uuid.empty());
  EXPECT_FALSE(facts->bios_uuid.empty());
  EXPECT_FALSE(facts->host.empty());
  EXPECT_FALSE(facts->change_version.empty());
  ASSERT_EQ(facts->disks.size(), 2U);
  EXPECT_EQ(facts->disks[0].controller, "pvscsi");
  EXPECT_EQ(facts->disks[1].unit, 1);
  EXPECT_EQ(facts->disks[1].capacity_bytes, 64U << 20);
  EXPECT_THAT(facts->disks[0].path, HasSubstr("[" + env_["VC_DATASTORE"] + "] "));
  ASSERT_EQ(facts->nics.size(), 1U);
  EXPECT_EQ(facts->nics[0].adapter, "vmxnet3");
  EXPECT_EQ(facts->nics[0].network, env_["VC_NETWORK"]);
  EXPECT_EQ(facts->nics[0].mac, Seen(App(2))["cards"][0]["mac"]);
}

TEST_F(VsphereLive, BareNameIsFoundAcrossPagesWhenUnique) {
  auto facts = Ask(source::kDescribeVm, VmQuery{"app2"});
  ASSERT_GOOD(facts);
  EXPECT_EQ(facts->path, App(2));
  EXPECT_GT(Calls("ContinueRetrievePropertiesEx"), 0) << "the lab must be started with -page-size 1";
}

TEST_F(VsphereLive, NameThatSeveralVmsHaveIsAConflictListingTheirPaths) {
  auto facts = Ask(source::kDescribeVm, VmQuery{"app1"});
  if (env_["VC_DATACENTER"] == "ha-datacenter") {  // an ESXi host has no folders and so no two VMs of a name
    ASSERT_GOOD(facts);
    EXPECT_EQ(facts->path, App(1));
    return;
  }
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(facts.error().message, HasSubstr(App(1)));
  EXPECT_THAT(facts.error().message, HasSubstr(env_["APP1_DUPLICATE_VM_PATH"]));
}

TEST_F(VsphereLive, MissingVmIsNotFoundByPathAndByName) {
  for (const std::string& name : {"/" + env_["VC_DATACENTER"] + "/vm/nobody", std::string("nobody")}) {
    auto facts = Ask(source::kDescribeVm, VmQuery{name});
    ASSERT_FALSE(facts.ok());
    EXPECT_EQ(facts.error().kind, ErrorKind::kNotFound);
    EXPECT_EQ(facts.error().object, "VM " + name);
  }
  auto folder = Ask(source::kDescribeVm, VmQuery{"/" + env_["VC_DATACENTER"] + "/vm"});
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().kind, ErrorKind::kInvalid);
}

TEST_F(VsphereLive, ForgottenSessionIsRenewedWithoutTheCallerSeeingIt) {
  ASSERT_GOOD(Ask(source::kDescribeVm, VmQuery{App(1)}));
  Control("DELETE", "/sessions");
  Control("DELETE", "/calls");
  EXPECT_GOOD(Ask(source::kDescribeVm, VmQuery{App(1)}));
  EXPECT_EQ(Calls("Login"), 1);
}

TEST_F(VsphereLive, SessionLostBetweenPagesOrWithAViewIsRenewed) {
  for (const char* method : {"ContinueRetrievePropertiesEx", "RetrievePropertiesEx", "CreateContainerView"}) {
    Rule(method, "expire");
    auto facts = Ask(source::kDescribeVm, VmQuery{"app2"});
    EXPECT_TRUE(facts.ok()) << method << ": " << Describe(facts.error());
  }
}

TEST_F(VsphereLive, WriteOfAForgottenSessionIsReplayedOnce) {
  ASSERT_GOOD(Ask(source::kDescribeVm, VmQuery{App(1)}));
  Rule("ReconfigVM_Task", "expire");
  Control("DELETE", "/calls");
  auto claimed = Ask(source::kClaimVm, {App(1), "run1/shop/app1", ""});
  ASSERT_GOOD(claimed);
  EXPECT_EQ(Calls("ReconfigVM_Task"), 2);
  EXPECT_EQ(Seen(App(1))["extra_config"]["vmferry.claim"], "run1/shop/app1");
}

TEST_F(VsphereLive, ManyThreadsShareOneLogin) {
  ASSERT_GOOD(Ask(source::kDescribePlatform, PlatformQuery{}));
  Control("DELETE", "/sessions");
  Control("DELETE", "/calls");
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back(
        [this, &good, vm = App(1 + i % 3)] { good += Ask(source::kDescribeVm, VmQuery{vm}).ok() ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
  EXPECT_EQ(Calls("Login"), 1);
}

TEST_F(VsphereLive, ClaimIsTakenOnceAndRefusedToOthers) {
  auto before = Ask(source::kDescribeVm, VmQuery{App(1)});
  ASSERT_GOOD(before);
  const std::string claim = "run-1/a<&>\"'/app1";
  auto claimed = Ask(source::kClaimVm, {App(1), claim, before->change_version});
  ASSERT_GOOD(claimed);
  EXPECT_NE(claimed->change_version, before->change_version);
  EXPECT_EQ(Ask(source::kDescribeVm, VmQuery{App(1)})->claim, claim);
  EXPECT_GOOD(Ask(source::kClaimVm, {App(1), claim, before->change_version}));
  auto other = Ask(source::kClaimVm, {App(1), "run-2/x/app1", ""});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(other.error().message, HasSubstr(claim));
  EXPECT_EQ(Ask(source::kReleaseVm, {App(1), "run-2/x/app1", ""}).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(Ask(source::kEnsurePoweredOn, {App(1), "run-2/x/app1", ""}).error().kind, ErrorKind::kConflict);
  EXPECT_GOOD(Ask(source::kReleaseVm, {App(1), claim, "run-1"}));
  EXPECT_GOOD(Ask(source::kReleaseVm, {App(1), claim, "run-1"}));
  auto after = Ask(source::kDescribeVm, VmQuery{App(1)});
  EXPECT_EQ(after->claim, "");
  EXPECT_EQ(after->migrated, "run-1");
}

TEST_F(VsphereLive, ClaimWithAnOldChangeVersionIsAConflict) {
  auto before = Ask(source::kDescribeVm, VmQuery{App(1)});
  ASSERT_GOOD(before);
  Control("POST", "/vms/" + EncodeQuery(App(1)) + "/touch");
  auto claimed = Ask(source::kClaimVm, {App(1), "run-1/shop/app1", before->change_version});
  ASSERT_FALSE(claimed.ok());
  EXPECT_EQ(claimed.error().kind, ErrorKind::kConflict) << Describe(claimed.error());
  EXPECT_EQ(Ask(source::kDescribeVm, VmQuery{App(1)})->claim, "");
}

TEST_F(VsphereLive, FenceTurnsNicsOffTogetherWithItsMarkAndBack) {
  const std::string claim = "run-1/shop/app1";
  ASSERT_GOOD(Ask(source::kClaimVm, {App(1), claim, ""}));
  auto before = Ask(source::kDescribeVm, VmQuery{App(1)});
  ASSERT_TRUE(before->nics.at(0).start_connected);
  const std::string nic = before->nics[0].id;
  EXPECT_EQ(Ask(source::kSetNicStart, {App(1), "other", {{nic, false}}, "x"}).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(Ask(source::kSetNicStart, {App(1), claim, {{"4999", false}}, "x"}).error().kind, ErrorKind::kNotFound);
  ASSERT_GOOD(Ask(source::kSetNicStart, {App(1), claim, {{nic, false}}, "[\"4000\"]"}));
  auto fenced = Ask(source::kDescribeVm, VmQuery{App(1)});
  EXPECT_FALSE(fenced->nics.at(0).start_connected);
  EXPECT_EQ(fenced->fence, "[\"4000\"]");
  // The edit carried the whole device: nothing else about it changed.
  EXPECT_EQ(fenced->nics[0].mac, before->nics[0].mac);
  EXPECT_EQ(fenced->nics[0].network, before->nics[0].network);
  EXPECT_EQ(fenced->nics[0].adapter, before->nics[0].adapter);
  EXPECT_EQ(fenced->claim, claim);
  Control("DELETE", "/calls");
  EXPECT_GOOD(Ask(source::kSetNicStart, {App(1), claim, {{nic, false}}, "[\"4000\"]"}));
  EXPECT_EQ(Calls("ReconfigVM_Task"), 0);
  EXPECT_GOOD(Ask(source::kSetNicStart, {App(1), claim, {{nic, true}}, ""}));
  auto after = Ask(source::kDescribeVm, VmQuery{App(1)});
  EXPECT_TRUE(after->nics.at(0).start_connected);
  EXPECT_EQ(after->fence, "");
}

TEST_F(VsphereLive, PowerGoesOnShutsDownAndGoesOff) {
  PowerOn(App(1));
  EXPECT_EQ(Seen(App(1))["power_state"], "poweredOn");
  PowerOn(App(1));
  // The guest's tools come up a little later than its power.
  Result<PowerReply> asked = Ask(source::kRequestShutdown, {App(1), "", ""});
  for (int i = 0; i < 300 && !asked; ++i) {
    ASSERT_EQ(asked.error().kind, ErrorKind::kInvalid) << Describe(asked.error());
    ASSERT_THAT(asked.error().message, HasSubstr("ToolsUnavailable"));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    asked = Ask(source::kRequestShutdown, {App(1), "", ""});
  }
  ASSERT_GOOD(asked);
  for (int i = 0; i < 300 && !asked->done; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    asked = Ask(source::kRequestShutdown, {App(1), "", ""});
    if (!asked) break;
  }
  ASSERT_GOOD(asked);
  EXPECT_EQ(asked->power, "off");
  EXPECT_TRUE(Ask(source::kRequestShutdown, {App(1), "", ""})->done);
  EXPECT_TRUE(Ask(source::kEnsurePoweredOff, {App(1), "", ""})->done);
}

TEST_F(VsphereLive, PowerTaskThatDoesNotEndIsHandedBackAndAskedForAgain) {
  Rule("PowerOnVM_Task", "hang-after");
  auto first = Ask(source::kEnsurePoweredOn, {App(1), "", ""}, 3000);
  ASSERT_GOOD(first);
  EXPECT_TRUE(first->done) << "the state decides, not the task";
  EXPECT_GOOD(Ask(source::kEnsurePoweredOff, {App(1), "", ""}));
  Rule("PowerOnVM_Task", "hang");
  auto hanging = Ask(source::kEnsurePoweredOn, {App(1), "", ""}, 3000);
  ASSERT_GOOD(hanging);
  EXPECT_FALSE(hanging->done);
  EXPECT_EQ(hanging->power, "off");
  ASSERT_FALSE(hanging->task.empty());
  Control("DELETE", "/calls");
  auto again = Ask(source::kEnsurePoweredOn, {App(1), "", hanging->task}, 3000);
  ASSERT_GOOD(again);
  EXPECT_EQ(again->task, hanging->task);
  EXPECT_EQ(Calls("PowerOnVM_Task"), 0) << "the task was started a second time";
  auto afresh = Ask(source::kEnsurePoweredOn, {App(1), "", "task-999999"});
  ASSERT_GOOD(afresh);
  EXPECT_TRUE(afresh->done);
}

TEST_F(VsphereLive, ConnectionLostAfterAWriteWasSentIsAnUnknownOutcome) {
  Rule("PowerOnVM_Task", "drop-after");
  auto on = Ask(source::kEnsurePoweredOn, {App(3), "", ""});
  ASSERT_FALSE(on.ok());
  EXPECT_EQ(on.error().kind, ErrorKind::kUnknownOutcome) << Describe(on.error());
  EXPECT_EQ(on.error().object, "VM " + App(3));
  auto observed = Ask(source::kDescribeVm, VmQuery{App(3)});
  ASSERT_GOOD(observed);
  EXPECT_EQ(observed->power, "on");
}

TEST_F(VsphereLive, WriteWithoutAnswerInTimeIsAnUnknownOutcomeAndAReadTimesOut) {
  Rule("PowerOnVM_Task", "delay", {{"delay_ms", 4000}});
  auto on = Ask(source::kEnsurePoweredOn, {App(3), "", ""}, 1500);
  ASSERT_FALSE(on.ok());
  EXPECT_EQ(on.error().kind, ErrorKind::kUnknownOutcome) << Describe(on.error());
  Rule("RetrievePropertiesEx", "delay", {{"delay_ms", 4000}});
  auto facts = Ask(source::kDescribeVm, VmQuery{App(3)}, 1000);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kTimedOut) << Describe(facts.error());
}

TEST_F(VsphereLive, ReconfigurationThatDoesNotEndIsCancelledOrUnknown) {
  Rule("ReconfigVM_Task", "hang");
  auto claimed = Ask(source::kClaimVm, {App(3), "run-1/shop/app3", ""}, 3000);
  ASSERT_FALSE(claimed.ok());
  EXPECT_GE(Calls("CancelTask"), 1);
  EXPECT_THAT(claimed.error().object, HasSubstr("task"));
  EXPECT_TRUE(claimed.error().kind == ErrorKind::kUnknownOutcome || claimed.error().kind == ErrorKind::kUnavailable);
  EXPECT_EQ(Ask(source::kDescribeVm, VmQuery{App(3)})->claim, "");
}

TEST_F(VsphereLive, FaultsOfCallsAndTasksKeepTheirNames) {
  Rule("PowerOnVM_Task", "fault", {{"fault", "NoPermission"}, {"message", "Permission to perform this was denied."}});
  auto on = Ask(source::kEnsurePoweredOn, {App(3), "", ""});
  EXPECT_EQ(on.error().kind, ErrorKind::kDenied);
  EXPECT_THAT(on.error().message, HasSubstr("Permission to perform this was denied."));
  EXPECT_THAT(on.error().message, HasSubstr("NoPermission"));
  Rule("PowerOnVM_Task", "task-fault",
       {{"fault", "FileLocked"}, {"message", "Unable to access file since it is locked"}});
  on = Ask(source::kEnsurePoweredOn, {App(3), "", ""});
  EXPECT_EQ(on.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(on.error().message, HasSubstr("FileLocked"));
}

TEST_F(VsphereLive, SnapshotIsMadeOnceAndFoundByItsKey) {
  const SnapshotRequest request{App(1), "vmferry", "key-0123456789abcdef"};
  auto made = Ask(source::kEnsureSnapshot, request);
  ASSERT_GOOD(made);
  EXPECT_EQ(Ask(source::kEnsureSnapshot, request)->id, made->id);
  EXPECT_EQ(Seen(App(1))["snapshots"].size(), 1U);
  EXPECT_THAT(Ask(source::kDescribeVm, VmQuery{App(1)})->snapshots, ::testing::ElementsAre("vmferry"));
  EXPECT_GOOD(Ask(source::kEnsureNoSnapshot, SnapshotRequest{App(1), "vmferry", "another-key"}));
  EXPECT_EQ(Seen(App(1))["snapshots"].size(), 1U) << "somebody else's snapshot was removed";
  EXPECT_GOOD(Ask(source::kEnsureNoSnapshot, request));
  EXPECT_GOOD(Ask(source::kEnsureNoSnapshot, request));
  EXPECT_EQ(Seen(App(1))["snapshots"].size(), 0U);
}

TEST_F(VsphereLive, NoErrorShowsThePasswordOrTheSessionsCookie) {
  const std::string password = *FromFile("file:" + env_["VC_PASSWORD_FILE"]);
  for (const char* method : {"Login", "RetrieveServiceContent", "FindByInventoryPath", "RetrievePropertiesEx"})
    for (const char* action : {"fault", "drop-before"}) {
      Control("DELETE", "/faults");
      Rule(method, action, {{"fault", "SystemError"}, {"message", "broken"}, {"count", 0}});
      auto facts = Invoke(*Make(Settings()), source::kDescribeVm, VmQuery{App(1)}, CallContext{});
      ASSERT_FALSE(facts.ok());
      EXPECT_THAT(Describe(facts.error()), Not(HasSubstr(password)));
      EXPECT_THAT(Describe(facts.error()), Not(HasSubstr("vmware_soap_session")));
    }
}

}  // namespace
}  // namespace vmferry
