// SPDX-License-Identifier: Apache-2.0
//
// Contract of every source platform: exports and disks.
#include "plugins/stream.h"
#include "tests/contracts/source_contract.h"

namespace vmferry::contracts {
namespace {

constexpr std::size_t kBuffer = 1 << 20;

// EXPECT_EQ on disks would print them.
void ExpectSameBytes(const std::string& read, const std::string& truth) {
  ASSERT_EQ(read.size(), truth.size());
  if (read == truth) return;
  std::size_t at = 0;
  while (read[at] == truth[at]) ++at;
  FAIL() << "first difference at byte " << at;
}

}  // namespace

Result<std::string> SourceContract::ReadDisk(const DiskFacts& disk, const std::string& method,
                                             const std::string& handle, std::uint64_t offset,
                                             const std::string& snapshot) {
  const OpenDiskRequest request{vm_, disk.id, method, handle, offset, snapshot};
  const auto reader = Open<DiskReader>(harness_->plugin(), source::kOpenDisk, request, CallContext{});
  if (!reader) return reader.error();
  EXPECT_EQ((*reader)->size(), disk.capacity_bytes);
  std::string disk_bytes(static_cast<std::size_t>(disk.capacity_bytes), '\0');
  std::vector<std::byte> buffer(kBuffer);
  std::uint64_t end = offset;
  while (true) {
    const Result<Piece> piece = (*reader)->Next(buffer);
    if (!piece) return piece.error();
    if (piece->length == 0) return disk_bytes;
    if (piece->offset < end || piece->offset + piece->length > disk.capacity_bytes) {
      ADD_FAILURE() << "piece at " << piece->offset << " + " << piece->length << " after " << end;
      return disk_bytes;
    }
    const auto* bytes = reinterpret_cast<const char*>(buffer.data());
    disk_bytes.replace(static_cast<std::size_t>(piece->offset), piece->length, bytes, piece->length);
    end = piece->offset + piece->length;
  }
}

TEST_P(SourceContract, NfcReadsEveryByteOfEveryDisk) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  const auto open = Ask(source::kOpenExport, OpenExportRequest{vm_, "nfc"});
  ASSERT_GOOD(open);
  EXPECT_FALSE(open->handle.empty());
  for (const DiskFacts& disk : Facts().disks) {
    const Result<std::string> bytes = ReadDisk(disk, "nfc", open->handle);
    ASSERT_GOOD(bytes);
    ExpectSameBytes(*bytes, harness_->DiskBytes(disk));
    EXPECT_GOOD(Ask(source::kKeepExport, KeepExportRequest{open->handle, 50}));
  }
  ASSERT_GOOD(Ask(source::kCloseExport, CloseExportRequest{open->handle, true}));
  EXPECT_EQ(harness_->OpenLeases(), 0);
}

TEST_P(SourceContract, FolderReadsEveryByteOfEveryDisk) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  const auto open = Ask(source::kOpenExport, OpenExportRequest{vm_, "folder"});
  ASSERT_GOOD(open);
  EXPECT_EQ(open->handle, "");
  EXPECT_EQ(harness_->OpenLeases(), 0);
  for (const DiskFacts& disk : Facts().disks) {
    const Result<std::string> bytes = ReadDisk(disk, "folder", open->handle);
    ASSERT_GOOD(bytes);
    ExpectSameBytes(*bytes, harness_->DiskBytes(disk));
  }
  EXPECT_GOOD(Ask(source::kCloseExport, CloseExportRequest{open->handle, true}));
}

TEST_P(SourceContract, FolderReadsFromAnOffset) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  ASSERT_GOOD(Ask(source::kOpenExport, OpenExportRequest{vm_, "folder"}));
  const DiskFacts disk = Facts().disks.at(0);
  const std::uint64_t offset = disk.capacity_bytes / 2 + 512;
  const Result<std::string> bytes = ReadDisk(disk, "folder", "", offset);
  ASSERT_GOOD(bytes);
  std::string truth = harness_->DiskBytes(disk);
  ExpectSameBytes(bytes->substr(static_cast<std::size_t>(offset)), truth.substr(static_cast<std::size_t>(offset)));
}

