// SPDX-License-Identifier: Apache-2.0
//
// Which URL serves a disk, lease handles, datastore paths and disk descriptors, without a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/vsphere/export_nfc.h"
#include "plugins/vsphere/folder_reader.h"

namespace vmferry::vsphere {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Disk MakeDisk(const std::string& id, const std::string& controller, int bus, int unit) {
  Disk disk;
  disk.facts.id = id;
  disk.facts.bus = bus;
  disk.facts.unit = unit;
  disk.controller_type = controller;
  return disk;
}

class DeviceUrlTest : public ::testing::Test {
 protected:
  Result<DeviceUrl> Choose(const std::string& urls, const std::vector<Disk>& disks, const std::string& id) {
    document_.load_string(("<info>" + urls + "</info>").c_str());
    return ChooseDeviceUrl(document_.first_child(), disks, id);
  }
  static std::string Offer(const std::string& key, const std::string& url, const std::string& more = "") {
    return "<deviceUrl><key>" + key + "</key><url>" + url + "</url><disk>true</disk>" + more + "</deviceUrl>";
  }
  pugi::xml_document document_;
};

TEST_F(DeviceUrlTest, ControllerBusAndUnitTellTheDisk) {
  const std::vector<Disk> disks{MakeDisk("2000", "ParaVirtualSCSIController", 0, 0),
                                MakeDisk("2001", "ParaVirtualSCSIController", 0, 11),
                                MakeDisk("3000", "VirtualIDEController", 0, 0)};
  const std::string urls = Offer("/vm-42/ParaVirtualSCSIController0:11", "u11") +
                           Offer("/vm-42/VirtualIDEController0:0", "ide", "<sslCertificate>PEM</sslCertificate>") +
                           Offer("/vm-42/ParaVirtualSCSIController0:0", "u0") +
                           "<deviceUrl><key>/vm-42/nvram</key><url>nv</url><disk>false</disk></deviceUrl>";
  EXPECT_EQ(Choose(urls, disks, "2000")->url, "u0");
  EXPECT_EQ(Choose(urls, disks, "2001")->url, "u11");
  EXPECT_EQ(Choose(urls, disks, "3000")->url, "ide");
  EXPECT_EQ(Choose(urls, disks, "3000")->certificate, "PEM");
}

TEST_F(DeviceUrlTest, ControllerOfAnotherNameIsAcceptedOnlyWhenThePlaceIsUnique) {
  const std::vector<Disk> one{MakeDisk("2000", "ParaVirtualSCSIController", 0, 1)};
  EXPECT_EQ(Choose(Offer("/2/VirtualLsiLogicController0:1", "u"), one, "2000")->url, "u");
  EXPECT_FALSE(Choose(Offer("/2/VirtualLsiLogicController10:1", "u"), one, "2000").ok());
  const std::vector<Disk> two{one[0], MakeDisk("3000", "VirtualIDEController", 0, 1)};
  EXPECT_EQ(Choose(Offer("/2/XController0:1", "u"), two, "2000").error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(Choose("", one, "2000").error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(Choose("", one, "9").error().kind, ErrorKind::kNotFound);
}

TEST_F(DeviceUrlTest, StarStandsForTheHostOfTheApi) {
  const Url api = *ParseUrl("https://esx1.example.com:8443/sdk");
  const auto url = ResolveDeviceUrl("https://*/nfc/52c6-ticket/disk-0.vmdk", api);
  EXPECT_EQ(url->Origin(), "https://esx1.example.com");
  EXPECT_EQ(url->target, "/nfc/52c6-ticket/disk-0.vmdk");
  EXPECT_EQ(ResolveDeviceUrl("https://*:9443/x", api)->port, "9443");
  EXPECT_EQ(ResolveDeviceUrl("https://esx2/x", api)->host, "esx2");
}

TEST_F(DeviceUrlTest, TicketIsNotInErrorsAndTlsIsDemanded) {
  const Url api = *ParseUrl("https://esx1/sdk");
  for (const char* text : {"nfc://x/ticket-52c6", "http://esx2/nfc/ticket-52c6/disk-0.vmdk"}) {
    const auto url = ResolveDeviceUrl(text, api);
    ASSERT_FALSE(url.ok());
    EXPECT_THAT(Describe(url.error()), Not(HasSubstr("52c6")));
  }
}

TEST(LeaseHandleTest, HandleSurvivesTheJournal) {
  const auto handle = ParseHandle(HandleText({"session[1]2", "vm-42", "task-9"}));
  ASSERT_TRUE(handle.ok());
  EXPECT_EQ(handle->lease, "session[1]2");
  EXPECT_EQ(handle->vm, "vm-42");
  EXPECT_EQ(handle->task, "task-9");
  for (const char* text : {"nonsense", "[]", "{}", R"({"lease":7})"})
    EXPECT_EQ(ParseHandle(text).error().kind, ErrorKind::kInvalid) << text;
}

TEST(FolderPathTest, PathAndQueryAreQuoted) {
  const auto path = ParseDatastorePath("[data store (1)] web 1/web#1&?.vmdk");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->datastore, "data store (1)");
  EXPECT_EQ(path->path, "web 1/web#1&?.vmdk");
  EXPECT_EQ(FolderTarget(*path, "Europe/DC & 0"),
            "/folder/web%201/web%231%26%3F.vmdk?dcPath=Europe%2FDC%20%26%200&dsName=data%20store%20%281%29");
  for (const char* text : {"", "web1/web1.vmdk", "[ds]", "[] x", "[ds] "})
    EXPECT_EQ(ParseDatastorePath(text).error().kind, ErrorKind::kInvalid) << text;
}

std::string Descriptor(const std::string& middle) {
  return "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n" + middle +
         "\nddb.adapterType = \"lsilogic\"\n";
}

TEST(DescriptorTest, FlatExtentIsNamedWithItsSize) {
  const auto extent =
      ReadDescriptor(Descriptor("createType=\"vmfs\"\n# Extent description\nRW 2048 VMFS \"my disk-flat.vmdk\"\n"));
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(extent->file, "my disk-flat.vmdk");
  EXPECT_EQ(extent->bytes, 1048576U);
  EXPECT_TRUE(ReadDescriptor(Descriptor("RW 2048 FLAT \"a-flat.vmdk\" 0\n")).ok());
}

TEST(DescriptorTest, WhatIsNoFlatFileIsRefusedWithTheWayOut) {
  const auto delta =
      ReadDescriptor(Descriptor("parentFileNameHint=\"a.vmdk\"\nRW 2048 VMFSSPARSE \"a-000001-delta.vmdk\"\n"));
  EXPECT_EQ(delta.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(delta.error().advice, HasSubstr("snapshots"));
  for (const char* middle : {"", "RW 2048 VMFSRDM \"a-rdm.vmdk\"", "RW 1 FLAT \"a\" 0\nRW 1 FLAT \"b\" 0",
                             "RW 1 FLAT \"../../etc/passwd\" 0", "RW 1 SESPARSE \"a\""})
    EXPECT_EQ(ReadDescriptor(Descriptor(middle)).error().kind, ErrorKind::kInvalid) << middle;
  EXPECT_EQ(ReadDescriptor("RW 2048 FLAT \"a-flat.vmdk\" 0\n").error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace vmferry::vsphere
