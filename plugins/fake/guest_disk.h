// SPDX-License-Identifier: Apache-2.0
//
// What the guests of the fake world keep on their disks. A guest lives in its bytes: its name, the number of its disks
// and its application's records are read from the disks alone, so a machine answers with all its records only if every
// disk was really copied. The first block of each disk holds a header with a digest of the rest; a disk that was not
// copied in full does not boot. Pure functions on values.
#pragma once

#include <string>
#include <vector>

#include "plugins/fake/sparse_bytes.h"
#include "state/result.h"

namespace vmferry {

// What is read from the disks at boot.
struct GuestOnDisk {
  std::string name;
  std::vector<std::string> records;
};

// A new disk `number` (from 1) of `count` of guest `name`, with a little data every 4 MiB up to `capacity_bytes`.
SparseBytes FormatGuestDisk(const std::string& name, int number, int count, std::uint64_t capacity_bytes);

// Boots from the disks, in order. kCorrupt says which disk is wrong and how.
Result<GuestOnDisk> BootGuest(const std::vector<const SparseBytes*>& disks);

// Appends a record (one line) to the first disk. REQUIRES: the disk boots.
void AppendRecord(SparseBytes& first_disk, const std::string& record);

}  // namespace vmferry
