// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/storage.h"

#include <gtest/gtest.h>

#include "plugins/libvirt/seals.h"

namespace vmferry::libvirt {
namespace {

TEST(LibvirtStorage, AnOverlaysXmlNamesItsBacking) {
  EXPECT_EQ(BuildVolumeXml({"a&b.ov", "qcow2", 1048576, "/pool/base", "qcow2"}), R"(<volume>
  <name>a&amp;b.ov</name>
  <capacity unit="bytes">1048576</capacity>
  <allocation unit="bytes">0</allocation>
  <target>
    <format type="qcow2" />
  </target>
  <backingStore>
    <path>/pool/base</path>
    <format type="qcow2" />
  </backingStore>
</volume>
)");
}

TEST(LibvirtStorage, AVolumeIsReadAsLibvirtShowsIt) {
  const VolumeDocument volume = ParseVolume(R"(<volume type='file'><name>ov</name><key>/pool/ov</key>
    <capacity unit='bytes'>50331648</capacity><allocation unit='bytes'>200704</allocation>
    <physical unit='bytes'>196616</physical>
    <target><path>/pool/ov</path><format type='qcow2'/></target>
    <backingStore><path>/pool/base</path><format type='qcow2'/></backingStore></volume>)");
  EXPECT_EQ(volume.type, "file");
  EXPECT_EQ(volume.path, "/pool/ov");
  EXPECT_EQ(volume.format, "qcow2");
  EXPECT_EQ(volume.capacity_bytes, 50331648u);
  EXPECT_EQ(volume.allocation_bytes, 200704u);
  EXPECT_EQ(volume.physical_bytes, 196616u);
  EXPECT_EQ(volume.backing, "/pool/base");
}

TEST(LibvirtStorage, ABlockVolumeIsRaw) {
  const VolumeDocument volume = ParseVolume(R"(<volume type='block'><capacity unit='bytes'>4194304</capacity>
    <target><path>/dev/vg/a</path></target></volume>)");
  EXPECT_EQ(volume.format, "raw");
  EXPECT_EQ(volume.type, "block");
}

TEST(LibvirtStorage, SizesAreSaidForPeople) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(10ull << 40), "10.0 TiB");
}

TEST(LibvirtSeals, OnlyACompleteObjectIsASeal) {
  const std::string seal = R"({"digest":"abc","key":"k"})";
  EXPECT_EQ(SealText(seal), seal);
  EXPECT_EQ(SealText(seal + "\n"), seal);
  EXPECT_EQ(SealText(seal + "\n" + std::string(1, '\0') + "older bytes"), seal);
  for (std::size_t cut = 0; cut < seal.size(); ++cut) {
    EXPECT_EQ(SealText(seal.substr(0, cut)), "") << cut;
    EXPECT_EQ(SealText(seal.substr(0, cut) + std::string(seal.size() - cut, '\0')), "") << cut;
  }
  EXPECT_EQ(SealText("[]"), "");
  EXPECT_EQ(SealText("42"), "");
}

TEST(LibvirtSeals, SealsHaveNamesOfTheirOwn) {
  EXPECT_EQ(SealName("web1.raw"), "web1.raw.seal");
  EXPECT_TRUE(IsSealName("web1.raw.seal"));
  EXPECT_FALSE(IsSealName("web1.raw"));
}

}  // namespace
}  // namespace vmferry::libvirt
