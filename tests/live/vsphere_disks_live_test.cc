// SPDX-License-Identifier: Apache-2.0
//
// Exports and downloads, whole and disturbed; see vsphere_live.h.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "state/digest.h"
#include "tests/live/vsphere_live.h"

namespace vmferry {
namespace {

using ::testing::HasSubstr;

// The digest of the whole disk, gaps as zeros; "error: ..." when reading fails.
std::string DigestOf(DiskReader& reader, std::uint64_t from = 0) {
  Sha256 digest;
  std::vector<std::byte> buffer(1 << 20), zeros(1 << 20);
  std::uint64_t at = from;
  const auto ZerosTo = [&](std::uint64_t end) {
    while (at < end) {
      const std::size_t step = std::min<std::uint64_t>(zeros.size(), end - at);
      digest.Add(std::span(zeros).first(step));
      at += step;
    }
  };
  for (;;) {
    auto piece = reader.Next(buffer);
    if (!piece) return "error: " + Describe(piece.error());
    if (piece->length == 0) break;
    if (piece->offset < at) return "error: offsets do not rise";
    ZerosTo(piece->offset);
    digest.Add(std::span(buffer).first(piece->length));
    at += piece->length;
  }
  ZerosTo(reader.size());
  return digest.Hex();
}

std::string DigestOfFile(const std::string& path, std::uint64_t from = 0) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(from));
  Sha256 digest;
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), file.gcount() > 0)
    digest.Add(std::as_bytes(std::span(buffer).first(static_cast<std::size_t>(file.gcount()))));
  return digest.Hex();
}

