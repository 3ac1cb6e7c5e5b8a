// SPDX-License-Identifier: Apache-2.0
//
// ConsoleText: what a guest wrote on its serial console, as plain lines that may go into an Error, a journal record or
// onto a terminal. A guest writes whatever it likes: escape sequences (ECMA-48) and control characters go, a carriage
// return ends a line, bytes that are not UTF-8 become U+FFFD, long lines are cut, empty ones left out. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vmferry {

inline constexpr std::size_t kLongestConsoleLine = 400;  // bytes

std::string ConsoleText(std::string_view raw);

}  // namespace vmferry
