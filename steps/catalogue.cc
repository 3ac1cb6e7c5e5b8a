// SPDX-License-Identifier: Apache-2.0
#include "steps/catalogue.h"

namespace vmferry {

const std::vector<const Step*>& AllSteps() {
  static const std::vector<const Step*> steps = {
      &VmExists(),           &TargetCapacity(), &TargetNameFree(), &TargetOutOfService(), &ClaimSource(),
      &QuiesceApplication(), &FinalDataSync(),  &ConvertImage(),   &PowerOnTarget(),      &SmokeTest(),
      &UpdateLoadBalancer(), &CommandCheck(),   &MergeOverlay(),   &ReleaseSource(),
      &AppHealthCheckFailureCriterion(),
  };
  return steps;
}

const Step* FindStep(std::string_view name) {
  for (const Step* step : AllSteps())
    if (step->spec().name == name) return step;
  return nullptr;
}

}  // namespace vmferry
