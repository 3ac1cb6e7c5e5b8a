// SPDX-License-Identifier: Apache-2.0
//
// SampleFile: samples of rollback criteria out of a CSV file (RFC 4180), to test the rules of a runbook against a
// history. The first row names the columns: `time` (RFC 3339, or seconds since 1970), `criterion` (may be left out when
// there is just one), and `verdict`, or `value` and `samples` as the metrics server writes them (NaN is no data); `why`
// is optional, further columns are ignored.
#pragma once

#include <string>
#include <vector>

#include "orchestrator/back_test.h"

namespace vmferry {

inline constexpr std::size_t kMaxSampleFileBytes = std::size_t{256} << 20;

// In the order of time. kInvalid says the file, the row and what is wrong with it.
Result<std::vector<PastSample>> ReadSampleFile(const Plan& plan, const std::string& path);
// The same for a text; `path` is for messages.
Result<std::vector<PastSample>> ParseSamples(const Plan& plan, const std::string& path, const std::string& text);

}  // namespace vmferry
