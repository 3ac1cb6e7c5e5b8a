// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/words.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace vmferry {
namespace {

std::string Format(const char* format, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string Local(std::int64_t wall_ms, const char* format) {
  const std::time_t seconds = wall_ms / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), format, &local);
  return text.data();
}

// Text that could be taken for something else keeps its quotes.
std::string Bare(const Json& text) {
  const auto& value = text.get_ref<const std::string&>();
  const bool plain = !value.empty() && value.find_first_of(",[]{}\"\n") == std::string::npos && value.front() != ' ' &&
                     value.back() != ' ';
  return plain ? value : text.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string HumanDuration(std::chrono::milliseconds time) {
  const auto seconds = time.count() / 1000;
  if (seconds < 60) return Format("%.1f s", static_cast<double>(time.count()) / 1000);
  if (seconds < 3600) return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
  return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
}

std::string HumanBytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return Format(unit == 0 ? "%.0f " : "%.1f ", value) + kUnits.at(unit);
}

std::string ClockTime(std::int64_t wall_ms) { return Local(wall_ms, "%H:%M:%S"); }
std::string DateTime(std::int64_t wall_ms) { return Local(wall_ms, "%Y-%m-%d %H:%M:%S"); }

bool ColoursOn(int descriptor) {
  const char* off = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = !term || std::string_view(term) == "dumb";
  return isatty(descriptor) == 1 && !(off && *off) && !dumb;
}

std::string Style::Paint(std::string_view code, std::string_view text) const {
  if (!colour) return std::string(text);
  return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

std::string Padded(std::string_view text, std::size_t width) {
  std::string padded(text);
  if (padded.size() < width) padded.resize(width, ' ');
  return padded;
}

std::size_t ScreenColumns() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 110;
  return std::clamp<std::size_t>(size.ws_col, 60, 120);
}

std::string Wrapped(std::string_view text, std::size_t at, std::size_t indent, std::size_t columns) {
  std::string wrapped;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(' '), text.size());
    while (end > 0 && end < text.size() && text[end - 1] == ':') end = std::min(text.find(' ', end + 1), text.size());
    const bool first = wrapped.empty();
    if (!first && at + 1 + end > columns) {
      wrapped += "\n" + std::string(indent, ' ');
      at = indent;
    } else if (!first) {
      wrapped += ' ';
      ++at;
    }
    wrapped += text.substr(0, end);
    at += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return wrapped;
}

std::string EvidenceText(const Json& evidence) {
  if (evidence.is_string()) return Bare(evidence);
  if (evidence.is_number_float()) return Format("%.6g", evidence.get<double>());
  if (!evidence.is_structured()) return evidence.dump();
  std::string text;
  for (const auto& [name, value] : evidence.items()) {
    const bool inner = value.is_object() && !value.empty();
    const std::string shown = inner ? "{" + EvidenceText(value) + "}" : EvidenceText(value);
    text += (text.empty() ? "" : ", ") + (evidence.is_object() ? name + ": " : "") + shown;
  }
  if (evidence.is_array()) return "[" + text + "]";
  return text.empty() ? "{}" : text;
}

}  // namespace vmferry
