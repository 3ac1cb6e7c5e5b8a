// SPDX-License-Identifier: Apache-2.0
//
// The plugin on libvirt's in-process test driver (test:///default), which knows domains, pools and volumes but carries
// no bytes: streams, seals, conversion and block jobs are proven by tests/live/libvirt_live_test.cc. The driver's world
// lives as long as a connection to it, so each test begins with a fresh one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/libvirt/libvirt_plugin.h"
#include "plugins/target_boot.h"
#include "plugins/target_network.h"
#include "plugins/target_platform.h"

namespace vmferry {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

const CallContext kContext;

class LibvirtTestDriver : public ::testing::Test {
 protected:
  LibvirtTestDriver() : plugin_(*LibvirtKind().make(PluginSetup{"kvm", Json{{"uri", "test:///default"}}, nullptr})) {}

  DefineRequest Definition() {
    DefineRequest request;
    request.domain = "web1";
    request.key = "key-1";
    request.cpus = 2;
    request.memory_mib = 512;
    request.firmware = "bios";
    request.disk_bus = "virtio";
    request.disks = {{"default-pool", "web1.qcow2", "qcow2"}};
    request.nics = {{"00:50:56:00:00:01", "network:default", "virtio"}};
    request.domain_type = "auto";
    return request;
  }
  Result<VolumeReply> MakeVolume(std::uint64_t bytes = 1 << 20) {
    return Invoke(*plugin_, target::kEnsureVolume, {"default-pool", "web1.qcow2", "qcow2", bytes, "", ""}, kContext);
  }
  Result<DefineReply> Define() {
    EXPECT_TRUE(MakeVolume().ok());
    return Invoke(*plugin_, target::kEnsureDefined, Definition(), kContext);
  }
  DomainFacts Domain(const std::string& name = "web1") {
    return *Invoke(*plugin_, target::kDescribeDomain, {name}, kContext);
  }

