// SPDX-License-Identifier: Apache-2.0
//
// LookBack: how far into the past a query sees. A pure function.
#pragma once

#include <chrono>
#include <string_view>

#include "state/result.h"

namespace vmferry {

// The farthest of the query's selectors: their ranges, or the server's look-back of 5 minutes where there is none, with
// their `offset`. An upper bound, since subqueries are added up wherever they stand; `@` is not looked at: whoever
// writes it means another time. kInvalid (message and advice alone) for a duration that cannot be read.
// Source: prometheus.io/docs/prometheus/latest/querying/basics (time durations, float literals as seconds, staleness).
Result<std::chrono::milliseconds> LookBack(std::string_view promql);

}  // namespace vmferry
