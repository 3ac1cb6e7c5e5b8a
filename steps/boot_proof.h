// SPDX-License-Identifier: Apache-2.0
//
// Boot proofs of power_on_target: by what it is told that a domain's guest has come up, and what is said when it has
// not. The handle keeps for each workload since when its domain was seen running, and what was seen:
//   boot: {WORKLOAD: {"sinceMs": elapsed ms, "proof": {"proof", "afterMs", "line" | "address"}}}
// The same proof goes into the step's facts, workloads/WORKLOAD/boot. Threading: as StepContext.
#pragma once

#include <string>
#include <vector>

#include "plugins/target_platform.h"
#include "steps/contradictions.h"
#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

inline constexpr std::string_view kPowerOnTarget = "power_on_target";

std::vector<ParameterSpec> BootParameters();
std::vector<Contradiction> BootContradictions(const Json& parameters);

bool WantsBootProof(const StepContext& context);
// What the proof needs of the domain: a channel for the agent, a record of the console in `pool`.
void PrepareForProof(const StepContext& context, const std::string& pool, DefineRequest& request);

// The journaled proof of a workload; null if there is none yet.
Json BootProofOf(const StepContext& context, const Json& handle, const Workload& workload);
// True once the domain was seen running, so that it must go on running.
bool IsBooting(const Json& handle, const Workload& workload);
// Keeps in the handle that the domain was seen running.
void NoteBooting(const StepContext& context, const Workload& workload, Json& handle);
// Nothing while the domain runs; kConflict, with the end of the console, if it does not any more or its VM's fence is
// broken. A domain on its way down is waited for: only its end tells how it ended.
Result<Pending> RequireStillBooting(const StepContext& context, const Workload& workload, Json& handle);

// Nothing once the guest has come up; after bootDeadline an Error that says what was seen last.
Result<Pending> AwaitBoot(const StepContext& context, const Workload& workload, Json& handle);

// What a dry run says of it: "; wait at most 5m until ..."; empty without a proof.
std::string ForecastBoot(const StepContext& context, Forecast& forecast);

}  // namespace vmferry
