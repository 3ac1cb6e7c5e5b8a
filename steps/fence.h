// SPDX-License-Identifier: Apache-2.0
//
// The fence of a source VM: it is powered off, no NIC connects at power-on, and extraConfig "vmferry.fence" says whose
// fence it is and how the NICs were before. Set and lifted by quiesce_application, relied on by everything after it.
// Pure functions, except those that take a StepContext and a workload alone.
#pragma once

#include <string>
#include <vector>

#include "plugins/source_platform.h"
#include "steps/step.h"

namespace vmferry {

// {"claim": ..., "nics": [{"id": "4000", "start_connected": true}]}
std::string FenceText(const std::string& claim, const std::vector<NicStart>& before);
std::vector<NicStart> NicStarts(const VmFacts& vm);

// Powered off, no NIC connects at power-on, and the fence carries `claim`.
bool IsFenced(const VmFacts& vm, const std::string& claim);

// kConflict, saying what is missing, unless `vm` carries our claim and is fenced by us.
Status RequireFenced(const StepContext& context, const Workload& workload, const VmFacts& vm);
// Reads the VM and requires the same. In a rehearsal the source goes on serving: there the claim is required, and, in
// place of the fence, that every NIC of the clone stands on the rehearsal's network.
Result<VmFacts> ReadFencedVm(const StepContext& context, const Workload& workload);

}  // namespace vmferry
