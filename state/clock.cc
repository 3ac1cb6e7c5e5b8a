// SPDX-License-Identifier: Apache-2.0
#include "state/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace vmferry {

Instant SystemClock::Now() const {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  return Instant{
      .wall_ms = duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count(),
      .monotonic_ms = duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count()};
}

std::string FormatWallTime(std::int64_t wall_ms) {
  const std::time_t seconds = wall_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> day{};
  std::strftime(day.data(), day.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%s.%03dZ", day.data(), static_cast<int>(wall_ms % 1000));
  return text.data();
}

}  // namespace vmferry
