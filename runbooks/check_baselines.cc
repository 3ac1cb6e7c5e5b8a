// SPDX-License-Identifier: Apache-2.0
#include "runbooks/check_baselines.h"

#include <algorithm>

#include "runbooks/secrecy.h"
#include "steps/baseline.h"
#include "steps/parameters.h"

namespace vmferry {

void BaselineLedger::See(const PlannedStep& step, std::size_t at) {
  if (step.name == kRecordsBaselines) {
    recorded_ = {step.phase, {}, true};
    for (const Json& entry : Member(step.parameters, "baselines"))
      if (const auto query = BaselineQueryOf(entry.get<std::string>())) recorded_.names.push_back(query->name);
  }
  const std::string baseline = TextOf(step.parameters, "baseline");
  if (!baseline.empty() && !Member(step.parameters, "notWorseThan").is_null())
    wanted_.push_back({step.name, baseline, at, recorded_});
}

void BaselineLedger::Check(const Reader& reader) const {
  const std::string recorder(kRecordsBaselines);
  for (const Wanted& wanted : wanted_) {
    const std::vector<std::string>& names = wanted.recorded.names;
    const bool there = std::find(names.begin(), names.end(), wanted.baseline) != names.end();
    if (there && wanted.recorded.phase <= Phase::kConversion) continue;
    if (there)
      reader.Report(wanted.at,
                    Quoted(wanted.step) + " compares with the baseline " + Quoted(wanted.baseline) + ", and " +
                        Quoted(recorder) + " would measure that after the cutover began",
                    "put " + Quoted(recorder) + " under `preChecks`");
    else
      reader.Report(wanted.at,
                    Quoted(wanted.step) + " compares with the baseline " + Quoted(wanted.baseline) + ", and " +
                        (wanted.recorded.any ? "the last " + Quoted(recorder) + " before it does not record that"
                                             : "there is no " + Quoted(recorder) + " before it to record that"),
                    "list it under `baselines` of " + Quoted(recorder) + " in `preChecks`: `- " + wanted.baseline +
                        " = PROMQL`");
  }
}

}  // namespace vmferry
