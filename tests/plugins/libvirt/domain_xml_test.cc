// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/domain_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmferry::libvirt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

DefineRequest Request() {
  DefineRequest request;
  request.domain = "web1";
  request.key = "k<1>";
  request.uuid = "420a1b2c-0000-1111-2222-333344445555";
  request.description = "moved from /DC0/vm/web1";
  request.cpus = 4;
  request.cores_per_socket = 2;
  request.memory_mib = 2048;
  request.firmware = "bios";
  request.disk_bus = "virtio";
  request.disks = {{"p", "a", "qcow2"}, {"p", "b", "raw"}};
  request.nics = {{"00:50:56:00:00:01", "network:prod", "virtio"}, {"00:50:56:00:00:02", "bridge:br0", "e1000e"}};
  return request;
}

const HostChoice kKvm{"kvm", "x86_64", "hvm", "q35", "host-passthrough"};
const std::vector<DiskSource> kSources{{"/pool/a", false, "qcow2"}, {"/dev/vg/b", true, "raw"}};

TEST(LibvirtDomainXml, ABiosWorkloadBecomesThisDocument) {
  const auto xml = BuildDomainXml(Request(), kKvm, kSources);
  ASSERT_TRUE(xml.ok());
  EXPECT_EQ(*xml, R"(<domain type="kvm">
  <name>web1</name>
  <uuid>420a1b2c-0000-1111-2222-333344445555</uuid>
  <description>moved from /DC0/vm/web1</description>
  <metadata>
    <vmferry:workload xmlns:vmferry="https://vmferry.dev/xmlns/1">
      <vmferry:key>k&lt;1&gt;</vmferry:key>
      <vmferry:disk>vda</vmferry:disk>
      <vmferry:disk>vdb</vmferry:disk>
    </vmferry:workload>
  </metadata>
  <memory unit="MiB">2048</memory>
  <vcpu placement="static">4</vcpu>
  <cpu mode="host-passthrough" check="none">
    <topology sockets="2" cores="2" threads="1" />
  </cpu>
  <os>
    <type arch="x86_64" machine="q35">hvm</type>
    <boot dev="hd" />
  </os>
  <features>
    <acpi />
    <apic />
  </features>
  <clock offset="utc" />
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" discard="unmap" />
      <source file="/pool/a" />
      <target dev="vda" bus="virtio" />
    </disk>
    <disk type="block" device="disk">
      <driver name="qemu" type="raw" discard="unmap" />
      <source dev="/dev/vg/b" />
      <target dev="vdb" bus="virtio" />
    </disk>
    <interface type="network">
      <mac address="00:50:56:00:00:01" />
      <source network="prod" />
      <model type="virtio" />
    </interface>
    <interface type="bridge">
      <mac address="00:50:56:00:00:02" />
      <source bridge="br0" />
      <model type="e1000e" />
    </interface>
    <serial type="pty" />
    <console type="pty">
      <target type="serial" port="0" />
    </console>
    <video>
      <model type="vga" />
    </video>
    <rng model="virtio">
      <backend model="random">/dev/urandom</backend>
    </rng>
  </devices>
</domain>
)");
}

TEST(LibvirtDomainXml, EfiWithSecureBootAsksForItAndForSmm) {
  DefineRequest request = Request();
  request.firmware = "efi";
  request.secure_boot = true;
  const std::string xml = *BuildDomainXml(request, kKvm, kSources);
  EXPECT_THAT(xml, HasSubstr(R"(<os firmware="efi">)"));
  EXPECT_THAT(xml, HasSubstr(R"(<feature enabled="yes" name="secure-boot" />)"));
  EXPECT_THAT(xml, HasSubstr(R"(<feature enabled="yes" name="enrolled-keys" />)"));
  EXPECT_THAT(xml, HasSubstr(R"(<smm state="on" />)"));
  request.secure_boot = false;
  const std::string plain = *BuildDomainXml(request, kKvm, kSources);
  EXPECT_THAT(plain, HasSubstr(R"(<feature enabled="no" name="secure-boot" />)"));
  EXPECT_THAT(plain, Not(HasSubstr("smm")));
}

TEST(LibvirtDomainXml, WhatThePlatformDoesNotTellIsLeftToIt) {
  DefineRequest request = Request();
  request.uuid.clear();
  request.cpus = 3;  // no whole number of two-core sockets
  const std::string xml = *BuildDomainXml(request, {"test", "i686", "hvm", "", ""}, kSources);
  EXPECT_THAT(xml, HasSubstr(R"(<type arch="i686">hvm</type>)"));
  EXPECT_THAT(xml, Not(HasSubstr("<cpu")));
  EXPECT_THAT(xml, Not(HasSubstr("<uuid")));
}

