// SPDX-License-Identifier: Apache-2.0
#include "state/journal_files.h"
#include "state/space_reserve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>

#include "tests/state/journal_fixture.h"

namespace vmferry {
namespace {

constexpr char kMountInfo[] =
    "23 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
    "44 23 0:40 / /home rw,relatime shared:20 master:3 - nfs4 filer:/home rw,vers=4.2\n"
    "45 23 0:41 / /mnt/ssh rw - fuse.sshfs ops@host:/ rw\n";

TEST(JournalFiles, FileSystemTypeIsFoundByDevice) {
  EXPECT_EQ(FileSystemType(kMountInfo, makedev(254, 1)), "ext4");
  EXPECT_EQ(FileSystemType(kMountInfo, makedev(0, 40)), "nfs4");
  EXPECT_EQ(FileSystemType(kMountInfo, makedev(0, 41)), "fuse.sshfs");
  EXPECT_EQ(FileSystemType(kMountInfo, makedev(9, 9)), "");
}

TEST(JournalFiles, FileSystemsOfTheNetworkAreKnown) {
  for (const char* type : {"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "fuse.sshfs"})
    EXPECT_TRUE(IsNetworkFileSystem(type)) << type;
  for (const char* type : {"ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuse.gocryptfs", ""})
    EXPECT_FALSE(IsNetworkFileSystem(type)) << type;
}

TEST(JournalFiles, ALocalDirectoryIsAccepted) {
  const TempDirectory directory;
  const Status status = CheckLocal(directory.File("j.db"));
  EXPECT_TRUE(status) << Describe(status.error());
}

TEST(JournalFiles, SpaceIsCheckedAndNothingIsLeft) {
  const TempDirectory directory;
  EXPECT_TRUE(SpaceReserve().Hold(directory.File("j.db"), 1 << 20));
  const Status much = SpaceReserve().Hold(directory.File("j.db"), std::int64_t{1} << 60);
  ASSERT_FALSE(much);
  EXPECT_THAT(Describe(much.error()), testing::HasSubstr("not enough space for the journal"));
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(JournalFiles, SpaceBesideNothingIsAnError) {
  const TempDirectory directory;
  EXPECT_EQ(SpaceReserve().Hold(directory.File("none/j.db"), 1).error().kind, ErrorKind::kNotFound);
}

TEST(JournalFiles, AFileInThePlaceOfADirectoryIsRefused) {
  const TempDirectory directory;
  std::ofstream(directory.File("file")) << "x";
  EXPECT_EQ(CreateDirectoriesFor(directory.File("file/j.db")).error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace vmferry
