// SPDX-License-Identifier: Apache-2.0
//
// Copying: the copies of one final_data_sync together, as its Apply sees them: how they stand outside (volumes, seals)
// and inside (workers). A worker's key is the step's key, the workload and the disk; nothing else remembers it.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugins/source_platform.h"
#include "steps/copy.h"
#include "steps/step.h"

namespace vmferry {

inline constexpr std::chrono::milliseconds kCopyPoll{500};

// How the copies stand: `seals` has one entry a copy, null where it is not finished.
struct CopyStand {
  std::vector<Json> seals;
  std::size_t sealed = 0;
  bool any_volume = false;
  bool any_running = false;
};
Result<CopyStand> StandOf(const StepContext& context, const std::vector<DiskCopy>& copies);

// {"key", "workloads": {NAME: {"disks": [{"disk", "label", "pool", "volume", "format", "bytes", "sha256"}]}}, "bytes"}
Json CopyFacts(const StepContext& context, const std::vector<DiskCopy>& copies, const CopyStand& stand);

// Requires the VMs to be off, fenced, ours, and with the disks that were listed. VM facts by workload.
Result<std::map<std::string, VmFacts>> RequireSources(const StepContext& context, const std::vector<DiskCopy>& copies);

// Bytes of the finished copies and of those under way; of all.
std::uint64_t DoneBytes(const StepContext& context, const std::vector<DiskCopy>& copies, const CopyStand& stand);
std::uint64_t TotalBytes(const std::vector<DiskCopy>& copies);

// One round over the copies: polls what runs, takes in what ended, starts what may run (parameter parallelDisks).
struct CopyRound {
  std::size_t running = 0;
  bool ended = false;          // one at least: its volume is worth a look at once
  std::optional<Error> error;  // of a worker that failed; its copy starts anew at the next round
};
// `vms`: facts by workload.
Result<CopyRound> GoRound(const StepContext& context, const std::vector<DiskCopy>& copies, const CopyStand& stand,
                          const std::map<std::string, VmFacts>& vms);
// NotYet, with bytes, finished disks and the mean rate since the step began.
Progress CopyProgress(const StepContext& context, const std::vector<DiskCopy>& copies, const CopyStand& stand,
                      const CopyRound& round);

// Asks the workers of one workload ("": of all) to stop; true once all have ended and are forgotten.
bool StopCopying(const StepContext& context, const std::vector<DiskCopy>& copies, const std::string& workload);

}  // namespace vmferry
