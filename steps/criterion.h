// SPDX-License-Identifier: Apache-2.0
//
// Criterion: what a runbook names under `rollbackCriteria`. It is a check of which one Apply takes one sample: it ends
// at once, with the verdict in its facts, and an Error only when its source could not be asked. A bad sample decides
// nothing by itself.
#pragma once

#include <string>

#include "state/criterion_state.h"
#include "steps/check.h"

namespace vmferry {

struct Sample {
  SampleVerdict verdict = SampleVerdict::kInconclusive;
  std::string why;               // in words, when it is not kPass
  Json facts = Json::object();   // what was seen
};

// What all criteria have in common; parameters, `reads` and the example are each one's own.
StepSpec CriterionSpec(std::string name, std::string purpose, std::chrono::milliseconds deadline);

class Criterion : public Check {
 public:
  // Facts: what was seen, with "verdict" and "why". NotYet while a sample would see what the source did.
  Result<Progress> Apply(const StepContext& context) const final;
  // Samples now: a source that cannot be asked is a problem, a bad sample is not, for the target may not run yet.
  Result<Forecast> Predict(const StepContext& context) const final;

  // What a measured number, and how many events it was made from, say, as the metrics server wrote them: for numbers of
  // the past (`vmferry criteria test`). kInvalid for a criterion that is not about one number.
  virtual Result<Sample> Judge(const StepContext& context, const std::string& value, const std::string& samples) const;

 protected:
  // How far into the past a sample sees: none is taken before the traffic was moved that long ago.
  virtual Result<std::chrono::milliseconds> SeesBack(const StepContext&) const { return std::chrono::milliseconds(0); }
  virtual Result<Sample> Take(const StepContext& context) const = 0;
  // A sample before anything was moved, which must not need what earlier steps record.
  virtual Result<Sample> Foretaste(const StepContext& context) const { return Take(context); }
  // "ask http://...": what a sample is.
  virtual std::string InWords(const StepContext& context) const = 0;
};

}  // namespace vmferry
