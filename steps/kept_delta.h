// SPDX-License-Identifier: Apache-2.0
//
// The delta: what a target that has served wrote since cutover. It is exactly the overlay over the sealed copy, so a
// rollback keeps the overlay and says how to read it. Its name carries the key of the step that made it (names.h), so
// neither a later run nor a later generation of the step ever meets it.
//
// In the facts of power_on_target's undo, "writes" says what became of what the target wrote: "none" (it never served),
// "kept" or "discarded"; "delta" is a list of
//   {"workload", "pool", "volume", "path", "backing", "format", "sizeBytes", "stopped",
//    "mount": [words], "attach": [words]}
// "stopped" says how consistent it is: "shut down" (the guest did it itself), "forced" (its power was cut after
// stopDeadline) or "was off" (nobody of ours stopped it). "mount" mounts the whole machine's file systems read-only
// with guestmount(1), "attach" makes this one disk a read-only block device with qemu-nbd(8); both are to be run where
// the path is, on a host of the target. Pure functions.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "plugins/target_platform.h"
#include "steps/target_domain.h"

namespace vmferry {

inline constexpr std::string_view kRollBackData = "rollBackData";  // parameter of power_on_target
inline constexpr std::string_view kKeepDelta = "keepDelta";
inline constexpr std::string_view kDiscard = "discard";

// True if what the target wrote goes with it.
bool DiscardsDelta(const StepContext& context);
// For an undo: "none", "kept" or "discarded".
std::string_view WhatBecomesOfWrites(const StepContext& context);

// One VM's entries of "delta"; empty without overlays.
Json DeltaFacts(const Workload& workload, const std::vector<std::pair<Overlay, VolumeFacts>>& kept,
                std::string_view stopped);

}  // namespace vmferry
