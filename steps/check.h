// SPDX-License-Identifier: Apache-2.0
//
// Check and Inspection: what steps that only look have in common. Nothing to observe, nothing to undo; they get
// read-only plugins, so that a dry run and a real one do the same.
#pragma once

#include <string>
#include <vector>

#include "steps/step.h"

namespace vmferry {

class Check : public Step {
 public:
  Result<Observation> Observe(const StepContext&) const final { return Observation(); }
  Result<Progress> Undo(const StepContext&) const final { return Progress::Done(Json::object()); }
};

// What an inspection found. Without problems the facts are the outcome.
struct Findings {
  std::string will;  // for the forecast: what is looked at, with what is there now
  Json facts = Json::object();
  std::vector<Error> problems;
};

// A check that looks once and reports everything wrong at the same time.
class Inspection : public Check {
 public:
  Result<Progress> Apply(const StepContext& context) const final;
  Result<Forecast> Predict(const StepContext& context) const final;

 protected:
  virtual Findings Look(const StepContext& context) const = 0;
};

// One Error out of several: the first that repeating cannot mend gives kind, system and object; all messages and
// advice are kept. REQUIRES: !problems.empty()
Error Combined(const std::vector<Error>& problems);

}  // namespace vmferry
