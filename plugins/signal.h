// SPDX-License-Identifier: Apache-2.0
//
// Role "signal": a metric of our own that the metrics server scrapes, so that a rule which was loaded beforehand can
// fire on it. A signal is a metric's name with labels (one series) and a value. Prometheus cannot be handed an alert;
// it can be given something to see.
//
// The writes name a goal: repeating one that succeeded changes nothing. When the metrics server sees the change is its
// own affair (the next scrape).
#pragma once

#include <map>
#include <string>

#include "plugins/call.h"
#include "plugins/source_platform.h"  // Done

namespace vmferry {

struct SignalQuery {
  std::string metric;                         // [a-zA-Z_:][a-zA-Z0-9_:]*
  std::map<std::string, std::string> labels;  // names [a-zA-Z_][a-zA-Z0-9_]*, values any text
};
struct SignalFacts {
  bool present = false;
  double value = 0;   // when present
  std::string where;  // for people: a file's path
};
struct SetSignalRequest {
  std::string metric;
  std::map<std::string, std::string> labels;
  double value = 1;  // finite
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SignalQuery, metric, labels)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SignalFacts, present, value, where)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SetSignalRequest, metric, labels, value)

namespace signals {
inline constexpr Call<SignalQuery, SignalFacts> kDescribe{{"signal", "Describe", Access::kRead}};
inline constexpr Call<SetSignalRequest, Done> kEnsure{{"signal", "Ensure", Access::kWrite}};
inline constexpr Call<SignalQuery, Done> kEnsureGone{{"signal", "EnsureGone", Access::kWrite}};
}  // namespace signals

}  // namespace vmferry
