// SPDX-License-Identifier: Apache-2.0
//
// What proves that the source would come back as quiesce_application found it (steps/source_return.h): the VMs with their
// disks and NICs, our privileges, its place on the load balancer, the page and the program that the way back waits for.
#pragma once

#include "steps/step.h"

namespace vmferry {

// `bootEstimate`: nobody has measured yet how long the source takes to come back.
ParameterSpec BootEstimateParameter();

Result<UndoProof> ProveReturn(const StepContext& context);

}  // namespace vmferry
