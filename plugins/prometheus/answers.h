// SPDX-License-Identifier: Apache-2.0
//
// What Prometheus answers, as the role's replies. Pure functions; what is not known is ignored, what is missing or of
// another type throws Json::exception (the caller makes it an Error of kind corrupt).
#pragma once

#include "plugins/metrics.h"

namespace vmferry::prometheus {

// `data` of /api/v1/query: a vector or a scalar. Throws std::runtime_error for other results (a range, a text).
MetricSamples SamplesIn(const Json& data);
// The `warnings` of a whole answer, as one printable line; a part of the servers behind it may not have answered.
std::string WarningsIn(const Json& body);
ScrapeTargets TargetsIn(const Json& data);
// Alerting rules; with a name, those of that name.
AlertRules RulesIn(const Json& data, const std::string& name);
// Unix milliseconds of an RFC 3339 time in UTC or with an offset; 0 for Go's zero time and for what is no time.
std::int64_t MillisecondsOf(const std::string& rfc3339);

}  // namespace vmferry::prometheus
