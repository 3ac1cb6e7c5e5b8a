// SPDX-License-Identifier: Apache-2.0
//
// criteria: one sample of each rollback criterion of a run, a runbook or a wave, now.
#include <cstdio>
#include <filesystem>
#include <utility>

#include "orchestrator/commands.h"
#include "orchestrator/predict.h"
#include "orchestrator/words.h"
#include "runbooks/check.h"
#include "state/sqlite_journal.h"

namespace vmferry {
namespace {

constexpr std::chrono::milliseconds kSampleTimeout(30000);
constexpr std::size_t kNameWidth = 30, kVerdictWidth = 13;
constexpr std::size_t kIndent = kNameWidth + kVerdictWidth + 3;

bool NamesFile(const std::string& subject) {
  std::error_code unreadable;
  return subject.ends_with(".yaml") || subject.ends_with(".yml") || std::filesystem::exists(subject, unreadable);
}

// What the sample saw, or why there is none.
std::string VerdictText(const TakenSample& sample, const Style& style) {
  if (!sample.facts) return style.Bad(Padded("error", kVerdictWidth)) + Describe(sample.facts.error());
  const std::string verdict = sample.facts->value("verdict", "");
  const std::string word = Padded(verdict, kVerdictWidth);
  const std::string shown = verdict == "pass" ? style.Good(word) : verdict == "fail" ? style.Bad(word) : style.Warn(word);
  const std::string why = sample.facts->value("why", "");
  Json seen = *sample.facts;
  seen.erase("verdict");
  return shown + Wrapped(why.empty() ? EvidenceText(seen) : why, kIndent, kIndent, ScreenColumns());
}

Json ToJson(const Plan& plan, const TakenSample& sample) {
  Json json{{"application", plan.application.name}, {"criterion", sample.criterion->name}};
  if (sample.facts)
    json["facts"] = *sample.facts;
  else
    json["error"] = ErrorToJson(sample.facts.error());
  return {{"sample", json}};
}

// `run`: the one the plans are of; null: none.
ExitCode Sample(const Common& common, const std::vector<Plan>& plans, const RunState* run, const Site& site) {
  const auto systems = MakeSystems(site);
  const Style style = Output::ForStdout(common.json).style;
  bool all_pass = true;
  for (const Plan& plan : plans) {
    if (!common.json) std::printf("%s\n", style.Bold(plan.application.name).c_str());
    if (!common.json && plan.criteria.empty()) std::printf("  no rollback criteria\n");
    const ApplicationState* state = run ? &run->applications.at(plan.application.name) : nullptr;
    for (const TakenSample& sample : SampleCriteria(plan, state, *systems, kSampleTimeout)) {
      all_pass = all_pass && sample.facts && sample.facts->value("verdict", "") == "pass";
      if (common.json)
        PrintJson(ToJson(plan, sample));
      else
        std::printf("  %s %s\n", Padded(sample.criterion->name, kNameWidth).c_str(), VerdictText(sample, style).c_str());
    }
  }
  return all_pass ? ExitCode::kDone : ExitCode::kProblems;
}

// A run explains itself: its plans and, unless another one is named, its site are in the journal.
ExitCode SampleRun(const Common& common, const CriteriaOptions& options) {
  const std::string path = JournalPath(common, options.site);
  const Result<std::string> run = FullRunId(path, options.subject);
  if (!run) return Fail(common, run.error());
  const auto journal = OpenJournalReader(path);
  if (!journal) return Fail(common, journal.error());
  const Result<RunState> state = (*journal)->State(*run);
  if (!state) return Fail(common, state.error());
  std::vector<Plan> plans;
  for (const std::string& name : state->order) {
    Result<Plan> plan = PlanOf(state->applications.at(name));
    if (!plan) return Fail(common, plan.error());
    plans.push_back(std::move(*plan));
  }
  if (options.site.empty()) {
    const Result<Site> site = SiteFromJson(state->wave.value("site", Json::object()));
    return site ? Sample(common, plans, &*state, *site) : Fail(common, site.error());
  }
  const Checked checked = CheckSite(options.site);
  PrintDiagnostics(common, checked.diagnostics);
  return checked.site ? Sample(common, plans, &*state, *checked.site) : ExitCode::kProblems;
}

ExitCode SampleFile(const Common& common, const CriteriaOptions& options) {
  if (options.site.empty()) {
    Fail(common, Error{ErrorKind::kInvalid, "", options.subject, "a runbook or wave needs a site", "add --site FILE"});
    return ExitCode::kUsage;
  }
  const Checked checked = CheckWave(options.subject, options.site);
  PrintDiagnostics(common, checked.diagnostics);
  return checked.wave ? Sample(common, checked.wave->plans, nullptr, *checked.site) : ExitCode::kProblems;
}

}  // namespace

ExitCode CriteriaCommand(const Common& common, const CriteriaOptions& options) {
  Begin(common);
  return NamesFile(options.subject) ? SampleFile(common, options) : SampleRun(common, options);
}

}  // namespace vmferry
