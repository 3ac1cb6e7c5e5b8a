// SPDX-License-Identifier: Apache-2.0
//
// validate_guest_tools_and_drivers: what is missing, what cannot be told, and that the two are never mixed.
#include "steps/guest_drivers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "stage.h"

namespace vmferry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const GuestNeeds kVirtio{"virtio", "virtio", false};

InspectReply Debian(std::vector<GuestKernel> kernels) {
  InspectReply guest;
  guest.inspected = true;
  guest.type = "linux";
  guest.kernels = std::move(kernels);
  return guest;
}

TEST(GuestDrivers, AKernelWithEverythingIsGood) {
  const GuestVerdict verdict =
      JudgeGuest(Debian({{"6.1", {"virtio_blk", "virtio_pci"}, {"virtio_net"}, true}}), kVirtio);
  EXPECT_THAT(verdict.missing, IsEmpty());
  EXPECT_THAT(verdict.unknown, IsEmpty());
  EXPECT_THAT(verdict.notes, ElementsAre(HasSubstr("no guest agent")));
}

TEST(GuestDrivers, BuiltInIsEnoughThoughTheInitramfsIsUnread) {
  const GuestVerdict verdict =
      JudgeGuest(Debian({{"6.8", {"virtio_blk", "virtio_pci", "virtio_net"}, {}, false}}), kVirtio);
  EXPECT_THAT(verdict.missing, IsEmpty());
  EXPECT_THAT(verdict.unknown, IsEmpty());
}

TEST(GuestDrivers, ADriverOutsideTheInitramfsIsMissing) {
  const GuestVerdict verdict =
      JudgeGuest(Debian({{"6.1", {"virtio_pci"}, {"virtio_blk", "virtio_net"}, true}}), kVirtio);
  EXPECT_THAT(verdict.missing, ElementsAre("kernel 6.1 has virtio_blk outside its initramfs"));
}

TEST(GuestDrivers, ADriverThatIsNowhereIsMissingThoughTheInitramfsIsUnread) {
  const GuestVerdict verdict = JudgeGuest(Debian({{"2.6.18", {}, {"e1000e"}, false}}), kVirtio);
  EXPECT_THAT(verdict.missing, ElementsAre("kernel 2.6.18 has no driver virtio_pci, virtio_blk and virtio_net"));
}

TEST(GuestDrivers, AnUnreadInitramfsCannotBeTold) {
  const GuestVerdict verdict =
      JudgeGuest(Debian({{"6.1", {}, {"virtio_blk", "virtio_net", "virtio_pci"}, false}}), kVirtio);
  EXPECT_THAT(verdict.missing, IsEmpty());
  EXPECT_THAT(verdict.unknown, ElementsAre(HasSubstr("in its initramfs, which cannot be read")));
}

TEST(GuestDrivers, WhichOfSeveralKernelsBootsCannotBeTold) {
  const GuestKernel good{"6.1", {"virtio_blk", "virtio_pci"}, {"virtio_net"}, true};
  const GuestKernel bad{"5.10", {}, {"virtio_net"}, true};
  EXPECT_THAT(JudgeGuest(Debian({bad, good}), kVirtio).unknown, ElementsAre(HasSubstr("kernel 5.10 has no driver")));
  EXPECT_THAT(JudgeGuest(Debian({bad, good}), kVirtio).missing, IsEmpty());
  EXPECT_THAT(JudgeGuest(Debian({bad, bad}), kVirtio).missing, testing::SizeIs(2));
  EXPECT_THAT(JudgeGuest(Debian({}), kVirtio).unknown, ElementsAre("no kernel modules are found in it"));
}

TEST(GuestDrivers, TheDevicesOfTheTargetAreWhatCounts) {
  const InspectReply old = Debian({{"5.10", {"ahci"}, {"e1000e"}, true}});
  EXPECT_THAT(JudgeGuest(old, {"sata", "e1000e", false}).missing, IsEmpty());
  EXPECT_THAT(JudgeGuest(old, {"scsi", "e1000e", false}).missing, ElementsAre(HasSubstr("virtio_pci and virtio_scsi")));
  EXPECT_THAT(JudgeGuest(old, {"sata", "virtio", false}).missing, ElementsAre(HasSubstr("virtio_net")));
}

