// SPDX-License-Identifier: Apache-2.0
//
// Reading of properties, paths, devices and snapshots, without a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/vsphere/devices.h"
#include "plugins/vsphere/inventory.h"
#include "plugins/vsphere/property_collector.h"
#include "plugins/vsphere/snapshots.h"

namespace vmferry::vsphere {
namespace {

std::shared_ptr<pugi::xml_document> Xml(const std::string& text) {
  auto document = std::make_shared<pugi::xml_document>();
  EXPECT_TRUE(document->load_string(text.c_str())) << text;
  return document;
}

TEST(PropertyPagesTest, PagesAreMergedByObject) {
  std::vector<Properties> objects;
  const auto page = [&](const std::string& text) {
    auto document = Xml(text);
    AddPage(document->first_child(), document, &objects);
  };
  page(R"(<returnval><token>1</token><objects><obj type="VirtualMachine">vm-1</obj><propSet>)"
       R"(<name>name</name><val>a</val>)"
       R"(</propSet></objects><objects><obj type="VirtualMachine">vm-2</obj><propSet><name>name</name>)"
       R"(<val>b</val></propSet>)"
       R"(</objects></returnval>)");
  page(R"(<returnval><objects><obj type="VirtualMachine">vm-1</obj><propSet><name>runtime.host</name>)"
       R"(<val type="HostSystem">host-9</val></propSet><missingSet><path>config</path><fault>)"
       R"(<fault xsi:type="NoPermission">)"
       R"(<privilegeId>System.Read</privilegeId></fault></fault></missingSet></objects></returnval>)");
  ASSERT_EQ(objects.size(), 2U);
  EXPECT_EQ(objects[0].Text("name"), "a");
  EXPECT_EQ(RefIn(objects[0].Find("runtime.host")).value, "host-9");
  ASSERT_NE(objects[0].Missing("config"), nullptr);
  EXPECT_EQ(objects[0].Missing("config")->privilege, "System.Read");
  EXPECT_EQ(objects[1].Text("name"), "b");
  EXPECT_EQ(objects[1].Text("never asked"), "");
}

TEST(InventoryPathTest, PathsAreMadeOfTheNamesAsStored) {
  const std::vector<Ancestor> chain{{{"VirtualMachine", "vm-1"}, "we%2fb", {}},
                                    {{"Folder", "group-3"}, "Team A", {}},
                                    {{"Folder", "group-2"}, "vm", {}},
                                    {{"Datacenter", "dc-1"}, "DC0", {}},
                                    {{"Folder", "group-1"}, "Europe", {}}};
  EXPECT_EQ(PathOf(chain), "/Europe/DC0/vm/Team A/we%2fb");
  EXPECT_EQ(DatacenterPath(chain), "Europe/DC0");
  EXPECT_EQ(DatacenterPath({}), "");
}

TEST(InventoryPathTest, EscapesOfNamesAreUndoneForPeople) {
  EXPECT_EQ(PlainName("a%2fb%5cc%25d%2e"), "a/b\\c%d%2e");
  EXPECT_EQ(PlainName("100%"), "100%");
  EXPECT_EQ(PlainName("%252f"), "%2f");
}

const char* const kHardware = R"(<val xsi:type="VirtualHardware"><numCPU>2</numCPU>
<device xsi:type="VirtualIDEController"><key>200</key><busNumber>0</busNumber></device>
<device xsi:type="ParaVirtualSCSIController"><key>1000</key><busNumber>1</busNumber></device>
<device xsi:type="VirtualQuantumController"><key>1600</key><busNumber>0</busNumber></device>
<device xsi:type="VirtualDisk"><key>2000</key><deviceInfo><label>Hard disk 1</label></deviceInfo>
  <backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds 1] a/a.vmdk</fileName>
    <diskMode>persistent</diskMode></backing>
  <controllerKey>1000</controllerKey><unitNumber>3</unitNumber><capacityInKB>1024</capacityInKB></device>
<device xsi:type="VirtualDisk"><key>2001</key>
  <backing xsi:type="VirtualDiskRawDiskMappingVer1BackingInfo"><fileName>[ds 1] a/r.vmdk</fileName>
    <diskMode>independent_persistent</diskMode></backing>
  <controllerKey>1600</controllerKey><unitNumber>0</unitNumber><capacityInKB>1</capacityInKB>
    <capacityInBytes>9000000000000</capacityInBytes></device>
<device xsi:type="VirtualE1000e"><key>4000</key><deviceInfo><label>Network adapter 1</label></deviceInfo>
  <backing xsi:type="VirtualEthernetCardDistributedVirtualPortBackingInfo"><port>
    <portgroupKey>dvportgroup-7</portgroupKey></port></backing>
  <connectable><startConnected>true</startConnected><connected>false</connected></connectable>
    <macAddress>00:50:56:AB:cd:01</macAddress></device>
<device xsi:type="VirtualHyperNic9"><key>4001</key><backing><deviceName>VM Network</deviceName></backing>
  <macAddress>00:50:56:00:00:02</macAddress></device>
<device xsi:type="VirtualTPM"><key>11000</key></device></val>)";

