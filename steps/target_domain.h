// SPDX-License-Identifier: Apache-2.0
//
// The domains and overlays that power_on_target makes, and how they go again. Everything carries the step's key;
// what does not is left alone. Sealed volumes are never removed.
#pragma once

#include <map>
#include <string>
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
// that its delta is consistent; when it was asked is remembered in `handle`.
Result<Pending> RemoveDomain(const StepContext& context, const Workload& workload, Json& handle);

// Removes the overlays, or keeps them if the target has served; says which in facts["removed"] and facts["delta"].
Status RemoveOverlays(const StepContext& context, const std::vector<Overlay>& overlays, Json& facts);

}  // namespace vmferry
