// SPDX-License-Identifier: Apache-2.0
#include "steps/check.h"

#include <algorithm>
#include <utility>

namespace vmferry {
namespace {

void Append(std::string& text, const std::string& more) {
  if (more.empty() || text.find(more) != std::string::npos) return;
  text += (text.empty() ? "" : "; ") + more;
}

}  // namespace

Error Combined(const std::vector<Error>& problems) {
  const auto lasting = std::find_if(problems.begin(), problems.end(), [](const Error& e) { return !SafeToRetry(e); });
  const Error& chief = lasting == problems.end() ? problems.front() : *lasting;
  Error error = chief;
  for (const Error& problem : problems) {
    const bool same_object = problem.system == chief.system && problem.object == chief.object;
    Append(error.message,
           same_object || problem.object.empty() ? problem.message : problem.object + ": " + problem.message);
    Append(error.advice, problem.advice);
  }
  return error;
}

Result<Progress> Inspection::Apply(const StepContext& context) const {
  Findings findings = Look(context);
  if (!findings.problems.empty()) return Combined(findings.problems);
  return Progress::Done(std::move(findings.facts));
}

Result<Forecast> Inspection::Predict(const StepContext& context) const {
  Findings findings = Look(context);
  return Forecast{std::move(findings.will), "nothing to undo", std::move(findings.problems)};
}

}  // namespace vmferry
