// SPDX-License-Identifier: Apache-2.0
//
// criteria test: the rules of a runbook's criteria against samples of the past. audit replay: against a journal's own.
#include <algorithm>
#include <array>
#include <cstdio>

#include "orchestrator/commands.h"
#include "orchestrator/sample_file.h"
#include "runbooks/check.h"
#include "state/sqlite_journal.h"

namespace vmferry {
namespace {

std::string CountsText(const std::vector<PastSample>& samples, std::size_t criterion) {
  std::array<int, kSampleVerdicts> counts{};
  int all = 0;
  for (const PastSample& sample : samples)
    if (sample.criterion == criterion) {
      ++counts.at(static_cast<std::size_t>(sample.verdict));
      ++all;
    }
  std::string text = std::to_string(all) + " samples";
  for (std::size_t i = 0; i < kSampleVerdicts; ++i)
    if (counts.at(i) > 0)
      text += ", " + std::to_string(counts.at(i)) + " " + std::string(Name(static_cast<SampleVerdict>(i)));
  return text;
}

Json ToJson(const Plan& plan, const Turn& turn) {
  const Evaluation& now = turn.evaluation;
  return {{"turn",
           {{"at", FormatWallTime(turn.at_ms)},
            {"at_ms", turn.at_ms},
            {"criterion", plan.criteria[turn.criterion].name},
            {"verdict", now.verdict ? std::string(Name(*now.verdict)) : "undecided"},
            {"reaction", std::string(Name(now.reaction))},
            {"why", now.why}}}};
}

void PrintTurn(const Plan& plan, const Turn& turn, const Style& style) {
  const Evaluation& now = turn.evaluation;
  const bool back = now.reaction == Reaction::kNone;
  std::printf("  %s  %s %s\n", FormatWallTime(turn.at_ms).c_str(),
              Padded(plan.criteria[turn.criterion].name, kTitleWidth).c_str(),
              back ? style.Good("recovered").c_str()
                   : (style.Bold(std::string(Name(now.reaction))) + ": " + now.why).c_str());
}

}  // namespace

ExitCode CriteriaTest(const Common& common, const CriteriaTestOptions& options) {
  Begin(common);
  const Checked checked = CheckWave(options.runbook, options.site);
  PrintDiagnostics(common, checked.diagnostics);
  if (!checked.wave) return ExitCode::kProblems;
  if (checked.wave->plans.size() != 1)
    return Fail(common, Error{ErrorKind::kInvalid, "", options.runbook, "a wave of several applications",
                              "test their runbooks one by one"});
  const Plan& plan = checked.wave->plans.front();
  if (plan.criteria.empty())
    return Fail(common, Error{ErrorKind::kInvalid, "", options.runbook, "it has no rollbackCriteria", ""});
  const auto samples = ReadSampleFile(plan, options.samples);
  if (!samples) return Fail(common, samples.error());
  const Style style = Output::ForStdout(common.json).style;
  if (!common.json)
    for (std::size_t i = 0; i < plan.criteria.size(); ++i)
      std::printf("%s: %s\n  %s%s\n", style.Bold(plan.criteria[i].name).c_str(), CountsText(*samples, i).c_str(),
                  RuleInWords(RuleOf(plan.criteria[i].parameters)).c_str(),
                  plan.criteria[i].parameters.contains("notWorseThan")
                      ? "\n  a file holds no baseline: values are held against the absolute limit alone"
                      : "");
  bool acts = false;
  for (const Turn& turn : BackTest(plan, *samples)) {
    acts = acts || turn.evaluation.reaction >= Reaction::kHold;
    common.json ? PrintJson(ToJson(plan, turn)) : PrintTurn(plan, turn, style);
  }
  if (!common.json) std::printf("%s\n", acts ? "it would have gone back or held" : "it would have gone on");
  return acts ? ExitCode::kProblems : ExitCode::kDone;
}

ExitCode AuditReplay(const Common& common, const AuditOptions& options) {
  Begin(common);
  const std::string path = JournalPath(common, options.site);
  const Result<std::string> run = FullRunId(path, options.run);
  if (!run) return Fail(common, run.error());
  const auto journal = OpenJournalReader(path);
  if (!journal) return Fail(common, journal.error());
  const Result<RunState> state = (*journal)->State(*run);
  if (!state) return Fail(common, state.error());
  const auto events = (*journal)->Read(*run);
  if (!events) return Fail(common, events.error());
  bool same = true;
  for (const std::string& name : state->order) {
    const Result<Plan> plan = PlanOf(state->applications.at(name));
    if (!plan) return Fail(common, plan.error());
    std::vector<Event> own;
    std::copy_if(events->begin(), events->end(), std::back_inserter(own),
                 [&name](const Event& event) { return event.application == name; });
    const Replay replay = ReplayVerdicts(*plan, own);
    same = same && replay.differences.empty();
    if (common.json) {
      PrintJson({{"replay",
                  {{"application", name},
                   {"samples", replay.samples},
                   {"verdicts", replay.verdicts},
                   {"differences", replay.differences}}}});
      continue;
    }
    std::printf("%s: %lld samples, %lld verdicts: %s\n", name.c_str(), static_cast<long long>(replay.samples),
                static_cast<long long>(replay.verdicts),
                replay.differences.empty() ? "every verdict follows from them" : "THEY DIFFER");
    for (const std::string& difference : replay.differences) std::printf("  %s\n", difference.c_str());
  }
  return same ? ExitCode::kDone : ExitCode::kAuditFailed;
}

}  // namespace vmferry
