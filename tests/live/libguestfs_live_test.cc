// SPDX-License-Identifier: Apache-2.0
//
// The plugin libguestfs with libguestfs itself, on small disks made here: one that looks like a Debian, one with
// nothing in it. Each look starts a machine without hardware virtualisation: a minute in all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "plugins/guest.h"
#include "plugins/libguestfs/libguestfs.h"

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kKernel[] = "6.1.0-18-amd64";

class LibguestfsLive : public testing::Test {
 protected:
  LibguestfsLive() {
    std::string pattern = (fs::temp_directory_path() / "vmferry-guestfs-live.XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    place_ = pattern;
  }
  ~LibguestfsLive() override { fs::remove_all(place_); }

  void Put(const std::string& path, const std::string& text) const {
    fs::create_directories((place_ / path).parent_path());
    std::ofstream(place_ / path) << text;
  }
  void Run(const std::string& command) const {
    ASSERT_EQ(std::system(("cd '" + place_.string() + "' && " + command).c_str()), 0) << command;
  }
  // What libguestfs takes for a Debian, with one kernel.
  void MakeDebian() const {
    for (const char* folder : {"bin", "dev", "root", "home", "proc", "sys", "tmp"})
      fs::create_directories(place_ / "tree" / folder);
    Put("tree/etc/debian_version", "12.5\n");
    Put("tree/etc/fstab", "/dev/sda / ext4 defaults 0 1\n");
    Put("tree/etc/hostname", "web1\n");
    Put("tree/var/lib/dpkg/status",
        "Package: qemu-guest-agent\nStatus: install ok installed\nArchitecture: amd64\n"
        "Version: 1:7.2-7\n\nPackage: open-vm-tools\nStatus: install ok installed\n"
        "Architecture: amd64\nVersion: 2:12.2.0-1\n\n");
    const std::string modules = std::string("tree/lib/modules/") + kKernel;
    Put(modules + "/modules.builtin", "kernel/drivers/virtio/virtio_pci.ko\n");
    Put(modules + "/modules.dep", "kernel/drivers/net/virtio_net.ko: kernel/net/core/failover.ko\n");
    Put(std::string("initramfs/usr/lib/modules/") + kKernel + "/kernel/drivers/block/virtio_blk.ko", "module");
    Run(std::string("mkdir -p tree/boot && (cd initramfs && find . | cpio -o -H newc 2>/dev/null) | gzip > "
                    "tree/boot/initrd.img-") +
        kKernel);
    Run("mke2fs -q -t ext4 -d tree disk.raw 32M && qemu-img convert -O qcow2 disk.raw disk.qcow2");
  }
  Result<InspectReply> Inspect(const std::string& disk, const std::string& format) const {
    const auto plugin = LibguestfsKind().make(PluginSetup{"guests", {{"emulate", true}}, nullptr});
    return Invoke(**plugin, guest::kInspect, InspectRequest{{{(place_ / disk).string(), format}}}, CallContext{});
  }

  fs::path place_;
};

TEST_F(LibguestfsLive, ADebianTellsItsDriversAndItsAgent) {
  MakeDebian();
  const auto reply = Inspect("disk.qcow2", "qcow2");
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_TRUE(reply->inspected) << reply->why;
  EXPECT_EQ(reply->type, "linux");
  EXPECT_EQ(reply->distribution, "debian");
  EXPECT_THAT(reply->agents, ElementsAre(HasSubstr("qemu-guest-agent 7.2")));
  EXPECT_THAT(reply->vmware_tools, ElementsAre(HasSubstr("open-vm-tools 12.2")));
  ASSERT_EQ(reply->kernels.size(), 1U);
  EXPECT_EQ(reply->kernels[0].version, kKernel);
  EXPECT_TRUE(reply->kernels[0].initramfs_read);
  EXPECT_THAT(reply->kernels[0].at_boot, ElementsAre("virtio_blk", "virtio_pci"));
  EXPECT_THAT(reply->kernels[0].loadable, ElementsAre("virtio_net"));
}

TEST_F(LibguestfsLive, ADiskWithNothingInItIsAnAnswer) {
  Run("truncate -s 32M disk.raw");
  const auto reply = Inspect("disk.raw", "raw");
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_FALSE(reply->inspected);
  EXPECT_FALSE(reply->why.empty());
}

TEST_F(LibguestfsLive, ADiskThatIsNotWhatItIsSaidToBeIsAnError) {
  Run("truncate -s 32M disk.raw");
  const auto reply = Inspect("disk.raw", "qcow2");
  ASSERT_FALSE(reply);
  EXPECT_THAT(reply.error().message, HasSubstr("virt-inspector failed"));
}

}  // namespace
}  // namespace vmferry
