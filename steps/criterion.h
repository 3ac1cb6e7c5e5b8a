// SPDX-License-Identifier: Apache-2.0
//
// Criterion: what a runbook names under `rollbackCriteria`. It is a check of which one Apply takes one sample: it ends
// at once, with the verdict in its facts, and an Error only when its source could not be asked. A bad sample decides
// nothing by itself.
#pragma once

#include <string>
#include <string_view>

#include "steps/check.h"

namespace vmferry {

enum class SampleVerdict {
  kPass,
  kFail,
  kInconclusive,  // an answer that says neither
  kNoData,        // the source answered that it has nothing; never the same as kPass
};
std::string_view Name(SampleVerdict verdict);  // "pass", "fail", "inconclusive", "no data"

struct Sample {
  SampleVerdict verdict = SampleVerdict::kInconclusive;
  std::string why;               // in words, when it is not kPass
  Json facts = Json::object();   // what was seen
};

class Criterion : public Check {
 public:
  // Facts: what was seen, with "verdict" and "why".
  Result<Progress> Apply(const StepContext& context) const final;
  // Samples now: a source that cannot be asked is a problem, a bad sample is not, for the target may not run yet.
  Result<Forecast> Predict(const StepContext& context) const final;

 protected:
  virtual Result<Sample> Take(const StepContext& context) const = 0;
  // "ask http://...": what a sample is.
  virtual std::string InWords(const StepContext& context) const = 0;
};

}  // namespace vmferry
