// SPDX-License-Identifier: Apache-2.0
//
// The plugin with programs of the test's own in the place of libguestfs': what they are called with, and their bad
// ends.
#include "plugins/libguestfs/libguestfs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "plugins/guest.h"

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A directory with our virt-inspector and guestfish.
class Libguestfs : public testing::Test {
 protected:
  Libguestfs() {
    std::string pattern = (fs::temp_directory_path() / "vmferry-guestfs.XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    place_ = pattern;
    std::ofstream(place_ / "disk.qcow2") << "disk";
  }
  ~Libguestfs() override { fs::remove_all(place_); }
  void Program(const std::string& name, const std::string& body) const {
    std::ofstream(place_ / name) << "#!/bin/sh\necho \"$0 $LIBGUESTFS_BACKEND $SUPERMIN_KERNEL $*\" >> '" << (place_ / "calls").string()
                                 << "'\n"
                                 << body << "\n";
    chmod((place_ / name).c_str(), 0700);
  }
  std::string Calls() const {
    std::ostringstream text;
    text << std::ifstream(place_ / "calls").rdbuf();
    return text.str();
  }
  Result<InspectReply> Inspect(const std::string& disk = "disk.qcow2", const std::string& format = "qcow2") const {
    const auto plugin =
        LibguestfsKind().make(PluginSetup{"guests", {{"programs", place_.string()}, {"kernel", "/k"}}, nullptr});
    return Invoke(**plugin, guest::kInspect, InspectRequest{{{(place_ / disk).string(), format}}}, CallContext{});
  }

  fs::path place_;
};

constexpr char kLinux[] =
    "echo '<operatingsystems><operatingsystem><name>linux</name></operatingsystem></operatingsystems>'";

TEST_F(Libguestfs, KernelsAreReadFromWhatGuestfishPrints) {
  Program("virt-inspector", kLinux);
  Program("guestfish", R"(case "$*" in
*modules.dep*) printf '%s\n' '=== builtin 6.1' kernel/drivers/block/virtio_blk.ko '=== loadable 6.1' \
  'kernel/drivers/net/virtio_net.ko:' '=== initramfs 6.1' usr/lib/modules/6.1/kernel/drivers/virtio/virtio_pci.ko;;
*) echo 6.1;;
esac)");
  const auto reply = Inspect();
  ASSERT_TRUE(reply) << Describe(reply.error());
  ASSERT_EQ(reply->kernels.size(), 1u);
  EXPECT_THAT(reply->kernels[0].at_boot, testing::ElementsAre("virtio_blk", "virtio_pci"));
  EXPECT_THAT(reply->kernels[0].loadable, testing::ElementsAre("virtio_net"));
  EXPECT_TRUE(reply->kernels[0].initramfs_read);
  EXPECT_THAT(Calls(),
              HasSubstr("virt-inspector direct /k --no-icon --format=qcow2 -a " + (place_ / "disk.qcow2").string()));
  EXPECT_THAT(Calls(), HasSubstr("guestfish direct /k --ro --format=qcow2 -a"));
}

// A guest whose fstab names another disk made the inspection fail, with advice about this machine, and no `whenUnknown`
// let the run go on.
TEST_F(Libguestfs, AGuestThatCannotBeMadeOutIsAnAnswerToo) {
  Program("virt-inspector", "echo 'libguestfs: error: filesize: /var/lib/dpkg/status: No such file' >&2\nexit 1");
  const auto reply = Inspect();
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_FALSE(reply->inspected);
  EXPECT_THAT(reply->why, HasSubstr("/var/lib/dpkg/status"));
}

TEST_F(Libguestfs, DisksWithoutASystemAreAnAnswerInTheProgramsWords) {
  Program("virt-inspector",
          "echo 'virt-inspector: no operating system could be detected inside this disk image.' >&2\nexit 1");
  const auto reply = Inspect();
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_FALSE(reply->inspected);
  EXPECT_THAT(reply->why, HasSubstr("no operating system could be detected"));
}

TEST_F(Libguestfs, AFailureOfTheProgramIsAnErrorInItsWords) {
  Program("virt-inspector", "echo 'supermin: no kernel found' >&2\nexit 1");
  const auto reply = Inspect();
  ASSERT_FALSE(reply);
  EXPECT_THAT(reply.error().message, HasSubstr("supermin: no kernel found"));
  EXPECT_THAT(reply.error().advice, HasSubstr("libguestfs-test-tool"));
}

TEST_F(Libguestfs, WhatIsNotXmlIsCorrupt) {
  Program("virt-inspector", "echo hello");
  EXPECT_EQ(Inspect().error().kind, ErrorKind::kCorrupt);
}

TEST_F(Libguestfs, TooMuchOutputIsRefused) {
  Program("virt-inspector", "head -c 17000000 /dev/zero");
  const auto reply = Inspect();
  ASSERT_FALSE(reply);
  EXPECT_THAT(reply.error().message, HasSubstr("more than 16 MiB"));
}

TEST_F(Libguestfs, ADiskThatIsNotHereIsNamed) {
  Program("virt-inspector", kLinux);
  const auto missing = Inspect("other.qcow2");
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(missing.error().advice, HasSubstr("mount the pool"));
  EXPECT_EQ(Inspect("disk.qcow2", "vmdk").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Calls(), "") << "nothing was started";
}

// Each of several programs had 15 minutes, more than the step that waited for them, so that they worked on behind it.
// They share one budget now.
TEST_F(Libguestfs, AllProgramsShareOneBudget) {
  Program("virt-inspector", std::string("sleep 0.2\n") + kLinux);
  Program("guestfish", "exec sleep 600");
  const auto plugin = LibguestfsKind().make(PluginSetup{"guests", {{"programs", place_.string()}}, nullptr});
  CallContext context;
  context.until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  const auto reply =
      Invoke(**plugin, guest::kInspect, InspectRequest{{{(place_ / "disk.qcow2").string(), "qcow2"}}}, context);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kTimedOut);
  EXPECT_THAT(reply.error().message, HasSubstr("guestfish did not end in time"));
}

}  // namespace
}  // namespace vmferry
