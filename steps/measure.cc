// SPDX-License-Identifier: Apache-2.0
#include "steps/measure.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "plugins/labels.h"
#include "steps/words.h"

namespace vmferry {
namespace {

constexpr std::size_t kShownSeries = 3;

std::string SeriesInWords(const std::vector<MetricSample>& samples) {
  std::string text;
  for (std::size_t i = 0; i < std::min(samples.size(), kShownSeries); ++i)
    text += (text.empty() ? "" : ", ") + LabelsInWords(samples[i].labels);
  return text + (samples.size() > kShownSeries ? ", ..." : "");
}

Measured Failed(Error error) {
  Measured measured;
  measured.sample = SampleClass::kError;
  measured.why = Describe(error);
  measured.error = std::move(error);
  return measured;
}

Measured Without(SampleClass sample, std::string why) {
  Measured measured;
  measured.sample = sample;
  measured.why = std::move(why);
  return measured;
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string_view Name(SampleClass sample) {
  switch (sample) {
    case SampleClass::kPass:
      return "pass";
    case SampleClass::kFail:
      return "fail";
    case SampleClass::kInconclusive:
      return "inconclusive";
    case SampleClass::kNoData:
      return "no data";
    case SampleClass::kError:
      break;
  }
  return "error";
}

Measured OneNumber(const Result<MetricSamples>& answer) {
  if (!answer) return Failed(answer.error());
  if (!answer->warnings.empty())
    return Without(SampleClass::kInconclusive, "the server warns that this may not be all: " + answer->warnings);
  const std::vector<MetricSample>& samples = answer->samples;
  if (samples.empty()) return Without(SampleClass::kNoData, "no data: no series matches");
  if (samples.size() > 1)
    return Failed(Error{ErrorKind::kInvalid, "", "",
                        std::to_string(samples.size()) + " series where one is expected: " + SeriesInWords(samples),
                        "add what makes one value of them, like sum() or max()"});
  const std::optional<double> number = NumberOf(samples.front().value);
  if (!number)
    return Failed(
        Error{ErrorKind::kCorrupt, "", "", "its value is no number: " + samples.front().value.substr(0, 40), ""});
  if (std::isnan(*number))
    return Without(SampleClass::kNoData, "the value is NaN: nothing was measured (0 divided by 0)");
  if (std::isinf(*number))
    return Without(SampleClass::kInconclusive, "the value is " + samples.front().value +
                                                   ": a division by 0, or beyond the last bucket of the histogram");
  Measured measured;
  measured.sample = SampleClass::kPass;
  measured.value = *number;
  return measured;
}

Measured Measure(const Result<MetricSamples>& value, const Result<MetricSamples>& samples, const Limit& limit) {
  Measured measured = OneNumber(value);
  Measured count = OneNumber(samples);
  // What is wrong with a query counts more than what it says.
  if (measured.sample == SampleClass::kError) return measured;
  count.why = "the number of samples: " + count.why;
  if (count.sample == SampleClass::kError) {
    count.error->message = "the number of samples: " + count.error->message;
    return count;
  }
  if (measured.sample != SampleClass::kPass) return measured;
  if (count.sample != SampleClass::kPass) return count;
  measured.samples = count.value;
  if (count.value < limit.least_samples) {
    measured.sample = SampleClass::kInconclusive;
    measured.why =
        "too few samples: " + NumberInWords(count.value) + " of at least " + NumberInWords(limit.least_samples);
  } else if (measured.value > limit.most) {
    measured.sample = SampleClass::kFail;
  }
  return measured;
}

std::optional<double> NumberOf(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error == std::errc::invalid_argument || end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::numeric_limits<double>::infinity();
  return number;
}

std::optional<double> RatioOf(std::string_view text) {
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  if (text.empty() || !IsDigit(text.front())) return std::nullopt;
  const std::optional<double> number = NumberOf(text);
  if (!number || !std::isfinite(*number)) return std::nullopt;
  return percent ? *number / 100 : *number;
}

std::string NumberInWords(double number) {
  std::array<char, 40> text{};
  const bool large = std::fabs(number) >= 1000 && std::fabs(number) < 1e15;
  std::snprintf(text.data(), text.size(), large ? "%.0f" : "%.4g", number);
  return text.data();
}

std::string RatioInWords(double ratio) {
  return NumberInWords(ratio * 100) + "%";
}

}  // namespace vmferry
