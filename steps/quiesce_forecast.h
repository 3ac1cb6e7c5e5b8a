// SPDX-License-Identifier: Apache-2.0
//
// What a dry run says of quiesce_application: traffic and power as they are now, and guests that cannot be asked.
#pragma once

#include <chrono>

#include "steps/step.h"

namespace vmferry {

// Where the parameters are absent; the same as in the step's specification.
inline constexpr std::chrono::milliseconds kDrainStandard{30000};
inline constexpr std::chrono::milliseconds kGuestShutdownStandard{120000};

Forecast ForecastQuiesce(const StepContext& context);

}  // namespace vmferry
