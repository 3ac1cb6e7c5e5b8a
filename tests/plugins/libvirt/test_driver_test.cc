// SPDX-License-Identifier: Apache-2.0
//
// The plugin on libvirt's in-process test driver (test:///default), which knows domains, pools and volumes but carries
// no bytes: streams, seals, conversion and block jobs are proven by tests/live/libvirt_live_test.cc. The driver's world
// lives as long as a connection to it, so each test begins with a fresh one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/libvirt/libvirt_plugin.h"
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
