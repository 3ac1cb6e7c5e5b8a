// SPDX-License-Identifier: Apache-2.0
#include "steps/criterion.h"

#include <utility>

namespace vmferry {

StepSpec CriterionSpec(std::string name, std::string purpose, std::chrono::milliseconds deadline) {
  StepSpec spec;
  spec.name = std::move(name);
  spec.purpose = std::move(purpose);
  spec.criterion = true;
  spec.deadline = deadline;
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  return spec;
}

Result<Progress> Criterion::Apply(const StepContext& context) const {
  const Result<std::chrono::milliseconds> sees_back = SeesBack(context);
  if (!sees_back) return sees_back.error();
  if (context.elapsed < *sees_back)
    return Progress::NotYet(*sees_back - context.elapsed, "samples would still see the source");
  Result<Sample> sample = Take(context);
  if (!sample) return sample.error();
  Json facts = std::move(sample->facts);
  facts["verdict"] = std::string(Name(sample->verdict));
  if (!sample->why.empty()) facts["why"] = sample->why;
  return Progress::Done(std::move(facts));
}

Result<Sample> Criterion::Judge(const StepContext&, const std::string&, const std::string&) const {
  return Error{ErrorKind::kInvalid, "", "", spec().name + " is not about one number",
               "give its samples a `verdict`: pass, fail, inconclusive, no data or error"};
}

Result<Forecast> Criterion::Predict(const StepContext& context) const {
  Forecast forecast;
  forecast.undo = "nothing to undo";
  forecast.will = InWords(context);
  const Result<Sample> sample = Foretaste(context);
  if (!sample) {
    forecast.problems.push_back(sample.error());
    return forecast;
  }
  forecast.will += "; now: " + std::string(Name(sample->verdict));
  if (!sample->why.empty()) forecast.will += " (" + sample->why + ")";
  return forecast;
}

}  // namespace vmferry
