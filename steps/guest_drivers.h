// SPDX-License-Identifier: Apache-2.0
//
// Whether a guest that was looked into (plugins/guest.h) will find its disks and its network on the target, and where
// the looking is found. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "plugins/guest.h"
#include "steps/step.h"

namespace vmferry {

struct GuestNeeds {
  std::string disk_bus;         // "virtio", "scsi", "sata"
  std::string nic_model;        // "virtio", "e1000e"
  bool agent_required = false;  // else a missing one is only noted
};

// Three classes that are never mixed: what is missing for certain, what cannot be told, and neither.
struct GuestVerdict {
  std::vector<std::string> missing;
  std::vector<std::string> unknown;
  std::vector<std::string> notes;
};

// Of the worker that looks into the workload's disks: whoever takes back the disks stops it first.
std::string InspectionKey(const StepContext& context, const Workload& workload);

GuestVerdict JudgeGuest(const InspectReply& guest, const GuestNeeds& needs);

}  // namespace vmferry