// What the guest writes afterwards goes elsewhere.
TEST_P(SourceContract, ASnapshotIsReadByFolderWhileTheVmRuns) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  const DiskFacts disk = Facts().disks.at(0);
  const std::string truth = harness_->DiskBytes(disk);
  const SnapshotRequest snapshot{vm_, "vmferry", "key-of-a-rehearsal"};
  ASSERT_GOOD(Ask(source::kEnsureSnapshot, snapshot));
  ASSERT_TRUE(Finish(source::kEnsurePoweredOn));
  harness_->AwaitTools();
  const Result<std::string> bytes = ReadDisk(disk, "folder", "", 0, snapshot.key);
  ASSERT_GOOD(bytes);
  ExpectSameBytes(*bytes, truth);
  EXPECT_KIND(ReadDisk(disk, "folder", "", 0, "another key"), ErrorKind::kNotFound);
  EXPECT_KIND(ReadDisk(disk, "nfc", "", 0, snapshot.key), ErrorKind::kInvalid);
  ASSERT_GOOD(Ask(source::kEnsureNoSnapshot, snapshot));
  EXPECT_KIND(ReadDisk(disk, "folder", "", 0, snapshot.key), ErrorKind::kNotFound);
}

TEST_P(SourceContract, NfcCannotStartInTheMiddle) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  const auto open = Ask(source::kOpenExport, OpenExportRequest{vm_, "nfc"});
  ASSERT_GOOD(open);
  EXPECT_FALSE(ReadDisk(Facts().disks.at(0), "nfc", open->handle, 65536).ok());
  EXPECT_GOOD(Ask(source::kCloseExport, CloseExportRequest{open->handle, false}));
}

TEST_P(SourceContract, OpenExportBlocksPowerOnUntilItIsClosed) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  const auto open = Ask(source::kOpenExport, OpenExportRequest{vm_, "nfc"});
  ASSERT_GOOD(open);
  EXPECT_EQ(harness_->OpenLeases(), 1);
  EXPECT_KIND(Ask(source::kEnsurePoweredOn, PowerRequest{vm_, "", ""}), ErrorKind::kUnavailable);
  EXPECT_FALSE(harness_->PoweredOn());
  ASSERT_GOOD(Ask(source::kCloseExport, CloseExportRequest{open->handle, false}));
  ASSERT_GOOD(Ask(source::kCloseExport, CloseExportRequest{open->handle, false})) << "may be repeated";
  EXPECT_EQ(harness_->OpenLeases(), 0);
  EXPECT_TRUE(Finish(source::kEnsurePoweredOn));
}

TEST_P(SourceContract, AbandonedCopyLeavesNothingBehind) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  const auto open = Ask(source::kOpenExport, OpenExportRequest{vm_, "nfc"});
  ASSERT_GOOD(open);
  {
    const OpenDiskRequest request{vm_, Facts().disks.at(0).id, "nfc", open->handle, 0};
    const auto reader = Open<DiskReader>(harness_->plugin(), source::kOpenDisk, request, CallContext{});
    ASSERT_GOOD(reader);
    std::vector<std::byte> buffer(kBuffer);
    ASSERT_GOOD((*reader)->Next(buffer));
  }
  ASSERT_GOOD(Ask(source::kCloseExport, CloseExportRequest{open->handle, false}));
  EXPECT_EQ(harness_->OpenLeases(), 0);
  EXPECT_EQ(harness_->SnapshotCount(), 0);
  EXPECT_FALSE(Ask(source::kKeepExport, KeepExportRequest{open->handle, 1}).ok()) << "a closed export is not kept";
  EXPECT_TRUE(Finish(source::kEnsurePoweredOn));
}

TEST_P(SourceContract, ReaderStopsWhenAsked) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  ASSERT_GOOD(Ask(source::kOpenExport, OpenExportRequest{vm_, "folder"}));
  std::stop_source stop;
  CallContext context;
  context.stop = stop.get_token();
  const OpenDiskRequest request{vm_, Facts().disks.at(0).id, "folder", "", 0};
  const auto reader = Open<DiskReader>(harness_->plugin(), source::kOpenDisk, request, context);
  ASSERT_GOOD(reader);
  stop.request_stop();
  std::vector<std::byte> buffer(64 << 10);
  Result<Piece> piece = Piece{0, 1};
  while (piece && piece->length > 0) piece = (*reader)->Next(buffer);  // what had come already may still be given
  EXPECT_FALSE(piece.ok()) << "read to the end of the disk";
}

TEST_P(SourceContract, MissingDiskIsNotFound) {
  ASSERT_TRUE(Finish(source::kEnsurePoweredOff));
  ASSERT_GOOD(Ask(source::kOpenExport, OpenExportRequest{vm_, "folder"}));
  DiskFacts missing;
  missing.id = "9999";
  EXPECT_KIND(ReadDisk(missing, "folder", ""), ErrorKind::kNotFound);
}

TEST_P(SourceContract, RunningVmIsNotExported) {
  EXPECT_FALSE(Ask(source::kOpenExport, OpenExportRequest{vm_, "nfc"}).ok());
  EXPECT_EQ(harness_->OpenLeases(), 0);
}

}  // namespace vmferry::contracts
