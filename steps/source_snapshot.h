// SPDX-License-Identifier: Apache-2.0
//
// Snapshots of the source VMs, under which a rehearsal copies their disks while they go on serving. Each carries the
// key of the step (plugins/source_platform.h), by which it is found again after a crash; the handle says which VMs have
// theirs: "snapshots": {WORKLOAD: true}. The disks of one VM are of one moment, as after a power cut; those of several
// VMs are of moments some seconds apart.
#pragma once

#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

// One VM a call; nothing once all have a snapshot.
Result<Pending> TakeSnapshots(const StepContext& context);
// Removes all of ours. May be repeated; none there: ok.
Status RemoveSnapshots(const StepContext& context);

}  // namespace vmferry
