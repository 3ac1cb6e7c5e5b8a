// SPDX-License-Identifier: Apache-2.0
//
// Pending: how one rung of a ladder answers. A step whose Apply does several things one after another looks at the
// world anew at each call and climbs from the first rung that is not reached: nothing means the rung is reached.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "steps/step.h"

namespace vmferry {

using Pending = std::optional<Progress>;

// `progress`, with `handle` to be journaled before the next call, if it is another than the journaled one.
Progress WithHandle(const StepContext& context, Progress progress, const Json& handle);

// How long ago the moment was that a step keeps in its handle as StepContext::elapsed in milliseconds. A resume counts
// elapsed time anew; a moment from before it is moved to the resume, so that waiting stays bounded.
std::chrono::milliseconds WaitedSince(const StepContext& context, Json& moment);

// A system that is busy with what ends by itself (an export left behind expires) is waited for: NotYet until five
// minutes and a little after the first refusal, which is kept in `moment`, a member of `handle`; then the error.
Result<Pending> WaitOut(const StepContext& context, const Error& busy, const std::string& text, const Json& handle,
                        Json& moment);

}  // namespace vmferry
