// SPDX-License-Identifier: Apache-2.0
//
// Times as Go programs write them in JSON. A pure function. Source: RFC 3339, 5.6.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vmferry {

// "2026-03-01T02:00:00.123456789+01:00" in milliseconds since 1970 UTC; nothing for any other text.
std::optional<std::int64_t> ParseRfc3339(std::string_view text);

}  // namespace vmferry
