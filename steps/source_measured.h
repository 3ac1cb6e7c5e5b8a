// SPDX-License-Identifier: Apache-2.0
//
// SourceMeasured: baselines without a name. What a check or criterion compares with (`notWorseThan: {baseline: 30m}`) is
// measured by its own query, on the source, by the step source_measured, which the checker adds before the cutover. Pure
// functions; the step is in the catalogue.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "steps/contradictions.h"
#include "steps/step.h"

namespace vmferry {

inline constexpr std::string_view kSourceMeasured = "source_measured";

// One entry of the parameter `measurements` of source_measured, as the checker makes them:
//   {"for", "metricsService", "query", "windowMs", "everyMs", "minSamples"}
// Null if the step `name` with these parameters compares with no such baseline.
Json MeasurementFor(std::string_view name, const Json& parameters);

// More values wanted than the time can hold.
std::optional<Contradiction> TooFewValues(const Json& parameters);

// Out of the facts of source_measured: {"query", "value", "samples", "windowMs", "atMs"}; null if it is not there.
Json MeasuredSource(const Json& facts, const std::string& query, std::chrono::milliseconds window);

}  // namespace vmferry
