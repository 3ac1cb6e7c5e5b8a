// SPDX-License-Identifier: Apache-2.0
//
// What an entry of smoke_test's `probes` may be, as far as it can be told without a site. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "steps/contradictions.h"

namespace vmferry {

inline constexpr std::string_view kSmokeTest = "smoke_test";
inline constexpr std::string_view kTcpPrefix = "tcp://";
inline constexpr std::string_view kCommandPrefix = "command:";

bool IsHttpProbe(std::string_view probe);
// The service of "command:SERVICE"; empty for other probes.
std::string CommandProbe(const std::string& probe);

// Entries that cannot be asked, or that carry a password; none is repeated here, since it may be one.
std::vector<Contradiction> ProbeContradictions(const Json& parameters);

}  // namespace vmferry
