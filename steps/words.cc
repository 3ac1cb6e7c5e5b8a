// SPDX-License-Identifier: Apache-2.0
#include "steps/words.h"

#include <array>
#include <cstdio>

namespace vmferry {

std::string BytesInWords(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  std::string number = text.data();
  if (number.ends_with(".0")) number.resize(number.size() - 2);
  return number + " " + kUnits[unit];
}

std::string DurationInWords(std::chrono::milliseconds duration) {
  const auto ms = duration.count();
  if (ms < 1000 || ms % 1000 != 0) return std::to_string(ms) + "ms";
  const auto seconds = ms / 1000;
  std::string text;
  if (seconds >= 3600) text += std::to_string(seconds / 3600) + "h";
  if (seconds / 60 % 60 != 0) text += (text.empty() ? "" : " ") + std::to_string(seconds / 60 % 60) + "m";
  if (seconds % 60 != 0) text += (text.empty() ? "" : " ") + std::to_string(seconds % 60) + "s";
  return text;
}

std::string CountInWords(std::size_t count, std::string_view singular) {
  return std::to_string(count) + " " + std::string(singular) + (count == 1 ? "" : "s");
}

std::string ListInWords(const std::vector<std::string>& items) {
  if (items.empty()) return "none";
  std::string text = items.front();
  for (std::size_t i = 1; i < items.size(); ++i) text += (i + 1 == items.size() ? " and " : ", ") + items[i];
  return text;
}

std::uint64_t TotalBytes(const std::vector<DiskFacts>& disks) {
  std::uint64_t bytes = 0;
  for (const DiskFacts& disk : disks) bytes += disk.capacity_bytes;
  return bytes;
}

std::string DisksInWords(const std::vector<DiskFacts>& disks) {
  return CountInWords(disks.size(), "disk") + ", " + BytesInWords(TotalBytes(disks));
}

}  // namespace vmferry
