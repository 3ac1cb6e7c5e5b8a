// SPDX-License-Identifier: Apache-2.0
//
// The domains and overlays that power_on_target makes, and how they go again. Everything carries the step's key;
// what does not is left alone. Sealed volumes are never removed.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "steps/images.h"
#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

struct Overlay {
  std::string pool;
  std::string volume;
  std::string base;  // the finished copy below
  std::string base_format;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Overlay, pool, volume, base, base_format)

// What the step will make, for the before-image: {"key", "workloads": {NAME: {"domain", "overlays": [...]}}}
Json PlanDomains(const StepContext& context, const std::map<std::string, WorkloadImages>& images);
std::vector<Overlay> OverlaysOf(const Json& plan, const Workload& workload);

// One domain, from nothing to running, as the source's hardware and the site's mappings say; its disks are overlays
// over sealed images. Reads the fence first, and again right before the start (promise 4). kConflict if the fence is
// broken, an image is not sealed, or a domain of this name is not ours.
Result<Pending> StartDomain(const StepContext& context, const Workload& workload, const WorkloadImages& images);

// Stops and undefines the domain, if it is ours. One that has served is asked to shut down first (stopDeadline), so
// that its delta is consistent. When it was asked, and that its power is about to be cut, is remembered in `handle`.
Result<Pending> RemoveDomain(const StepContext& context, const Workload& workload, Json& handle);
// How it came to be off, out of that handle: "shut down", "forced" or "was off" (steps/kept_delta.h).
std::string_view HowStopped(const Json& handle, const Workload& workload);

// The domains' names are free or ours, so that what is stopped and removed is ours alone; pools and platform answer.
UndoProof ProveDomainsGo(const StepContext& context);

// Removes the overlays of a VM, or keeps them as the delta if the target has served and it is not to be discarded; says
// which in facts["removed"] ("POOL/VOLUME") and facts["delta"] (steps/kept_delta.h).
Status RemoveOverlays(const StepContext& context, const Workload& workload, const Json& handle, Json& facts);

}  // namespace vmferry