  const DomainRequest ours_{"web1", "key-1"};
  std::shared_ptr<Plugin> plugin_;
};

TEST_F(LibvirtTestDriver, TheHostIsDescribed) {
  const auto facts = Invoke(*plugin_, target::kDescribeTarget, PlatformQuery{}, kContext);
  ASSERT_TRUE(facts.ok()) << Describe(facts.error());
  EXPECT_THAT(facts->product, HasSubstr(", libvirt "));
  EXPECT_THAT(facts->domain_types, Contains("test"));
  EXPECT_THAT(facts->networks, Contains("network:default"));
  ASSERT_EQ(facts->pools.size(), 1u);
  EXPECT_EQ(facts->pools[0].name, "default-pool");
  EXPECT_EQ(facts->pools[0].capacity_bytes, 100ull << 30);
}

TEST_F(LibvirtTestDriver, ADomainIsDefinedStartedStoppedAndUndefined) {
  const auto defined = Define();
  ASSERT_TRUE(defined.ok()) << Describe(defined.error());
  EXPECT_THAT(defined->xml, HasSubstr("key-1"));
  DomainFacts facts = Domain();
  EXPECT_EQ(facts.state, "off");
  EXPECT_EQ(facts.key, "key-1");
  EXPECT_EQ(facts.uuid, defined->uuid);
  EXPECT_THAT(facts.macs, Contains("00:50:56:00:00:01"));
  ASSERT_EQ(facts.disks.size(), 1u);
  EXPECT_EQ(facts.disks[0].volume, "/default-pool/web1.qcow2");

  for (int again = 0; again < 2; ++again) {
    const auto running = Invoke(*plugin_, target::kEnsureRunning, ours_, kContext);
    ASSERT_TRUE(running.ok()) << Describe(running.error());
    EXPECT_TRUE(running->done);
  }
  EXPECT_EQ(Domain().state, "running");
  EXPECT_EQ(Invoke(*plugin_, target::kEnsureUndefined, ours_, kContext).error().kind, ErrorKind::kConflict);
  for (int again = 0; again < 2; ++again) {
    const auto stopped = Invoke(*plugin_, target::kRequestStop, ours_, kContext);
    ASSERT_TRUE(stopped.ok()) << Describe(stopped.error());
    EXPECT_EQ(stopped->state, "off");
  }
  EXPECT_TRUE(Invoke(*plugin_, target::kEnsureRunning, ours_, kContext)->done);
  for (int again = 0; again < 2; ++again) EXPECT_TRUE(Invoke(*plugin_, target::kEnsureStopped, ours_, kContext)->done);
  for (int again = 0; again < 2; ++again) EXPECT_TRUE(Invoke(*plugin_, target::kEnsureUndefined, ours_, kContext).ok());
  EXPECT_FALSE(Domain().exists);
  EXPECT_EQ(Invoke(*plugin_, target::kEnsureStopped, ours_, kContext)->state, "absent");
  EXPECT_EQ(Invoke(*plugin_, target::kEnsureRunning, ours_, kContext).error().kind, ErrorKind::kNotFound);
}

TEST_F(LibvirtTestDriver, AConsoleIsRecordedInAFileOfThePool) {
  ASSERT_TRUE(MakeVolume().ok());
  DefineRequest request = Definition();
  EXPECT_FALSE(Invoke(*plugin_, target::kReadConsole, ours_, kContext).ok()) << "there is no such domain";
  request.console_pool = "default-pool";
  const auto defined = Invoke(*plugin_, target::kEnsureDefined, request, kContext);
  ASSERT_TRUE(defined.ok()) << Describe(defined.error());
  EXPECT_THAT(defined->xml, HasSubstr(R"(<log file="/default-pool/web1-key-1.console" append="off")"));
  EXPECT_THAT(defined->xml, HasSubstr(R"(<serial type="pty">)")) << "people keep their terminal";
  const auto console = Invoke(*plugin_, target::kReadConsole, ours_, kContext);
  ASSERT_TRUE(console.ok()) << Describe(console.error());
  EXPECT_TRUE(console->recorded);
  EXPECT_EQ(console->text, "");
  EXPECT_EQ(Invoke(*plugin_, target::kReadConsole, {"web1", "key-2"}, kContext).error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(Invoke(*plugin_, target::kEnsureUndefined, ours_, kContext).ok());
}

TEST_F(LibvirtTestDriver, AHypervisorWithoutGuestAgentsSaysSo) {
  ASSERT_TRUE(Define().ok());
  const auto pinged = Invoke(*plugin_, target::kPingAgent, ours_, kContext);
  ASSERT_FALSE(pinged.ok());
  EXPECT_EQ(pinged.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(pinged.error().advice, HasSubstr("org.qemu.guest_agent.0"));
}

TEST_F(LibvirtTestDriver, DefiningAgainWithTheSameKeyKeepsTheDomain) {
  const auto first = Define();
  DefineRequest bigger = Definition();
  bigger.memory_mib = 1024;
  const auto second = Invoke(*plugin_, target::kEnsureDefined, bigger, kContext);
  ASSERT_TRUE(second.ok()) << Describe(second.error());
  EXPECT_EQ(second->uuid, first->uuid);
  EXPECT_THAT(second->xml, HasSubstr("1048576"));
}

TEST_F(LibvirtTestDriver, ATakenNameIsAConflictAndLeftAsItIs) {
  ASSERT_TRUE(MakeVolume().ok());
  DefineRequest request = Definition();
  request.domain = "test";  // the driver's own domain, running, without our key
  const auto taken = Invoke(*plugin_, target::kEnsureDefined, request, kContext);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(Describe(taken.error()), HasSubstr("domain test: conflict: the target name is taken"));
  for (const auto& call : {target::kEnsureStopped, target::kRequestStop, target::kEnsureRunning})
    EXPECT_EQ(Invoke(*plugin_, call, {"test", "key-1"}, kContext).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(Invoke(*plugin_, target::kEnsureUndefined, {"test", ""}, kContext).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(Domain("test").state, "running");
}

TEST_F(LibvirtTestDriver, AVolumeIsMadeOnceAndAnotherOfItsNameIsAConflict) {
  const auto made = MakeVolume();
  ASSERT_TRUE(made.ok()) << Describe(made.error());
  EXPECT_EQ(made->path, "/default-pool/web1.qcow2");
  EXPECT_TRUE(MakeVolume().ok());
  const auto other = MakeVolume(2 << 20);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().kind, ErrorKind::kConflict);
  const auto facts = Invoke(*plugin_, target::kDescribeVolume, {"default-pool", "web1.qcow2"}, kContext);
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->format, "qcow2");
  EXPECT_EQ(facts->capacity_bytes, 1u << 20);
  EXPECT_EQ(facts->seal, "");
  for (int again = 0; again < 2; ++again)
    EXPECT_TRUE(Invoke(*plugin_, target::kEnsureNoVolume, {"default-pool", "web1.qcow2", false}, kContext).ok());
  EXPECT_FALSE(Invoke(*plugin_, target::kDescribeVolume, {"default-pool", "web1.qcow2"}, kContext)->exists);
}

TEST_F(LibvirtTestDriver, WhatIsNotThereIsNotFoundAndNamed) {
  const auto pool = Invoke(*plugin_, target::kDescribeVolume, {"nopool", "v"}, kContext);
  EXPECT_EQ(pool.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(Describe(pool.error()), HasSubstr("kvm (test:///default): pool nopool: "));
  const auto defined = Invoke(*plugin_, target::kEnsureDefined, Definition(), kContext);
  EXPECT_EQ(defined.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(defined.error().object, "volume default-pool/web1.qcow2");
  EXPECT_EQ(Invoke(*plugin_, target::kMergeOverlays, ours_, kContext).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(
      Invoke(*plugin_, target::kWriteVolume, WriteVolumeRequest{"default-pool", "v", 0, 0}, kContext).error().kind,
      ErrorKind::kNotFound);
}

TEST_F(LibvirtTestDriver, VolumesAreNotNamedLikeSeals) {
  const auto made = Invoke(*plugin_, target::kEnsureVolume, {"default-pool", "x.seal", "raw", 1024, "", ""}, kContext);
  EXPECT_EQ(made.error().kind, ErrorKind::kInvalid);
}

TEST_F(LibvirtTestDriver, OnlyUnsealedRawVolumesAreWrittenTo) {
  ASSERT_TRUE(MakeVolume().ok());
  const auto opened =
      Invoke(*plugin_, target::kWriteVolume, WriteVolumeRequest{"default-pool", "web1.qcow2", 0, 0}, kContext);
  EXPECT_EQ(opened.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(opened.error().message, HasSubstr("only raw"));
}

TEST_F(LibvirtTestDriver, NetworksAreActiveInactiveOrMissing) {
  const auto look = [this](const char* network) {
    return Invoke(*plugin_, target::kDescribeNetwork, NetworkQuery{network}, kContext);
  };
  EXPECT_TRUE(look("network:default")->active);
  EXPECT_FALSE(look("network:nothing")->exists);
  EXPECT_TRUE(look("user")->active);
  EXPECT_TRUE(look("bridge:eth1")->exists);
  EXPECT_FALSE(look("bridge:br99")->exists);
  EXPECT_EQ(look("default").error().kind, ErrorKind::kInvalid);
}

// Like qemu:///session, the test driver has no filters: said in libvirt's words, and never "there is no such filter".
TEST_F(LibvirtTestDriver, ADriverWithoutFiltersSaysSoAndWhatToDo) {
  const auto filter = Invoke(*plugin_, target::kDescribeFilter, FilterQuery{"web"}, kContext);
  ASSERT_FALSE(filter.ok());
  EXPECT_EQ(filter.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(filter.error().object, "filter web");
  EXPECT_THAT(filter.error().message, HasSubstr("not supported by the connection driver"));
  EXPECT_THAT(filter.error().advice, HasSubstr("qemu:///system"));
}

TEST_F(LibvirtTestDriver, AVolumeThatHoldsRoomIsReserved) {
  const auto pool = [this] { return Invoke(*plugin_, target::kDescribeTarget, PlatformQuery{}, kContext)->pools[0]; };
  EXPECT_EQ(pool().reserved_bytes, 0u);
  ASSERT_TRUE(MakeVolume().ok());
  ASSERT_TRUE(
      Invoke(*plugin_, target::kEnsureVolume, {"default-pool", "web1-k.reserve", "raw", 1 << 20, "", ""}, kContext)
          .ok());
  EXPECT_EQ(pool().reserved_bytes, 1u << 20);
}

TEST_F(LibvirtTestDriver, DiskSettingsAndFiltersReachTheDomain) {
  ASSERT_TRUE(MakeVolume().ok());
  DefineRequest request = Definition();
  request.disks[0].cache = "none";
  request.disks[0].discard = "ignore";
  request.disks[0].io = "native";
  request.nics[0].filter = "web";
  const auto defined = Invoke(*plugin_, target::kEnsureDefined, request, kContext);
  ASSERT_TRUE(defined.ok()) << Describe(defined.error());
  EXPECT_THAT(defined->xml, HasSubstr("<filterref filter=\"web\" />"));
  const DomainFacts facts = Domain();
  EXPECT_EQ(facts.disks[0].cache, "none");
  EXPECT_EQ(facts.disks[0].discard, "ignore");
  EXPECT_EQ(facts.disks[0].io, "native");
}

TEST_F(LibvirtTestDriver, ExtraXmlReachesTheDomain) {
  ASSERT_TRUE(MakeVolume().ok());
  DefineRequest request = Definition();
  request.extra_xml = "<title>from the site</title>";
  const auto defined = Invoke(*plugin_, target::kEnsureDefined, request, kContext);
  ASSERT_TRUE(defined.ok()) << Describe(defined.error());
  EXPECT_THAT(defined->xml, HasSubstr("<title>from the site</title>"));
  request.extra_xml = "<title>";
  const auto broken = Invoke(*plugin_, target::kEnsureDefined, request, kContext);
  EXPECT_EQ(broken.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(broken.error().object, "domain web1");
}

}  // namespace
}  // namespace vmferry