TEST(LibvirtDomainXml, NicsFollowTheMapping) {
  DefineRequest request = Request();
  request.nics = {{"00:50:56:00:00:01", "none", "virtio"}, {"00:50:56:00:00:02", "user", ""}};
  const std::string xml = *BuildDomainXml(request, kKvm, kSources);
  EXPECT_THAT(xml, Not(HasSubstr("00:50:56:00:00:01")));
  EXPECT_THAT(xml, HasSubstr(R"(<interface type="user">)"));
  EXPECT_THAT(xml, HasSubstr(R"(<model type="virtio" />)"));
  for (const char* wrong : {"", "prod", "network:", "tap:x"}) {
    request.nics[0].network = wrong;
    EXPECT_EQ(BuildDomainXml(request, kKvm, kSources).error().kind, ErrorKind::kInvalid) << wrong;
  }
}

TEST(LibvirtDomainXml, AConsoleIsRecordedBesideItsTerminal) {
  const auto xml = BuildDomainXml(Request(), kKvm, kSources, {"images", "web1-0123.console", "/pool/web1-0123.console"});
  ASSERT_TRUE(xml.ok());
  EXPECT_THAT(*xml, HasSubstr(R"(    <serial type="pty">
      <log file="/pool/web1-0123.console" append="off" />
    </serial>)"));
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(xml->c_str()));
  const ConsoleRecord record = ReadDomain(document).console;
  EXPECT_EQ(record.pool, "images");
  EXPECT_EQ(record.volume, "web1-0123.console");
}

TEST(LibvirtDomainXml, AGuestAgentGetsAChannelUnlessTheSiteBringsOne) {
  DefineRequest request = Request();
  EXPECT_THAT(*BuildDomainXml(request, kKvm, kSources), Not(HasSubstr("guest_agent")));
  request.guest_agent = true;
  EXPECT_THAT(*BuildDomainXml(request, kKvm, kSources), HasSubstr(R"(    <channel type="unix">
      <target type="virtio" name="org.qemu.guest_agent.0" />
    </channel>)"));
  request.extra_xml =
      "<devices><channel type='unix'><source path='/a'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
      "</devices>";
  const std::string own = *BuildDomainXml(request, kKvm, kSources);
  EXPECT_EQ(own.find("guest_agent"), own.rfind("guest_agent")) << own;
}

TEST(LibvirtDomainXml, AScsiBusBringsItsController) {
  DefineRequest request = Request();
  request.disk_bus = "scsi";
  EXPECT_THAT(*BuildDomainXml(request, kKvm, kSources),
              HasSubstr(R"(<controller type="scsi" index="0" model="virtio-scsi" />)"));
  request.disk_bus = "ide";
  EXPECT_FALSE(BuildDomainXml(request, kKvm, kSources).ok());
}

TEST(LibvirtDomainXml, DiskTargetsGoOnBehindZ) {
  EXPECT_EQ(DiskTarget("virtio", 0), "vda");
  EXPECT_EQ(DiskTarget("sata", 25), "sdz");
  EXPECT_EQ(DiskTarget("virtio", 26), "vdaa");
  EXPECT_EQ(DiskTarget("virtio", 26 + 26 * 26), "vdaaa");
}

TEST(LibvirtDomainXml, WhatWeWriteWeReadAgain) {
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(BuildDomainXml(Request(), kKvm, kSources)->c_str()));
  const DomainDocument domain = ReadDomain(document);
  EXPECT_EQ(domain.name, "web1");
  EXPECT_EQ(domain.key, "k<1>");
  EXPECT_THAT(domain.our_disks, ElementsAre("vda", "vdb"));
  EXPECT_THAT(domain.macs, ElementsAre("00:50:56:00:00:01", "00:50:56:00:00:02"));
  ASSERT_EQ(domain.disks.size(), 2u);
  EXPECT_EQ(domain.disks[1].volume, "/dev/vg/b");
  EXPECT_FALSE(domain.has_nvram);
}

TEST(LibvirtDomainXml, OurMetadataIsKnownByItsNamespaceNotByItsPrefix) {
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(R"(<domain xmlns:w='https://vmferry.dev/xmlns/1'><metadata>
    <vmferry:workload xmlns:vmferry='https://example.org/'><vmferry:key>theirs</vmferry:key></vmferry:workload>
    <w:workload><w:key>ours</w:key></w:workload></metadata></domain>)"));
  EXPECT_EQ(ReadDomain(document).key, "ours");
}

TEST(LibvirtDomainXml, CdromsAreNoDisksAndNvramIsSeen) {
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(R"(<domain><os firmware='efi'/><devices>
    <disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/></disk>
    <disk type='file'><driver type='qcow2'/><source file='/a'/>
      <backingStore type='file'><format type='raw'/><source file='/b'/></backingStore><target dev='vda'/></disk>
    </devices></domain>)"));
  const DomainDocument domain = ReadDomain(document);
  ASSERT_EQ(domain.disks.size(), 1u);
  EXPECT_EQ(domain.disks[0].backing, "/b");
  EXPECT_TRUE(domain.has_nvram);
}

}  // namespace
}  // namespace vmferry::libvirt
