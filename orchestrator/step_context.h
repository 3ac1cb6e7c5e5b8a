// SPDX-License-Identifier: Apache-2.0
//
// What a step call is told: out of the plan and of what the journal says, without systems, workers and time limits,
// which the engine adds. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "runbooks/plan.h"
#include "state/run_state.h"

namespace vmferry {

// The step's idempotency key in a generation.
std::string StepKey(const std::string& run, const Plan& plan, int index, int generation);

// What a run journaled as the facts of its steps: by name and workload; null if there are none. A copy of its own.
std::function<Json(std::string_view, std::string_view)> EarlierOf(const Plan& plan, const ApplicationState& state);

// Refers to `plan`; holds copies of everything of `state`, since the call runs on another thread.
StepContext MakeContext(const std::string& run, const Plan& plan, const ApplicationState& state, int index,
                        std::int64_t now_ms);

// Likewise, for a sample of a criterion; `elapsed` is since the traffic was moved.
StepContext MakeCriterionContext(const std::string& run, const Plan& plan, const ApplicationState& state,
                                 std::size_t index, std::int64_t now_ms);

}  // namespace vmferry
