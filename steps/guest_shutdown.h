// SPDX-License-Identifier: Apache-2.0
//
// The part of quiesce_application that stops the guests and fences their VMs, one rung a call (steps/pending.h).
// What it remembers between calls is in the journaled handle:
//   requested: {workload: elapsed ms at the request}   forced: {workload: why}   tasks: {workload: power task}
#pragma once

#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

// Shuts down every VM of the application. A guest that cannot be asked, or is still on after guestShutdownDeadline,
// is handled as `onRefusal` says: powered off, a hold, or a way back.
Result<Pending> StopGuests(const StepContext& context, Json& handle);

// Fences every VM that is off: no NIC connects at power-on. REQUIRES: StopGuests is reached.
Result<Pending> FenceVms(const StepContext& context);

}  // namespace vmferry