TEST(GuestDrivers, NothingRecognisedAndWindowsCannotBeTold) {
  InspectReply nothing;
  nothing.why = "no root device found";
  EXPECT_THAT(JudgeGuest(nothing, kVirtio).unknown, ElementsAre("no root device found"));
  InspectReply windows = Debian({});
  windows.type = "windows";
  EXPECT_THAT(JudgeGuest(windows, kVirtio).unknown, ElementsAre(HasSubstr("windows")));
}

class ValidateGuest : public testing::Test {
 protected:
  ValidateGuest() {
    stage.PlayUntil("validate_guest_tools_and_drivers");
    life = stage.LifeOf(step, "web1");
  }
  void Find(const std::string& inspection) {
    stage.Change([&](WorldData& world) { world.host.inspection = inspection; });
  }
  const Step& step = *FindStep("validate_guest_tools_and_drivers");
  Stage stage;
  Life life;
};

TEST_F(ValidateGuest, NotesWhatItFound) {
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_TRUE(end) << Describe(end.error());
  EXPECT_EQ(life.facts["verdict"], "drivers present");
  EXPECT_EQ(life.facts["agents"][0], "qemu-guest-agent 7.2");
  EXPECT_THAT(life.facts["notes"].dump(), HasSubstr("VMware's tools are installed"));
}

TEST_F(ValidateGuest, FailsForMissingDriversWhateverIsDeclaredForUnknown) {
  Find("no drivers");
  for (const char* policy : {"fail", "hold", "accept"}) {
    life = stage.LifeOf(step, "web1");
    life.parameters["whenUnknown"] = policy;
    const Result<Progress> end = stage.Finish(step, life);
    ASSERT_FALSE(end) << policy;
    EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
    EXPECT_THAT(end.error().message, HasSubstr("has no driver virtio_pci and virtio_blk"));
    EXPECT_THAT(end.error().advice, HasSubstr("rebuild the initramfs"));
  }
}

TEST_F(ValidateGuest, UnknownFailsHoldsOrIsAcceptedAsDeclared) {
  Find("nothing");
  const Result<Progress> failed = stage.Finish(step, life);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("cannot be told"));
  life = stage.LifeOf(step, "web1");
  life.parameters["whenUnknown"] = "hold";
  const Result<Progress> held = stage.Finish(step, life);
  ASSERT_TRUE(held) << Describe(held.error());
  EXPECT_EQ(held->state, Progress::State::kHold);
  EXPECT_THAT(held->why, HasSubstr("no operating system found"));
  const Result<Progress> resumed = stage.Finish(step, life);
  ASSERT_TRUE(resumed) << Describe(resumed.error());
  EXPECT_EQ(resumed->state, Progress::State::kDone);
  EXPECT_EQ(life.facts["verdict"], "cannot tell, accepted");
  life = stage.LifeOf(step, "web1");
  life.parameters["whenUnknown"] = "accept";
  ASSERT_TRUE(stage.Finish(step, life));
  EXPECT_EQ(life.facts["verdict"], "cannot tell, accepted");
}

TEST_F(ValidateGuest, ARequiredAgentThatIsMissingFails) {
  InspectReply guest = Debian({{"6.1", {"virtio_blk", "virtio_pci"}, {"virtio_net"}, true}});
  EXPECT_THAT(JudgeGuest(guest, {"virtio", "virtio", true}).missing, ElementsAre(HasSubstr("no guest agent")));
}

// The worker went on reading disks after its step had ended, up to an hour, while the rollback took them back. The undo
// of what made the disks waits for its end now.
TEST(GuestDrivers, TheLookIntoTheDisksEndsBeforeTheyAreTakenBack) {
  Stage stage;
  stage.PlayUntil("validate_guest_tools_and_drivers");
  const Step& look = *FindStep("validate_guest_tools_and_drivers");
  const Step& sync = *FindStep("final_data_sync");
  std::atomic<bool> goes_on{true};
  stage.BeforeCalls([&](const CallSpec& call) {
    while (call.name == "Inspect" && goes_on) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  Life looking = stage.LifeOf(look, "web1");
  ASSERT_EQ(stage.Round(look, looking)->state, Progress::State::kNotYet);
  Life copied = stage.LifeOf(sync);
  const Result<Progress> undone = stage.Round(sync, copied, true);
  goes_on = false;
  ASSERT_TRUE(undone) << Describe(undone.error());
  EXPECT_EQ(undone->state, Progress::State::kNotYet);
  EXPECT_THAT(undone->meter.text, HasSubstr("stopping the look into the disks of web1"));
  EXPECT_TRUE(stage.Finish(sync, copied, true));
}

}  // namespace
}  // namespace vmferry
