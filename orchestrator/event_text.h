// SPDX-License-Identifier: Apache-2.0
//
// Events as lines for people and as JSON for programs; the same lines serve the live view and the audit.
#pragma once

#include <string>

#include "orchestrator/words.h"
#include "state/run_state.h"

namespace vmferry {

// "vm_exists (web1)" for a step of the application's plan.
std::string StepTitle(const ApplicationState& application, int step);

// One line without time and application: "vm_exists (web1)  done in 0.2 s"; if `full`, evidence follows on lines of its
// own. Empty for events of no interest to somebody who looks on (`full` false): facts, handles, observed.
std::string EventLine(const Event& event, const RunState& state, const Style& style, bool full);

// {"seq":.., "run":.., ...} as the audit and `--json` print it.
Json EventToJson(const Event& event);
Event EventFromJson(const Json& json);

}  // namespace vmferry