TEST(DevicesTest, DisksComeWithControllerPlaceAndMode) {
  const auto document = Xml(kHardware);
  const std::vector<Disk> disks = DisksIn(document->first_child());
  ASSERT_EQ(disks.size(), 2U);
  EXPECT_EQ(disks[0].facts.id, "2000");
  EXPECT_EQ(disks[0].facts.label, "Hard disk 1");
  EXPECT_EQ(disks[0].facts.controller, "pvscsi");
  EXPECT_EQ(disks[0].controller_type, "ParaVirtualSCSIController");
  EXPECT_EQ(disks[0].facts.bus, 1);
  EXPECT_EQ(disks[0].facts.unit, 3);
  EXPECT_EQ(disks[0].facts.capacity_bytes, 1048576U);
  EXPECT_FALSE(disks[0].facts.raw_device_mapping);
  EXPECT_TRUE(disks[1].facts.raw_device_mapping);
  EXPECT_EQ(disks[1].facts.mode, "independent_persistent");
  EXPECT_EQ(disks[1].facts.capacity_bytes, 9000000000000U);
  EXPECT_EQ(disks[1].facts.controller, "VirtualQuantumController");
}

TEST(DevicesTest, NicsOfKnownAndLaterKindsAreFound) {
  const auto document = Xml(kHardware);
  const std::vector<Nic> nics = NicsIn(document->first_child());
  ASSERT_EQ(nics.size(), 2U);
  EXPECT_EQ(nics[0].facts.adapter, "e1000e");
  EXPECT_EQ(nics[0].facts.mac, "00:50:56:ab:cd:01");
  EXPECT_TRUE(nics[0].facts.start_connected);
  EXPECT_FALSE(nics[0].facts.connected);
  EXPECT_EQ(nics[0].backing.portgroup_key, "dvportgroup-7");
  EXPECT_EQ(nics[1].facts.adapter, "hypernic9");
  EXPECT_EQ(nics[1].facts.network, "VM Network");
  EXPECT_TRUE(HasTpm(document->first_child()));
}

TEST(DevicesTest, DevicesOfTheHostComeWithTheModeTheirBackingTells) {
  const auto document = Xml(R"(<val xsi:type="VirtualHardware">
<device xsi:type="VirtualPCIPassthrough"><key>13000</key><deviceInfo><label>PCI device 0</label></deviceInfo>
  <backing xsi:type="VirtualPCIPassthroughDeviceBackingInfo"><id>0000:3b:00.0</id><vendorId>4318</vendorId></backing>
</device>
<device xsi:type="VirtualPCIPassthrough"><key>13001</key>
  <backing xsi:type="VirtualPCIPassthroughVmiopBackingInfo"><vgpu>grid_a100-4c</vgpu></backing></device>
<device xsi:type="VirtualPCIPassthrough"><key>13002</key>
  <backing xsi:type="VirtualPCIPassthroughVmiopBackingInfo"><vgpu>grid_a100-1-5c</vgpu></backing></device>
<device xsi:type="VirtualPCIPassthrough"><key>13003</key>
  <backing xsi:type="VirtualPCIPassthroughVmiopBackingInfo"><vgpu>grid_a100-1-5cme</vgpu></backing></device>
<device xsi:type="VirtualPCIPassthrough"><key>13004</key>
  <backing xsi:type="VirtualPCIPassthroughDynamicBackingInfo"><assignedId>0000:5e:00.0</assignedId></backing></device>
<device xsi:type="VirtualPCIPassthrough"><key>13005</key>
  <backing xsi:type="VirtualPCIPassthroughDvxBackingInfo"/></device>
<device xsi:type="VirtualVideoCard"><key>500</key></device></val>)");
  std::string found;
  for (const GpuFacts& gpu : GpusIn(document->first_child())) found += gpu.id + " " + gpu.mode + " " + gpu.device + "\n";
  EXPECT_EQ(found,
            "13000 passthrough 0000:3b:00.0\n"
            "13001 vgpu grid_a100-4c\n"
            "13002 mig grid_a100-1-5c\n"
            "13003 mig grid_a100-1-5cme\n"
            "13004 passthrough 0000:5e:00.0\n"
            "13005 unknown \n");
  EXPECT_EQ(GpusIn(document->first_child()).at(0).label, "PCI device 0");
}

TEST(SnapshotsTest, TreeIsListedOldestFirst) {
  const auto document = Xml(R"(<val>
    <rootSnapshotList><snapshot type="VirtualMachineSnapshot">snapshot-1</snapshot><name>old</name>
      <description>k1</description>
      <createTime>2026-01-01T00:00:00Z</createTime>
      <childSnapshotList><snapshot type="VirtualMachineSnapshot">snapshot-3</snapshot><name>young</name>
        <createTime>2026-03-01T00:00:00Z</createTime></childSnapshotList>
      <childSnapshotList><snapshot type="VirtualMachineSnapshot">snapshot-2</snapshot><name>middle</name>
        <createTime>2026-02-01T00:00:00Z</createTime></childSnapshotList>
    </rootSnapshotList></val>)");
  const std::vector<Snapshot> snapshots = SnapshotsIn(document->first_child());
  ASSERT_EQ(snapshots.size(), 3U);
  EXPECT_EQ(snapshots[0].name, "old");
  EXPECT_EQ(snapshots[0].description, "k1");
  EXPECT_EQ(snapshots[1].ref.value, "snapshot-2");
  EXPECT_EQ(snapshots[2].name, "young");
}

}  // namespace
}  // namespace vmferry::vsphere
