// SPDX-License-Identifier: Apache-2.0
//
// Exports: the rights to read the VMs' disks, one a VM, kept in the journaled handle of final_data_sync:
//   {"process": Workers::id(), "exports": {workload: platform's handle, "" where the method needs none}}
// An export opened by a process that is gone is closed before a new one is opened, since its readers are gone too
// (and an NFC lease cannot resume). One rung a call, so that every handle is journaled before it is used.
#pragma once

#include <string>

#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

std::string ExportOf(const Json& handle, const std::string& workload);
bool HasOpenExport(const Json& handle);

// Makes sure that every VM has an export of this process.
Result<Pending> OpenExports(const StepContext& context, const std::string& method);

// Tells the platform that the exports are in use. One that is gone is taken out of the handle: the answer's handle then
// lacks it, and `lost` names its workload.
Result<Pending> KeepExports(const StepContext& context, int percent, std::string* lost);

// Closes all; those not there any more are as good as closed.
Status CloseExports(const StepContext& context, bool completed);

}  // namespace vmferry