TEST_F(VsphereLive, NfcExportDeliversTheDisksAndBlocksPowerOnUntilClosed) {
  auto lease = Ask(source::kOpenExport, {App(2), "nfc"});
  ASSERT_GOOD(lease);
  auto blocked = Ask(source::kEnsurePoweredOn, {App(2), "", ""});
  ASSERT_FALSE(blocked.ok());
  EXPECT_EQ(blocked.error().kind, ErrorKind::kUnavailable) << Describe(blocked.error());
  EXPECT_EQ(Ask(source::kOpenExport, {App(2), "nfc"}).error().kind, ErrorKind::kUnavailable);
  auto facts = Ask(source::kDescribeVm, VmQuery{App(2)});
  const Json seen = Seen(App(2));
  for (std::size_t i = 0; i < facts->disks.size(); ++i) {
    auto reader = OpenDisk({App(2), facts->disks[i].id, "nfc", lease->handle, 0});
    ASSERT_GOOD(reader);
    EXPECT_EQ((*reader)->size(), facts->disks[i].capacity_bytes);
    EXPECT_EQ(DigestOf(**reader), DigestOfFile(seen["disks"][i]["path"]));
    EXPECT_GOOD(Ask(source::kKeepExport, {lease->handle, 50}));
  }
  auto middle = OpenDisk({App(2), facts->disks[0].id, "nfc", lease->handle, 65536});
  EXPECT_EQ(middle.error().kind, ErrorKind::kInvalid);
  EXPECT_GOOD(Ask(source::kCloseExport, {lease->handle, true}));
  EXPECT_GOOD(Ask(source::kCloseExport, {lease->handle, true}));
  EXPECT_EQ(Ask(source::kKeepExport, {lease->handle, 60}).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(OpenDisk({App(2), facts->disks[0].id, "nfc", lease->handle, 0}).error().kind, ErrorKind::kNotFound);
  PowerOn(App(2));
}

TEST_F(VsphereLive, NfcConnectionCutInMidCopyIsAnErrorNotAnEnd) {
  auto lease = Ask(source::kOpenExport, {App(2), "nfc"});
  ASSERT_GOOD(lease);
  auto facts = Ask(source::kDescribeVm, VmQuery{App(2)});
  Rule("GET /nfc", "cut", {{"bytes", 3000000}});
  auto reader = OpenDisk({App(2), facts->disks[1].id, "nfc", lease->handle, 0});
  ASSERT_GOOD(reader);
  EXPECT_THAT(DigestOf(**reader), HasSubstr("error: "));
  EXPECT_GOOD(Ask(source::kCloseExport, {lease->handle, false}));
}

TEST_F(VsphereLive, LeaseOfAnotherSessionIsEndedThroughItsTask) {
  auto lost = Make(Settings());
  auto lease = Invoke(*lost, source::kOpenExport, OpenExportRequest{App(2), "nfc"}, CallContext{});
  ASSERT_GOOD(lease);
  ASSERT_EQ(Json::parse(Control("GET", "/leases")).size(), 1U);
  // In mid-copy: the lease is ready and a download is open.
  const std::string disk = Ask(source::kDescribeVm, VmQuery{App(2)})->disks.at(1).id;
  auto reader = Open<DiskReader>(*lost, source::kOpenDisk, OpenDiskRequest{App(2), disk, "nfc", lease->handle, 0},
                                 CallContext{{}, std::chrono::seconds(20)});
  ASSERT_GOOD(reader);
  // Another process with the journaled handle.
  EXPECT_GOOD(Ask(source::kCloseExport, {lease->handle, false}));
  EXPECT_EQ(Json::parse(Control("GET", "/leases")).size(), 0U);
  EXPECT_GOOD(Ask(source::kCloseExport, {lease->handle, false}));
  PowerOn(App(2));
}

TEST_F(VsphereLive, FolderDeliversTheDisksAlsoFromTheMiddle) {
  auto open = Ask(source::kOpenExport, {App(2), "folder"});
  ASSERT_GOOD(open);
  EXPECT_EQ(open->handle, "");
  auto facts = Ask(source::kDescribeVm, VmQuery{App(2)});
  const Json seen = Seen(App(2));
  for (std::size_t i = 0; i < facts->disks.size(); ++i) {
    const std::string path = seen["disks"][i]["path"];
    for (const std::uint64_t offset :
         {0ULL, 1048576ULL + 512, 33554432ULL, static_cast<unsigned long long>(facts->disks[i].capacity_bytes)}) {
      auto reader = OpenDisk({App(2), facts->disks[i].id, "folder", "", offset});
      ASSERT_GOOD(reader);
      EXPECT_EQ(DigestOf(**reader, offset), DigestOfFile(path, offset)) << offset;
    }
  }
  EXPECT_GOOD(Ask(source::kKeepExport, {"", 10}));
  EXPECT_GOOD(Ask(source::kCloseExport, {"", true}));
}

TEST_F(VsphereLive, FolderConnectionCutInMidCopySaysHowFarItCameAndResumes) {
  auto facts = Ask(source::kDescribeVm, VmQuery{App(2)});
  const std::string path = Seen(App(2))["disks"][1]["path"];
  Rule("GET /folder", "cut", {{"bytes", 30000000}, {"skip", 1}});  // the descriptor comes first
  auto reader = OpenDisk({App(2), facts->disks[1].id, "folder", "", 0});
  ASSERT_GOOD(reader);
  const std::string cut = DigestOf(**reader);
  EXPECT_THAT(cut, HasSubstr("unavailable"));
  EXPECT_THAT(cut, HasSubstr("up to byte 30000000 of 67108864"));
  auto rest = OpenDisk({App(2), facts->disks[1].id, "folder", "", 30000000});
  ASSERT_GOOD(rest);
  EXPECT_EQ(DigestOf(**rest, 30000000), DigestOfFile(path, 30000000));
}

TEST_F(VsphereLive, DiskOfARunningVmIsRefused) {
  PowerOn(App(2));
  EXPECT_EQ(Ask(source::kOpenExport, {App(2), "folder"}).error().kind, ErrorKind::kInvalid);
  auto nfc = Ask(source::kOpenExport, {App(2), "nfc"});
  ASSERT_FALSE(nfc.ok());
  EXPECT_EQ(nfc.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(nfc.error().message, HasSubstr("InvalidPowerState"));
}

TEST_F(VsphereLive, StopRequestEndsADownloadAtOnce) {
  auto facts = Ask(source::kDescribeVm, VmQuery{App(2)});
  Rule("GET /folder", "rate", {{"bytes_per_s", 1000000}});
  std::stop_source stop;
  auto reader =
      Open<DiskReader>(*plugin_, source::kOpenDisk, OpenDiskRequest{App(2), facts->disks[1].id, "folder", "", 0},
                       CallContext{stop.get_token(), std::chrono::seconds(20)});
  ASSERT_GOOD(reader);
  const auto begin = std::chrono::steady_clock::now();
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_THAT(DigestOf(**reader), HasSubstr("stopped on request"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

}  // namespace
}  // namespace vmferry
