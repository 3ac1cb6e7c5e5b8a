// SPDX-License-Identifier: Apache-2.0
#include "plugins/libguestfs/inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmferry::libguestfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Shortened from what virt-inspector 1.48 prints.
constexpr char kDebian[] = R"(<?xml version="1.0"?>
<operatingsystems>
  <operatingsystem>
    <root>/dev/sda1</root>
    <name>linux</name>
    <arch>x86_64</arch>
    <distro>debian</distro>
    <product_name>Debian GNU/Linux 12 (bookworm)</product_name>
    <major_version>12</major_version>
    <applications>
      <application><name>bash</name><version>5.2.15</version></application>
      <application><name>open-vm-tools</name><epoch>2</epoch><version>12.2.0</version></application>
      <application><name>qemu-guest-agent</name><version>7.2</version></application>
    </applications>
  </operatingsystem>
</operatingsystems>)";

TEST(LibguestfsInspection, ADebianIsRecognised) {
  const Result<InspectReply> reply = ParseInspection(kDebian);
  ASSERT_TRUE(reply.ok()) << Describe(reply.error());
  EXPECT_TRUE(reply->inspected);
  EXPECT_EQ(reply->type, "linux");
  EXPECT_EQ(reply->distribution, "debian");
  EXPECT_EQ(reply->product, "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(reply->architecture, "x86_64");
  EXPECT_THAT(reply->agents, ElementsAre("qemu-guest-agent 7.2"));
  EXPECT_THAT(reply->vmware_tools, ElementsAre("open-vm-tools 12.2.0"));
}

TEST(LibguestfsInspection, NoSystemIsAnAnswerAndNoXmlIsCorrupt) {
  const Result<InspectReply> nothing = ParseInspection("<operatingsystems/>");
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->inspected);
  EXPECT_NE(nothing->why, "");
  for (const char* text : {"", "<operatingsystems", "<html/>"})
    EXPECT_EQ(ParseInspection(text).error().kind, ErrorKind::kCorrupt) << text;
}

TEST(LibguestfsInspection, KernelVersionsArePlainNames) {
  EXPECT_THAT(KernelVersions("6.1.0-18-amd64\n5.14.0-70.el9.x86_64\n\n../etc\n-x\na b\n"),
              ElementsAre("6.1.0-18-amd64", "5.14.0-70.el9.x86_64"));
  std::string many;
  for (int i = 0; i < 100; ++i) many += "6.1." + std::to_string(i) + "\n";
  EXPECT_EQ(KernelVersions(many).size(), kMostKernels);
}

TEST(LibguestfsInspection, ModulesAreFoundInAllThreeKindsOfText) {
  EXPECT_THAT(DriverModules("kernel/drivers/block/virtio_blk.ko\nkernel/fs/ext4/ext4.ko\n"), ElementsAre("virtio_blk"));
  EXPECT_THAT(DriverModules("kernel/drivers/net/virtio_net.ko.xz: kernel/net/core/failover.ko.xz\n"
                            "kernel/sound/virtio/virtio_snd.ko.zst:\n"),
              ElementsAre("virtio_net", "virtio_snd"));
  EXPECT_THAT(DriverModules("usr/lib/modules/6.1/kernel/drivers/virtio/virtio_pci.ko\nvirtio_x\n"),
              ElementsAre("virtio_pci"));
}

// modules.dep names what a module needs behind the colon, which says nothing of that module being there.
TEST(LibguestfsInspection, ADependencyIsNotTheModuleOfTheLine) {
  EXPECT_THAT(DriverModules("kernel/fs/ext4/ext4.ko: kernel/drivers/virtio/virtio.ko\n"), IsEmpty());
}

TEST(LibguestfsInspection, AnInitramfsThatShowsOnlyFirmwareIsNotRead) {
  EXPECT_FALSE(ShowsModules("kernel/x86/microcode/GenuineIntel.bin\n"));
  EXPECT_FALSE(ShowsModules(""));
  EXPECT_TRUE(ShowsModules("usr/lib/modules/6.1/kernel/fs/ext4/ext4.ko\n"));
}

TEST(LibguestfsInspection, SectionsAreCutAtTheirHeadings) {
  const std::string text = "=== builtin 6.1\na\nb\n=== loadable 6.1\nc\n=== builtin 6.10\nd\n";
  EXPECT_EQ(Section(text, "builtin 6.1"), "a\nb\n");
  EXPECT_EQ(Section(text, "builtin 6.10"), "d\n");
  EXPECT_EQ(Section(text, "initramfs 6.1"), "");
}

}  // namespace
}  // namespace vmferry::libguestfs
