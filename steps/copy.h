// SPDX-License-Identifier: Apache-2.0
//
// Copying one disk: the worker's part of final_data_sync. The copy is a raw volume of its own name; it is complete
// when it carries a seal with our key, and only then. A half-made one is removed and made anew from byte 0: what the
// reader skips must read as zeros, which only a fresh volume promises.
// The digest is over the whole disk as a guest sees it, so `sha256sum` of the finished volume gives the same.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/call.h"
#include "plugins/target_platform.h"
#include "steps/step.h"
#include "steps/workers.h"

namespace vmferry {

// One disk and the volume it is copied to. Journaled in the before-image, so that undo needs no source platform.
struct DiskCopy {
  std::string workload;
  std::string vm;    // inventory path
  std::string disk;  // DiskFacts::id
  std::string label;
  std::string pool;
  std::string volume;
  std::uint64_t bytes = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DiskCopy, workload, vm, disk, label, pool, volume, bytes)

// The copies of all disks of the application, in order; kInvalid if a disk cannot be mapped to a pool.
Result<std::vector<DiskCopy>> ListCopies(const StepContext& context);
std::vector<DiskCopy> CopiesFrom(const Json& before);  // the journaled list

// What a worker needs. The plugins must outlive the Workers object it runs in.
struct CopyJob {
  Plugin* source = nullptr;
  Plugin* target = nullptr;
  DiskCopy copy;
  std::string method;  // of the export
  std::string handle;  // of the export; may be empty
  std::string snapshot;  // key of the snapshot to read; empty: the disk itself
  Json seal;           // what the seal says, without sha256
};
// Copies, makes durable, verifies the size and seals. The result is the seal.
WorkerBody CopyBody(CopyJob job);

// True for a finished copy that must not outlive its rehearsal: sealed with our key.
bool GoesWithRehearsal(const StepContext& context, const VolumeFacts& volume);

// The seal as JSON; null unless the volume carries one with this key.
Json SealOf(const std::string& seal, const std::string& key);

}  // namespace vmferry
