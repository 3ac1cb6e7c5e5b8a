// SPDX-License-Identifier: Apache-2.0
//
// Text put together for people. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vmferry {

// "a, b, c"; empty for nothing.
std::string Joined(const std::vector<std::string>& texts, std::string_view between = ", ");

}  // namespace vmferry
