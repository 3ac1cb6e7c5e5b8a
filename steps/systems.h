// SPDX-License-Identifier: Apache-2.0
//
// The systems a step talks to, by the words of its application: reads in one line, and errors that name the system
// and the object. Threading: as StepContext. Every Error comes from the plugin as it is, or is complete.
#pragma once

#include <string>
#include <string_view>

#include "plugins/call.h"
#include "plugins/source_platform.h"
#include "plugins/target_platform.h"
#include "steps/step.h"

namespace vmferry {

Result<Plugin*> SourceOf(const StepContext& context);
Result<Plugin*> TargetOf(const StepContext& context);
// The service named by the parameter `parameter`.
Result<Plugin*> ServiceOf(const StepContext& context, std::string_view parameter);

Result<VmFacts> ReadVm(const StepContext& context, const Workload& workload);
Result<TargetFacts> ReadTarget(const StepContext& context);
Result<DomainFacts> ReadDomain(const StepContext& context, const std::string& domain);
Result<VolumeFacts> ReadVolume(const StepContext& context, const std::string& pool, const std::string& volume);

// "vmware (https://vc1/sdk)", or the site's name alone if there is no such system.
std::string SourceName(const StepContext& context);

// An Error about an object of the source, the target.
Error SourceError(const StepContext& context, ErrorKind kind, const Workload& workload, std::string message,
                  std::string advice);
Error TargetError(const StepContext& context, ErrorKind kind, std::string object, std::string message,
                  std::string advice);

// kConflict unless the VM carries the claim of this run.
Status RequireClaim(const StepContext& context, const Workload& workload, const VmFacts& vm);

// The target's pool for a disk, as the site maps its datastore; kInvalid if it maps none.
Result<std::string> PoolFor(const StepContext& context, const Workload& workload, const DiskFacts& disk);
// The target's network for a NIC, as the site maps its network; kInvalid if it maps none.
Result<std::string> NetworkFor(const StepContext& context, const Workload& workload, const NicFacts& nic);

}  // namespace vmferry
