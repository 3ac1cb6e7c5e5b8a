// SPDX-License-Identifier: Apache-2.0
#include "plugins/textfile/exposition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "plugins/printable.h"
#include "state/digest.h"

namespace vmferry::textfile {
namespace {

constexpr std::size_t kMostLabels = 32;
constexpr std::size_t kLongest = 512;  // of a name, of a value

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool IsName(const std::string& name, bool metric) {
  const auto allowed = [metric](char c) { return IsLetter(c) || (c >= '0' && c <= '9') || (metric && c == ':'); };
  return !name.empty() && name.size() <= kLongest && std::all_of(name.begin(), name.end(), allowed) &&
         !(name.front() >= '0' && name.front() <= '9');
}

Error Bad(const std::string& message, const std::string& advice) {
  return Error{ErrorKind::kInvalid, "", "", message, advice};
}

std::string Escaped(const std::string& value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return text;
}

std::string NumberText(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end.ptr);
}

}  // namespace

Status CheckSeries(const SignalQuery& series) {
  if (!IsName(series.metric, true))
    return Bad("\"" + Printable(series.metric, 80) + "\" cannot be a metric's name", "letters, digits, _ and : only");
  if (series.labels.size() > kMostLabels) return Bad("it has more than 32 labels", "");
  for (const auto& [name, value] : series.labels) {
    if (!IsName(name, false) || name.starts_with("__"))
      return Bad("\"" + Printable(name, 80) + "\" cannot be a label's name", "letters, digits and _ only");
    // What is no UTF-8 makes the metrics server refuse the whole scrape.
    if (value.size() > kLongest || Printable(value, kLongest) != value)
      return Bad("the value of label " + name + " is too long, or no plain text", "");
  }
  return Ok();
}

std::string SeriesText(const SignalQuery& series) {
  std::string labels;
  for (const auto& [name, value] : series.labels)
    labels += (labels.empty() ? "" : ",") + name + "=\"" + Escaped(value) + "\"";
  return series.metric + (labels.empty() ? "" : "{" + labels + "}");
}

std::string FileName(const SignalQuery& series) {
  return "vmferry-" + Sha256Hex(SeriesText(series)).substr(0, 12) + ".prom";
}

// Help and type are the same for all signals of a metric: a collector refuses files that differ.
std::string FileText(const SignalQuery& series, double value) {
  return "# HELP " + series.metric + " Set by vmferry to try alerting.\n# TYPE " + series.metric + " gauge\n" +
         SeriesText(series) + " " + NumberText(value) + "\n";
}

std::optional<double> ValueIn(std::string_view text, const SignalQuery& series) {
  const std::size_t space = text.find_last_of(' ');
  if (space == std::string_view::npos || !text.ends_with('\n')) return std::nullopt;
  const std::string_view number = text.substr(space + 1, text.size() - space - 2);
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(value)) return std::nullopt;
  if (FileText(series, value) != text) return std::nullopt;
  return value;
}

}  // namespace vmferry::textfile
