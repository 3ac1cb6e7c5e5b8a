// SPDX-License-Identifier: Apache-2.0
#include "steps/criterion.h"

#include <array>
#include <utility>

namespace vmferry {

std::string_view Name(SampleVerdict verdict) {
  constexpr std::array<std::string_view, 4> kNames{"pass", "fail", "inconclusive", "no data"};
  return kNames.at(static_cast<std::size_t>(verdict));
}

Result<Progress> Criterion::Apply(const StepContext& context) const {
  Result<Sample> sample = Take(context);
  if (!sample) return sample.error();
  Json facts = std::move(sample->facts);
  facts["verdict"] = std::string(Name(sample->verdict));
  if (!sample->why.empty()) facts["why"] = sample->why;
  return Progress::Done(std::move(facts));
}

Result<Forecast> Criterion::Predict(const StepContext& context) const {
  Forecast forecast;
  forecast.undo = "nothing to undo";
  forecast.will = InWords(context);
  const Result<Sample> sample = Take(context);
  if (!sample) {
    forecast.problems.push_back(sample.error());
    return forecast;
  }
  forecast.will += "; now: " + std::string(Name(sample->verdict));
  if (!sample->why.empty()) forecast.will += " (" + sample->why + ")";
  return forecast;
}

}  // namespace vmferry
