// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/sparse_bytes.h"

#include <gtest/gtest.h>

#include "plugins/fake/guest_disk.h"

namespace vmferry {
namespace {

TEST(SparseBytes, WritesAcrossBlocksReadBackAndTheRestIsZeros) {
  SparseBytes bytes;
  bytes.Write(SparseBytes::kBlock - 2, std::string_view("abcd"));
  EXPECT_EQ(bytes.Read(SparseBytes::kBlock - 3, 6), std::string("\0abcd\0", 6));
  EXPECT_EQ(bytes.allocated_bytes(), 2 * SparseBytes::kBlock);
  EXPECT_EQ(bytes.Read(1 << 30, 2), std::string(2, '\0'));
}

TEST(SparseBytes, EqualBytesAreEqualHoweverWritten) {
  SparseBytes one, other;
  one.Write(10, std::string_view("xyz"));
  other.Write(0, std::string(8192, '\0'));
  other.Write(10, std::string_view("aaaa"));
  EXPECT_FALSE(one == other);
  other.Write(10, std::string_view("xyz\0", 4));
  EXPECT_TRUE(one == other);
  EXPECT_EQ(one.allocated_bytes(), other.allocated_bytes());
}

TEST(SparseBytes, RunsAreContiguousAndClipped) {
  SparseBytes bytes;
  bytes.Write(8192, std::string(8192, 'x'));
  const auto first = bytes.NextRun(0, 1 << 20);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->offset, 8192U);
  EXPECT_EQ(first->length, 8192U);
  const auto clipped = bytes.NextRun(8192 + 100, 5000);
  ASSERT_TRUE(clipped);
  EXPECT_EQ(clipped->offset, 8292U);
  EXPECT_EQ(clipped->length, 5000U);
  EXPECT_FALSE(bytes.NextRun(16384, 1));
}

TEST(SparseBytes, TruncateForgetsFromTheMiddleOfABlockOn) {
  SparseBytes bytes;
  bytes.Write(0, std::string(3 * 4096, 'x'));
  bytes.Truncate(5000);
  EXPECT_EQ(bytes.Read(4990, 20), std::string(10, 'x') + std::string(10, '\0'));
  EXPECT_EQ(bytes.allocated_bytes(), 8192U);
}

TEST(SparseBytes, OverlaysZerosHideWhatLiesBelow) {
  SparseBytes below, above;
  below.Write(0, std::string(8192, 'b'));
  above.KeepZeros(true);
  above.Write(0, std::string(4096, '\0'));
  below.Overlay(above);
  EXPECT_EQ(below.Read(0, 4096), std::string(4096, '\0'));
  EXPECT_EQ(below.Read(4096, 4096), std::string(4096, 'b'));
}

TEST(SparseBytes, JsonKeepsTextBinaryAndKeptZeros) {
  SparseBytes bytes;
  bytes.KeepZeros(true);
  bytes.Write(0, std::string_view("text\n"));
  bytes.Write(4096, std::string_view("\x01\xff\x00z", 4));
  bytes.Write(8192, std::string(4096, '\0'));
  const nlohmann::json json = bytes;
  const auto copy = json.get<SparseBytes>();
  EXPECT_EQ(copy.Read(0, 12288), bytes.Read(0, 12288));
  EXPECT_TRUE(copy.HasBlockAt(8192));
  EXPECT_EQ(nlohmann::json(copy), json);
}

TEST(GuestDisk, OneChangedByteKeepsTheGuestFromBooting) {
  SparseBytes first = FormatGuestDisk("g", 1, 2, 16 << 20);
  SparseBytes second = FormatGuestDisk("g", 2, 2, 16 << 20);
  AppendRecord(first, "r1");
  ASSERT_TRUE(BootGuest({&first, &second}).ok());
  EXPECT_EQ(BootGuest({&first, &second})->records, std::vector<std::string>{"r1"});
  EXPECT_FALSE(BootGuest({&first}).ok());
  EXPECT_FALSE(BootGuest({&second, &first}).ok());
  second.Write(5 << 20, std::string_view("!"));
  const auto broken = BootGuest({&first, &second});
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().object, "disk 2");
}

}  // namespace
}  // namespace vmferry
