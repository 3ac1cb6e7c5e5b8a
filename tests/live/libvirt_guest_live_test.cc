// SPDX-License-Identifier: Apache-2.0
//
// The libvirt plugin with a real guest: overlay, merge, keys, firmware. Run by the lab's end-to-end script only.
#include <libvirt/libvirt.h>

#include <algorithm>
#include <cstdlib>

#include "plugins/target_boot.h"
#include "state/digest.h"
#include "tests/live/libvirt_lab.h"

namespace vmferry::live {
namespace {

TEST_F(LibvirtLive, AGuestRunsFromTheOverlayAndKeepsItsRecordsThroughTheMerge) {
  ASSERT_NO_FATAL_FAILURE(BringGuest());
  ASSERT_NO_FATAL_FAILURE(StartAndAwait());
  const std::string whoami = Http(Port(), "GET", "/cgi-bin/whoami");
  EXPECT_NE(whoami.find("vendor=QEMU"), std::string::npos) << whoami;
  EXPECT_NE(whoami.find("00:50:56:aa:bb:0c"), std::string::npos) << whoami;
  const std::string sealed = Sha256Hex(OnDisk("disk.qcow2"));
  Http(Port(), "POST", "/cgi-bin/record", "one");
  EXPECT_NE(Domain().disks.at(0).backing.find(Name("disk.qcow2")), std::string::npos);
  ASSERT_TRUE(StopByButton());
  EXPECT_EQ(Domain().state, "off");
  EXPECT_NE(Domain().disks.at(0).backing.find(Name("disk.qcow2")), std::string::npos);
  EXPECT_EQ(Sha256Hex(OnDisk("disk.qcow2")), sealed) << "the guest wrote into the sealed copy";

  auto too_early = Merge();
  ASSERT_FALSE(too_early.ok());
  EXPECT_EQ(too_early.error().kind, ErrorKind::kInvalid);
  ASSERT_NO_FATAL_FAILURE(StartAndAwait());
  Http(Port(), "POST", "/cgi-bin/record", "two");
  ASSERT_TRUE(Await([&] {
    auto merged = Merge();
    EXPECT_TRUE(merged.ok()) << Describe(merged.error());
    return !merged || merged->done;
  }));
  EXPECT_FALSE(Volume("ov").exists);
  EXPECT_TRUE(Domain().disks.at(0).volume.ends_with(Name("disk.qcow2")));
  auto again = Merge();
  ASSERT_OK(again);
  EXPECT_TRUE(again->done);
  Http(Port(), "POST", "/cgi-bin/record", "three");

  ASSERT_TRUE(StopByButton());
  ASSERT_NO_FATAL_FAILURE(StartAndAwait());
  const std::string records = Http(Port(), "GET", "/cgi-bin/records");
  EXPECT_NE(records.find("one\ntwo\nthree\n"), std::string::npos) << records;
}

// The point is chosen by doing the daemon's part ourselves, as a vmferry that died there had done it.
TEST_F(LibvirtLive, AMergeIsFinishedAfterACrashBetweenPivotAndCleanUp) {
  ASSERT_NO_FATAL_FAILURE(BringGuest());
  ASSERT_NO_FATAL_FAILURE(StartAndAwait());
  auto started = Merge();
  ASSERT_OK(started);
  EXPECT_FALSE(started->done);
  plugin_ = NewPlugin();
  virConnectPtr connect = virConnectOpen(LabValue("LIBVIRT_URI").c_str());
  virDomainPtr domain = virDomainLookupByName(connect, Name("vm").c_str());
  ASSERT_NE(domain, nullptr);
  EXPECT_TRUE(Await([&] { return virDomainBlockJobAbort(domain, "vda", VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT) == 0; }));
  EXPECT_TRUE(Volume("ov").exists);
  EXPECT_TRUE(Domain().merging) << "an observer sees that something is left to do";
  ASSERT_OK(Invoke(*plugin_, target::kEnsureStopped, Vm(), kContext));
  auto finished = Merge();
  ASSERT_OK(finished);
  EXPECT_TRUE(finished->done);
  EXPECT_FALSE(Domain().merging);
  EXPECT_FALSE(Volume("ov").exists);
  char* xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
  EXPECT_EQ(std::string(xml).find("xmlns/merge"), std::string::npos) << xml;
  std::free(xml);
  virDomainFree(domain);
  virConnectClose(connect);
  ASSERT_NO_FATAL_FAILURE(StartAndAwait());
}

TEST_F(LibvirtLive, ABootIsSeenOnTheConsoleAndByTheAgent) {
  ASSERT_NO_FATAL_FAILURE(BringGuest());
  DefineRequest request = Definition();
  request.console_pool = pool_;
  request.guest_agent = true;
  ASSERT_OK(Invoke(*plugin_, target::kEnsureDefined, request, kContext));
  const auto console = [&] {
    auto read = Invoke(*plugin_, target::kReadConsole, Vm(), kContext);
    EXPECT_TRUE(read.ok() && read->recorded) << (read.ok() ? read->why : Describe(read.error()));
    return read ? read->text : std::string();
  };
  const auto agent = [&] {
    auto pinged = Invoke(*plugin_, target::kPingAgent, Vm(), kContext);
    EXPECT_TRUE(pinged.ok()) << Describe(pinged.error());
    return pinged ? *pinged : AgentReply{};
  };
  const auto ready = [&] { return console().find("GUEST-READY nic=") != std::string::npos; };
  EXPECT_EQ(console(), "");
  for (int start = 0; start < 2; ++start) {
    ASSERT_OK(Invoke(*plugin_, target::kEnsureRunning, Vm(), kContext));
    ASSERT_TRUE(Await(ready)) << "the console says: " << console();
    ASSERT_TRUE(Await([&] { return agent().answers; })) << agent().why;
    const std::string text = console();
    EXPECT_EQ(text.find("GUEST-READY"), text.rfind("GUEST-READY")) << "each start begins the record anew: " << text;
    ASSERT_OK(Invoke(*plugin_, target::kEnsureStopped, Vm(), kContext));
    EXPECT_TRUE(ready()) << "it can be read when the domain has stopped";
    EXPECT_FALSE(agent().answers);
    EXPECT_NE(agent().why, "");
  }
  char* xml = nullptr;
  virConnectPtr connect = virConnectOpen(LabValue("LIBVIRT_URI").c_str());
  virDomainPtr domain = virDomainLookupByName(connect, Name("vm").c_str());
  if (domain != nullptr) xml = virDomainGetXMLDesc(domain, 0);
  EXPECT_NE(std::string(xml == nullptr ? "" : xml).find("<serial type='pty'>"), std::string::npos)
      << "people keep their terminal";
  std::free(xml);
  if (domain != nullptr) virDomainFree(domain);
  virConnectClose(connect);
}

TEST_F(LibvirtLive, ADomainOfAnotherKeyIsNotTouched) {
  ASSERT_NO_FATAL_FAILURE(BringGuest());
  ASSERT_OK(Invoke(*plugin_, target::kEnsureDefined, Definition(), kContext));
  const DomainRequest other{Name("vm"), "key-2"};
  DefineRequest taken = Definition();
  taken.key = "key-2";
  auto defined = Invoke(*plugin_, target::kEnsureDefined, taken, kContext);
  ASSERT_FALSE(defined.ok());
  EXPECT_EQ(defined.error().kind, ErrorKind::kConflict);
  EXPECT_NE(defined.error().message.find("target name is taken"), std::string::npos);
  EXPECT_EQ(Invoke(*plugin_, target::kEnsureRunning, other, kContext).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(Invoke(*plugin_, target::kEnsureStopped, other, kContext).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(Invoke(*plugin_, target::kEnsureUndefined, other, kContext).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(Invoke(*plugin_, target::kMergeOverlays, other, kContext).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(Domain().key, "key-1");
}

TEST_F(LibvirtLive, AFirmwareTheHostLacksIsRefusedBeforeAnythingIsDefined) {
  auto facts = Invoke(*plugin_, target::kDescribeTarget, PlatformQuery{}, kContext);
  ASSERT_OK(facts);
  DefineRequest request = Definition();
  request.disks.clear();
  request.firmware = "efi";
  auto defined = Invoke(*plugin_, target::kEnsureDefined, request, kContext);
  const bool has_efi = std::find(facts->firmwares.begin(), facts->firmwares.end(), "efi") != facts->firmwares.end();
  EXPECT_EQ(defined.ok(), has_efi);
  if (!has_efi) {
    EXPECT_EQ(defined.error().kind, ErrorKind::kInvalid);
    EXPECT_NE(defined.error().advice.find("OVMF"), std::string::npos);
    EXPECT_FALSE(Domain().exists);
  }
}

}  // namespace
}  // namespace vmferry::live
