// SPDX-License-Identifier: Apache-2.0
//
// DiskReader and VolumeWriter: a disk's bytes on their way from a source platform to a target platform.
// Threading: one thread at a time per stream. Both are sequential, since an NFC lease and a libvirt stream are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "plugins/call.h"

namespace vmferry {

// A run of data. `length` 0 means the end of the disk.
struct Piece {
  std::uint64_t offset = 0;  // bytes from the start of the disk
  std::size_t length = 0;    // bytes now in the buffer
};

class DiskReader : public Stream {
 public:
  virtual std::uint64_t size() const = 0;  // logical bytes of the disk
  // The next piece of data, offsets rising; everything between pieces reads as zeros. Blocks until data is there, the
  // connection fails (kUnavailable; resume by opening again at an offset, where the platform can) or the call's stop
  // token asks. REQUIRES: buffer.size() >= 64 KiB.
  virtual Result<Piece> Next(std::span<std::byte> buffer) = 0;
};

class VolumeWriter : public Stream {
 public:
  // REQUIRES: offset >= the end of the previous write. What is skipped reads as zeros.
  virtual Status Write(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Makes what was written durable. The volume is complete only after this returned ok. A writer destroyed without
  // Finish leaves the volume incomplete (and unsealed).
  virtual Status Finish() = 0;
};

}  // namespace vmferry
