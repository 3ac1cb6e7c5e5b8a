// SPDX-License-Identifier: Apache-2.0
//
// Reading JSON text that we wrote, at the speed a journal of a large wave needs: simdjson reads, the result is the Json
// the rest of the program uses. Threading: any.
#pragma once

#include <string_view>

#include "state/event.h"

namespace vmferry {

// What Json::parse(text, nullptr, false) returns: a discarded value for what is no JSON.
Json ParseJson(std::string_view text);

bool IsUtf8(std::string_view text);

}  // namespace vmferry
