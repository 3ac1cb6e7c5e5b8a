// SPDX-License-Identifier: Apache-2.0
#include "plugins/rfc3339.h"

#include <chrono>
#include <cstdio>
#include <string>

namespace vmferry {

std::optional<std::int64_t> ParseRfc3339(std::string_view text) {
  using namespace std::chrono;
  const std::string copy(text);
  int y = 0, mon = 0, d = 0, h = 0, min = 0, s = 0, length = 0;
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &y, &mon, &d, &h, &min, &s, &length) != 6)
    return std::nullopt;
  const year_month_day date{year(y), month(static_cast<unsigned>(mon)), day(static_cast<unsigned>(d))};
  if (!date.ok() || h > 23 || min > 59 || s > 60 || h < 0 || min < 0 || s < 0) return std::nullopt;
  std::string_view rest = std::string_view(copy).substr(static_cast<std::size_t>(length));
  std::int64_t ms = 0;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    for (std::int64_t unit = 100; !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; unit /= 10, rest.remove_prefix(1))
      ms += unit * (rest[0] - '0');
  }
  minutes offset{0};
  int offset_hours = 0, offset_minutes = 0;
  if (rest != "Z") {
    if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') ||
        std::sscanf(rest.data() + 1, "%2d:%2d", &offset_hours, &offset_minutes) != 2)
      return std::nullopt;
    offset = (rest[0] == '-' ? -1 : 1) * (hours(offset_hours) + minutes(offset_minutes));
  }
  const auto time = sys_days(date) + hours(h) + minutes(min) + seconds(s) - offset;
  return duration_cast<milliseconds>(time.time_since_epoch()).count() + ms;
}

}  // namespace vmferry
