// SPDX-License-Identifier: Apache-2.0
//
// One signal in Prometheus' text format, written and read back. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "plugins/signal.h"
#include "state/result.h"

namespace vmferry::textfile {

// kInvalid (without a system) for names that the format does not allow, and for more than it makes sense to send.
Status CheckSeries(const SignalQuery& series);
// metric{label="value",...}, labels in order, values escaped.
std::string SeriesText(const SignalQuery& series);
// vmferry-0123456789ab.prom
std::string FileName(const SignalQuery& series);
// The whole file: help, type and the one sample. REQUIRES: the value is finite.
std::string FileText(const SignalQuery& series, double value);
// The value in a file's text, if it holds this series and nothing else.
std::optional<double> ValueIn(std::string_view text, const SignalQuery& series);

}  // namespace vmferry::textfile
