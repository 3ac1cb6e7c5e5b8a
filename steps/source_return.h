// SPDX-License-Identifier: Apache-2.0
//
// The way back of quiesce_application: fence lifted, power as before, application started and healthy, traffic as
// before; in this order, one rung a call (steps/pending.h). The journaled before-image says what "before" is.
#pragma once

#include "steps/step.h"

namespace vmferry {

Result<Progress> ReturnSource(const StepContext& context);

}  // namespace vmferry
