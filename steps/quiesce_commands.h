// SPDX-License-Identifier: Apache-2.0
//
// The programs of quiesce_application: `stopCommand` on the way out, `startCommand` on the way back. In the handle:
//   stop: the run of stopCommand (steps/command_run.h)   commandRan: it was begun at least once
//   undo: {start: the run of startCommand}
#pragma once

#include <vector>

#include "steps/contradictions.h"
#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

inline constexpr std::string_view kQuiesceApplication = "quiesce_application";

std::vector<ParameterSpec> QuiesceCommandParameters();
std::vector<Contradiction> QuiesceContradictions(const Json& parameters);

// How long each of the programs may take.
std::chrono::milliseconds CommandDeadline(const StepContext& context);
// Whether guests are asked to shut down before their VMs are powered off.
bool AsksGuests(const StepContext& context);

// Nothing once stopCommand has ended well, or no VM was on, or it has failed and `onRefusal: force` says to go on; else
// what onRefusal says.
Result<Pending> StopApplication(const StepContext& context, Json& handle);

// The way back: a stopCommand that still runs would stop what comes back, so that its end is waited for.
Result<Pending> AwaitStopCommand(const StepContext& context, Json& handle);
// Runs startCommand if the application was stopped. A failure is an Error; repeating the rollback runs it again.
Result<Pending> StartApplication(const StepContext& context, Json& handle);

// What a dry run says of them; empty where they are not declared.
std::string ForecastStopCommand(const StepContext& context, Forecast& forecast);
std::string ForecastStartCommand(const StepContext& context, Forecast& forecast);

}  // namespace vmferry
