// SPDX-License-Identifier: Apache-2.0
//
// VmdkStream: decodes a stream-optimised VMDK, as an NFC lease hands out disks, while it comes in.
// The stream is a 512-byte header, a text descriptor, and then markers, each with a compressed grain (by rising
// address) or with tables that a sequential reader has no use for, until an end-of-stream marker. What is in no grain
// reads as zeros. Nothing in the input is believed: sizes are bounded, addresses must rise and lie in the disk, a
// stream that ends before its end was told is cut. Bad input is kCorrupt with the place in the stream.
// The end is told by the end-of-stream marker; or, in the form that keeps its grain tables in front (as qemu-img writes
// it, without that marker), by the number of grains that those tables list.
//
// Threading: one thread at a time. Failure: kCorrupt, or whatever the source reports; either ends the stream.
// Source: "Virtual Disk Format 5.0" (VMware technical note), chapter on stream-optimised compressed sparse extents.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plugins/stream.h"
#include "state/result.h"

namespace vmferry::vsphere {

// Fills some of the buffer; 0 is the end.
using ByteSource = std::function<Result<std::size_t>(std::span<std::byte>)>;

class VmdkStream {
 public:
  // Reads the header.
  static Result<std::unique_ptr<VmdkStream>> Open(ByteSource source);
  ~VmdkStream();
  VmdkStream(const VmdkStream&) = delete;
  VmdkStream& operator=(const VmdkStream&) = delete;

  std::uint64_t capacity() const { return capacity_; }  // bytes
  // As DiskReader::Next.
  Result<Piece> Next(std::span<std::byte> buffer);

 private:
  struct Grain {
    std::uint64_t offset = 0;  // in the disk
    std::size_t packed = 0;    // compressed bytes
    std::size_t length = 0;    // bytes of the disk it covers
  };

  explicit VmdkStream(ByteSource source);
  Status ReadHeader();
  // Moves past what is between header and first marker, counting the grains listed in tables there.
  Status ReadOverhead(std::uint64_t directory_sector, std::uint64_t end_sector);
  Status ReadDirectory(std::uint64_t tables, std::vector<std::uint64_t>* table_sectors);
  // To the next grain, past tables; none at the end of the stream.
  Status ReadMarker();
  Status TakeGrain(std::uint64_t sector, std::size_t packed);
  Status Inflate(std::byte* out);
  // At least `count` bytes at front(). Status not ok when the source ends before.
  Status Fill(std::size_t count);
  // True when the source has ended and all it gave was used.
  Result<bool> AtEnd();
  Status Skip(std::uint64_t count);
  const std::byte* front() const { return input_.data() + begin_; }
  void Consume(std::size_t count);
  Error Corrupt(const std::string& what) const;

  ByteSource source_;
  std::vector<std::byte> input_;
  std::size_t begin_ = 0, end_ = 0;  // of what was read and not yet used
  std::uint64_t position_ = 0;       // in the stream, of front()
  std::uint64_t capacity_ = 0;
  std::uint64_t grain_bytes_ = 0;
  std::uint64_t most_table_bytes_ = 0;
  std::uint64_t lowest_next_ = 0;               // offsets below were handed out
  std::uint64_t grains_ = 0;                    // taken so far
  std::optional<std::uint64_t> listed_grains_;  // by the tables in front
  std::optional<Grain> next_;                   // its marker was read, its data was not
  bool ended_ = false;
  std::optional<Error> failed_;
  z_stream zlib_{};
  std::vector<std::byte> scratch_;  // inflated grain
  std::size_t left_ = 0;            // bytes at the end of scratch_ not handed out
  std::uint64_t left_offset_ = 0;
};

}  // namespace vmferry::vsphere
