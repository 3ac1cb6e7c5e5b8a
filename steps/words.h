// SPDX-License-Identifier: Apache-2.0
//
// Numbers and lists as people read them, for forecasts, progress and errors. Pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/source_platform.h"

namespace vmferry {

// "96 MiB", "1.5 GiB", "512 B"
std::string BytesInWords(std::uint64_t bytes);
// "2m", "1m 30s", "250ms"
std::string DurationInWords(std::chrono::milliseconds duration);
// "1 disk", "2 disks"
std::string CountInWords(std::size_t count, std::string_view singular);
// "web1, web2 and db1"; "none" for nothing
std::string ListInWords(const std::vector<std::string>& items);
// "1 disk, 48 MiB"
std::string DisksInWords(const std::vector<DiskFacts>& disks);
std::uint64_t TotalBytes(const std::vector<DiskFacts>& disks);

}  // namespace vmferry
