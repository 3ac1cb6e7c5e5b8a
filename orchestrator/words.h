// SPDX-License-Identifier: Apache-2.0
//
// Words: how times, sizes and names are written for people, and whether colours may be used.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace vmferry {

std::string HumanDuration(std::chrono::milliseconds time);  // "0.4 s", "2 min 5 s", "1 h 3 min"
std::string HumanBytes(std::uint64_t bytes);                // "48.0 MiB"
std::string ClockTime(std::int64_t wall_ms);                // local "02:00:01"
std::string DateTime(std::int64_t wall_ms);                 // local "2026-03-01 02:00:01"

// Colours only on a terminal, never with NO_COLOR or TERM=dumb.
bool ColoursOn(int descriptor);

struct Style {
  bool colour = false;
  std::string Bold(std::string_view text) const { return Paint("1", text); }
  std::string Dim(std::string_view text) const { return Paint("2", text); }
  std::string Good(std::string_view text) const { return Paint("32", text); }
  std::string Bad(std::string_view text) const { return Paint("31", text); }
  std::string Warn(std::string_view text) const { return Paint("33", text); }

 private:
  std::string Paint(std::string_view code, std::string_view text) const;
};

std::string Padded(std::string_view text, std::size_t width);

}  // namespace vmferry
