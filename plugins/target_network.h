// SPDX-License-Identifier: Apache-2.0
//
// Role "target platform", the calls about networks and the filters on them. All of them only read.
#pragma once

#include <string>
#include <vector>

#include "plugins/call.h"

namespace vmferry {

struct NetworkQuery {
  std::string network;  // as a site's mapping writes it: "network:NAME", "bridge:NAME", "user"
};
// A network that is not there is a reply. A platform that cannot tell answers kInvalid with its own words.
struct NetworkFacts {
  bool exists = false;
  bool active = false;  // a machine could be started on it
};

struct FilterQuery {
  std::string filter;
};
// A filter that is not there is a reply; a platform without filters answers kInvalid with its own words.
struct FilterFacts {
  bool exists = false;
  // As FilterRuleText writes them (plugins/filter_rule.h), in the order in which they are applied; filters that this
  // one refers to come last, as "include NAME".
  std::vector<std::string> rules;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NetworkQuery, network)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NetworkFacts, exists, active)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FilterQuery, filter)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FilterFacts, exists, rules)

namespace target {
inline constexpr Call<NetworkQuery, NetworkFacts> kDescribeNetwork{{"target", "DescribeNetwork", Access::kRead}};
inline constexpr Call<FilterQuery, FilterFacts> kDescribeFilter{{"target", "DescribeFilter", Access::kRead}};
}  // namespace target

}  // namespace vmferry
