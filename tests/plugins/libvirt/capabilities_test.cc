// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmferry::libvirt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// As libvirt 9.0 answers on a host with /dev/kvm, shortened.
constexpr const char* kCapabilities = R"(<capabilities>
  <host><cpu><arch>x86_64</arch></cpu></host>
  <guest><os_type>hvm</os_type>
    <arch name='i686'><domain type='qemu'/><domain type='kvm'/></arch></guest>
  <guest><os_type>hvm</os_type>
    <arch name='x86_64'><machine canonical='pc-q35-7.2'>q35</machine><domain type='qemu'/><domain type='kvm'/></arch>
  </guest>
</capabilities>)";

constexpr const char* kDomainCapabilities = R"(<domainCapabilities>
  <machine>pc-q35-7.2</machine><arch>x86_64</arch><vcpu max='288'/>
  <os supported='yes'><enum name='firmware'><value>efi</value></enum>
    <loader supported='yes'><enum name='type'><value>rom</value></enum>
      <enum name='secure'><value>no</value><value>yes</value></enum></loader></os>
  <cpu><mode name='host-passthrough' supported='yes'/><mode name='maximum' supported='yes'/>
    <mode name='host-model' supported='no'/></cpu>
  <devices><disk supported='yes'><enum name='diskDevice'><value>disk</value></enum>
    <enum name='bus'><value>scsi</value><value>virtio</value><value>sata</value></enum></disk></devices>
</domainCapabilities>)";

GuestSupport Guest(std::vector<std::string> types) {
  return {"x86_64", "hvm", std::move(types)};
}

MachineSupport Machine() {
  return ParseDomainCapabilities(kDomainCapabilities);
}

DefineRequest Bios() {
  DefineRequest request;
  request.cpus = 2;
  request.firmware = "bios";
  request.disk_bus = "virtio";
  return request;
}

TEST(LibvirtCapabilities, TheX8664GuestIsChosenAmongAll) {
  const GuestSupport guest = GuestForWorkloads(ParseCapabilities(kCapabilities));
  EXPECT_EQ(guest.arch, "x86_64");
  EXPECT_EQ(guest.os_type, "hvm");
  EXPECT_THAT(guest.domain_types, ElementsAre("qemu", "kvm"));
}

TEST(LibvirtCapabilities, WhatIsNoCapabilitiesDocumentSupportsNothing) {
  EXPECT_TRUE(ParseCapabilities("<oops").empty());
  EXPECT_EQ(GuestForWorkloads({}).arch, "");
  EXPECT_FALSE(ParseDomainCapabilities("<domain/>").known);
}

TEST(LibvirtCapabilities, TheMachineIsReadFromDomainCapabilities) {
  const MachineSupport machine = Machine();
  EXPECT_TRUE(machine.known);
  EXPECT_EQ(machine.machine, "pc-q35-7.2");
  EXPECT_EQ(machine.max_cpus, 288);
  EXPECT_THAT(machine.firmwares, ElementsAre("bios", "efi"));
  EXPECT_TRUE(machine.secure_boot);
  EXPECT_THAT(machine.cpu_modes, ElementsAre("host-passthrough", "maximum"));
  EXPECT_THAT(machine.disk_buses, ElementsAre("scsi", "virtio", "sata"));
}

TEST(LibvirtCapabilities, AutoPrefersKvmThenQemuThenWhatThereIs) {
  EXPECT_EQ(*ChooseDomainType(Guest({"qemu", "kvm"}), "auto"), "kvm");
  EXPECT_EQ(*ChooseDomainType(Guest({"qemu"}), ""), "qemu");
  EXPECT_EQ(*ChooseDomainType(Guest({"test"}), "auto"), "test");
  EXPECT_EQ(*ChooseDomainType(Guest({"qemu", "kvm"}), "qemu"), "qemu");
  const auto refused = ChooseDomainType(Guest({"qemu"}), "kvm");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(refused.error().message, "domain type 'kvm' is not usable there; usable: qemu");
  EXPECT_FALSE(ChooseDomainType(Guest({}), "auto").ok());
}

TEST(LibvirtCapabilities, KvmPassesTheHostCpuAndTcgEmulatesAllItCan) {
  EXPECT_EQ(ChooseHost(Bios(), Guest({"kvm"}), "kvm", Machine())->cpu_mode, "host-passthrough");
  EXPECT_EQ(ChooseHost(Bios(), Guest({"qemu"}), "qemu", Machine())->cpu_mode, "maximum");
  EXPECT_EQ(ChooseHost(Bios(), Guest({"test"}), "test", {})->cpu_mode, "");
}

TEST(LibvirtCapabilities, WhatTheHostLacksIsRefusedBeforeDefining) {
  MachineSupport no_efi = Machine();
  no_efi.firmwares = {"bios"};
  no_efi.secure_boot = false;
  DefineRequest efi = Bios();
  efi.firmware = "efi";
  EXPECT_TRUE(ChooseHost(efi, Guest({"kvm"}), "kvm", Machine()).ok());
  EXPECT_THAT(ChooseHost(efi, Guest({"kvm"}), "kvm", no_efi).error().message, HasSubstr("EFI"));
  no_efi.firmwares.push_back("efi");
  efi.secure_boot = true;
  EXPECT_TRUE(ChooseHost(efi, Guest({"kvm"}), "kvm", Machine()).ok());
  EXPECT_THAT(ChooseHost(efi, Guest({"kvm"}), "kvm", no_efi).error().message, HasSubstr("secure boot"));
  DefineRequest many = Bios();
  many.cpus = 300;
  EXPECT_THAT(ChooseHost(many, Guest({"kvm"}), "kvm", Machine()).error().message, HasSubstr("at most 288"));
  DefineRequest bus = Bios();
  bus.disk_bus = "nvme";
  EXPECT_THAT(ChooseHost(bus, Guest({"kvm"}), "kvm", Machine()).error().message, HasSubstr("scsi, virtio, sata"));
}

}  // namespace
}  // namespace vmferry::libvirt
