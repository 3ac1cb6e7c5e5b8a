// SPDX-License-Identifier: Apache-2.0
//
// The step kinds there are, each in a file of its own name. catalogue.cc lists them; everybody else asks AllSteps and
// FindStep (steps/step.h). The objects live as long as the process and are stateless.
#pragma once

#include "steps/step.h"

namespace vmferry {

const Step& VmExists();
const Step& TargetCapacity();
const Step& TargetNameFree();
const Step& TargetOutOfService();
const Step& ClaimSource();
const Step& QuiesceApplication();
const Step& FinalDataSync();
const Step& ConvertImage();
const Step& PowerOnTarget();
const Step& SmokeTest();
const Step& CommandCheck();
const Step& UpdateLoadBalancer();
const Step& AppHealthCheckFailureCriterion();
const Step& MergeOverlay();
const Step& ReleaseSource();

}  // namespace vmferry
