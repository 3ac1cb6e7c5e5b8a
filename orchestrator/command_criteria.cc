// SPDX-License-Identifier: Apache-2.0
//
// criteria: one sample of each rollback criterion of a runbook or a wave, now.
#include <cstdio>

#include "orchestrator/commands.h"
#include "orchestrator/predict.h"
#include "orchestrator/words.h"
#include "runbooks/check.h"

namespace vmferry {
namespace {

constexpr std::chrono::milliseconds kSampleTimeout(30000);

// "fail   http://... is not healthy: connection refused", or why there is no sample.
std::string VerdictText(const TakenSample& sample, const Style& style) {
  if (!sample.facts) return style.Bad(Padded("error", 13)) + Describe(sample.facts.error());
  const std::string verdict = sample.facts->value("verdict", "");
  const std::string word = Padded(verdict, 13);
  const std::string shown = verdict == "pass" ? style.Good(word) : verdict == "fail" ? style.Bad(word) : style.Warn(word);
  const std::string why = sample.facts->value("why", "");
  return shown + (why.empty() ? sample.facts->dump() : why);
}

Json ToJson(const Plan& plan, const TakenSample& sample) {
  Json json{{"application", plan.application.name}, {"criterion", sample.criterion->name}};
  if (sample.facts)
    json["facts"] = *sample.facts;
  else
    json["error"] = ErrorToJson(sample.facts.error());
  return {{"sample", json}};
}

}  // namespace

ExitCode CriteriaCommand(const Common& common, const PlanOptions& options) {
  Begin(common);
  const Checked checked = CheckWave(options.file, options.site);
  PrintDiagnostics(common, checked.diagnostics);
  if (!checked.wave) return ExitCode::kProblems;
  const auto systems = MakeSystems(*checked.site);
  const Style style = Output::ForStdout(common.json).style;
  bool all_pass = true;
  for (const Plan& plan : checked.wave->plans) {
    if (!common.json) std::printf("%s\n", style.Bold(plan.application.name).c_str());
    if (!common.json && plan.criteria.empty()) std::printf("  no rollback criteria\n");
    for (const TakenSample& sample : SampleCriteria(plan, *systems, kSampleTimeout)) {
      all_pass = all_pass && sample.facts && sample.facts->value("verdict", "") == "pass";
      if (common.json)
        PrintJson(ToJson(plan, sample));
      else
        std::printf("  %s %s\n", Padded(sample.criterion->name, 30).c_str(), VerdictText(sample, style).c_str());
    }
  }
  return all_pass ? ExitCode::kDone : ExitCode::kProblems;
}

}  // namespace vmferry
