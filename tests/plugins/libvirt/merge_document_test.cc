// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/libvirt/domain_xml.h"
#include "plugins/libvirt/merge.h"

namespace vmferry::libvirt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

pugi::xml_document Parse(const std::string& disks, const std::string& metadata = "") {
  pugi::xml_document document;
  EXPECT_TRUE(
      document.load_string(("<domain><metadata><v:workload xmlns:v='https://vmferry.dev/xmlns/1'><v:key>k</v:key>"
                            "<v:disk>vda</v:disk></v:workload>" +
                            metadata + "</metadata><devices>" + disks + "</devices></domain>")
                               .c_str()));
  return document;
}

// As libvirt 9.0 shows an active block commit.
const std::string kCommitting = R"(<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
  <source file='/p/ov2' index='3'/>
  <backingStore type='file' index='1'><format type='qcow2'/><source file='/p/ov1'/>
    <backingStore type='file' index='2'><format type='raw'/><source file='/p/base'/><backingStore/></backingStore>
  </backingStore>
  <mirror type='file' job='active-commit' ready='yes'><format type='raw'/><source file='/p/base'/></mirror>
  <target dev='vda' bus='virtio'/></disk>)";
const std::string kMerged = R"(<disk type='file' device='disk'><driver name='qemu' type='raw'/>
  <source file='/p/base' index='2'/><backingStore/><target dev='vda' bus='virtio'/></disk>)";

TEST(LibvirtMerge, TheChainAndTheJobAreReadFromTheRunningDomain) {
  const auto disks = ReadMergeDisks(Parse(kCommitting));
  ASSERT_EQ(disks.size(), 1u);
  EXPECT_EQ(disks[0].source, "/p/ov2");
  EXPECT_THAT(disks[0].overlays, ElementsAre("/p/ov2", "/p/ov1"));
  EXPECT_EQ(disks[0].job, "active-commit");
  EXPECT_TRUE(disks[0].ready);
}

TEST(LibvirtMerge, AMergedDiskHasNothingToDo) {
  const auto disks = ReadMergeDisks(Parse(kMerged));
  ASSERT_EQ(disks.size(), 1u);
  EXPECT_THAT(disks[0].overlays, IsEmpty());
  EXPECT_EQ(disks[0].job, "");
}

// A disk that came by the site's extra XML may lie over an image others use.
TEST(LibvirtMerge, DisksWeDidNotAttachAreNeverMerged) {
  const std::string theirs = R"(<disk type='file' device='disk'><source file='/p/x'/>
    <backingStore type='file'><source file='/golden'/></backingStore><target dev='vdb'/></disk>)";
  const auto disks = ReadMergeDisks(Parse(kMerged + theirs));
  ASSERT_EQ(disks.size(), 1u);
  EXPECT_EQ(disks[0].target, "vda");
}

TEST(LibvirtMerge, TheRecordSurvivesTheWayThroughLibvirt) {
  const MergeRecord record{{{"vda", 2, {"/p/ov2", "/p/ov1"}}}};
  EXPECT_EQ(BuildMergeRecord(record), R"(<merge>
  <disk target="vda" starts="2">
    <overlay path="/p/ov2" />
    <overlay path="/p/ov1" />
  </disk>
</merge>
)");
  const auto read = ReadMergeRecord(Parse(kMerged, R"(<merge:merge xmlns:merge="https://vmferry.dev/xmlns/merge/1">
    <disk target="vda" starts="2"><overlay path="/p/ov2"/><overlay path="/p/ov1"/></disk></merge:merge>)"));
  ASSERT_EQ(read.disks.size(), 1u);
  EXPECT_EQ(read.disks[0].target, "vda");
  EXPECT_EQ(read.disks[0].starts, 2);
  EXPECT_THAT(read.disks[0].overlays, ElementsAre("/p/ov2", "/p/ov1"));
}

TEST(LibvirtMerge, ThePersistentDefinitionFollowsTheRunningOne) {
  const MergeRecord record{{{"vda", 1, {"/p/ov2"}}}};
  pugi::xml_document persistent = Parse(R"(<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
    <source file='/p/ov2'/><target dev='vda' bus='virtio'/></disk>)");
  const pugi::xml_document live = Parse(kMerged);
  EXPECT_TRUE(PointAtBases(persistent, live, record));
  const DomainDisk disk = ReadDomain(persistent).disks.at(0);
  EXPECT_EQ(disk.volume, "/p/base");
  EXPECT_EQ(disk.format, "raw");
  EXPECT_FALSE(PointAtBases(persistent, live, record));
}

TEST(LibvirtMerge, ADefinitionThatNamesSomethingElseIsLeftAlone) {
  const MergeRecord record{{{"vda", 1, {"/p/ov2"}}}};
  pugi::xml_document persistent = Parse(R"(<disk type='file'><driver type='qcow2'/><source file='/p/new'/>
    <target dev='vda'/></disk>)");
  EXPECT_FALSE(PointAtBases(persistent, Parse(kMerged), record));
  pugi::xml_document overlay = Parse(kCommitting);
  EXPECT_FALSE(PointAtBases(overlay, Parse(kCommitting), record));
}

}  // namespace
}  // namespace vmferry::libvirt
