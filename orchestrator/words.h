// SPDX-License-Identifier: Apache-2.0
//
// Words: how times, sizes, names and evidence are written for people, and whether colours may be used.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "state/event.h"

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

// How wide the titles of steps are in tables: the longest name of the catalogue with a short workload.
constexpr std::size_t kTitleWidth = 40;

// How many columns standard output has: the terminal's, from 60 to 120; 110 where there is none.
std::size_t ScreenColumns();

// The text broken between words; the lines after the first begin with `indent` blanks. `at`: where the first begins.
// A word that is longer than a line stays whole, and so does `name: word`.
std::string Wrapped(std::string_view text, std::size_t at, std::size_t indent, std::size_t columns);

// Evidence without the signs that only programs need: "ageMs: 18303, host: app1, paths: [/srv, /etc]".
std::string EvidenceText(const Json& evidence);

}  // namespace vmferry
