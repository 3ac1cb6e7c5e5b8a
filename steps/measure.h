// SPDX-License-Identifier: Apache-2.0
//
// Measure: what an answer of the metrics server says of a limit. One number is compared, and only when it is a number:
// no series, NaN, an infinite value and too few samples are each something else than good or bad, and none of them is
// success. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "plugins/metrics.h"
#include "state/result.h"

namespace vmferry {

enum class SampleClass {
  kPass,
  kFail,          // measured well, and beyond the limit
  kInconclusive,  // there is something, but it does not tell: infinite, too few samples, or only a part of the answer
  kNoData,        // no series, or NaN: nothing was measured
  kError,         // the server did not answer, or the query is none that gives one number
};
std::string_view Name(SampleClass sample);

// What was measured. The query's value may be at most `most`; `samples` is how many events it was made from.
struct Limit {
  double most = 0;           // inclusive
  double least_samples = 0;  // inclusive
};
struct Measured {
  SampleClass sample = SampleClass::kNoData;
  double value = 0;            // of kPass and kFail, and of too few samples
  double samples = 0;          // likewise
  std::string why;             // in words, for all but kPass and kFail
  std::optional<Error> error;  // kError
};
// Judges the answers of two queries: the value, and the number of samples behind it.
Measured Measure(const Result<MetricSamples>& value, const Result<MetricSamples>& samples, const Limit& limit);

// The one number of an answer: kPass with `value`, or why there is none.
Measured OneNumber(const Result<MetricSamples>& answer);

// "0.25", "NaN", "+Inf" as a number; nothing for what is none.
std::optional<double> NumberOf(std::string_view text);
// "1%", "0.01", "150%": a finite share of at least 0; nothing for anything else.
std::optional<double> RatioOf(std::string_view text);
// Four significant digits, or all before the point: "0.01235", "250", "81200".
std::string NumberInWords(double number);
// "1.5%"
std::string RatioInWords(double ratio);

}  // namespace vmferry
