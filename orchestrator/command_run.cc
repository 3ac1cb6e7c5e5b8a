// SPDX-License-Identifier: Apache-2.0
//
// validate, plan, run, and what people decide: resume, rollback, commit, approve, reject.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "orchestrator/admission.h"
#include "orchestrator/commands.h"
#include "orchestrator/predict.h"
#include "orchestrator/report.h"
#include "orchestrator/session.h"
#include "runbooks/check.h"
#include "runbooks/rehearsal.h"
#include "state/journal_files.h"
#include "state/space_reserve.h"
#include "state/sqlite_journal.h"

namespace vmferry {
namespace {

constexpr std::chrono::milliseconds kPredictTimeout(30000);

[[noreturn]] void LeaveAtOnce(ExitCode code) {
  std::fflush(nullptr);
  std::_Exit(static_cast<int>(code));
}

PolicyUse Use(const PolicyOptions& options) {
  PolicyUse use{options.files, {options.overrides.begin(), options.overrides.end()}};
  use.overrides.insert(options.steps.begin(), options.steps.end());
  return use;
}

// The view is gone before the summary, which it would draw over.
OrderResult CarryOutInSight(const Common& common, const std::string& run, const std::string& journal,
                            const Order& order) {
  const auto view = MakeLiveView(run, Output::ForStdout(common.json), stdout);
  return CarryOut(journal, order, *view);
}

// `wanted`: codes that count as done, since it is what was asked for.
ExitCode Finish(const Common& common, const std::string& site, const OrderResult& result,
                const std::set<ExitCode>& wanted) {
  const Output output = Output::ForStdout(common.json);
  if (result.error) {
    const ExitCode code = Fail(common, *result.error);
    if (result.leave_at_once) LeaveAtOnce(code);
    return result.held ? ExitCode::kJournalHeld : code;
  }
  if (common.json)
    PrintJson({{"result", RunToJson(result.state)}});
  else
    std::fputs(RunSummary(result.state, result.stopped, output.style, Reach(common, site)).c_str(), stdout);
  const ExitCode reached = ExitOf(result.state);
  const bool left_soaking = !result.stopped.empty() && reached == ExitCode::kDone && LeftSoaking(result.state);
  const ExitCode code = wanted.contains(reached) ? ExitCode::kDone : left_soaking ? ExitCode::kInterrupted : reached;
  if (result.leave_at_once) LeaveAtOnce(code);
  return code;
}

// A rollback that was asked for and succeeded is what was wanted; so is a rejection, also where nothing was touched.
std::set<ExitCode> Wanted(const std::string& kind) {
  if (kind == "rollback") return {ExitCode::kRolledBack};
  if (kind == "reject") return {ExitCode::kRolledBack, ExitCode::kProblems};
  return {};
}

// What the journal says of the plan: whether `run` would begin, and what a rehearsal measured. One that is not there
// yet says nothing.
Status AskJournal(const std::string& journal, Prediction& prediction) {
  std::error_code unreadable;
  if (!std::filesystem::exists(journal, unreadable) && !unreadable) return Ok();
  auto reader = OpenJournalReader(journal);
  if (!reader) return reader.error();
  auto rehearsed = LatestRehearsal(**reader, *prediction.plan);
  if (!rehearsed) return rehearsed.error();
  prediction.rehearsed = *std::move(rehearsed);
  return Admit(**reader, {*prediction.plan});
}

// Makes the wave's plans into rehearsals, and says what these leave out.
Status Rehearse(const Common& common, WavePlan& wave) {
  for (Plan& plan : wave.plans) {
    Result<Plan> rehearsal = MakeRehearsal(std::move(plan));
    if (!rehearsal) return rehearsal.error();
    plan = *std::move(rehearsal);
    Json left_out = Json::array();
    for (const LeftOut& one : plan.left_out) {
      left_out.push_back({{"step", one.step}, {"why", one.why}});
      if (!common.json)
        std::printf("%s: without %s: %s\n", plan.application.name.c_str(), one.step.c_str(), one.why.c_str());
    }
    if (common.json) PrintJson({{"rehearsal", {{"application", plan.application.name}, {"leftOut", left_out}}}});
  }
  return Ok();
}

}  // namespace

ExitCode Validate(const Common& common, const ValidateOptions& options) {
  Begin(common);
  const auto diagnostics = CheckFiles(options.files, Use(options.policies));
  PrintDiagnostics(common, diagnostics);
  if (!diagnostics.empty()) return ExitCode::kProblems;
  if (!common.json) std::printf("%zu file(s): no problems\n", options.files.size());
  return ExitCode::kDone;
}

ExitCode PlanCommand(const Common& common, const PlanOptions& options) {
  Begin(common);
  const Checked checked = CheckWave(options.file, options.site, Use(options.policies));
  PrintDiagnostics(common, checked.diagnostics);
  if (!checked.wave) return ExitCode::kProblems;
  const auto systems = MakeSystems(*checked.site);
  const std::string journal = JournalPath(common, options.site);
  bool clean = true;
  for (const Plan& plan : checked.wave->plans) {
    Prediction prediction = PredictPlan(plan, *systems, kPredictTimeout);
    if (Status admitted = AskJournal(journal, prediction); !admitted) prediction.refusals.push_back(admitted.error());
    clean = clean && prediction.problems() == 0;
    if (common.json)
      PrintJson({{"plan", PredictionToJson(prediction)}});
    else
      std::fputs(PredictionText(prediction, Output::ForStdout(false).style.colour).c_str(), stdout);
  }
  return clean ? ExitCode::kDone : ExitCode::kProblems;
}

ExitCode RunCommand(const Common& common, const RunOptions& options) {
  Begin(common);
  Checked checked = CheckWave(options.file, options.site, Use(options.policies));
  PrintDiagnostics(common, checked.diagnostics);
  if (!checked.wave) return ExitCode::kProblems;
  if (options.rehearsal)
    if (const Status made = Rehearse(common, *checked.wave); !made) return Fail(common, made.error());
  Submission submission{*checked.wave, *checked.site, OwnActor(), options.reason};
  const std::string journal = JournalPath(common, options.site);
  if (const Status made = CreateDirectoriesFor(journal); !made) return Fail(common, made.error());
  if (const Status space = SpaceReserve().Hold(journal, kReserveBytes); !space) return Fail(common, space.error());
  Order order;
  order.soak = !options.no_soak;
  order.request = {{"op", "run"}, {"submission", SubmissionToJson(submission)}, {"soak", order.soak}};
  order.begin = [&submission](Engine& engine) { return engine.Submit(std::move(submission)); };
  return Finish(common, options.site, CarryOutInSight(common, "", journal, order), {});
}

ExitCode DecideCommand(const Common& common, const DecideOptions& options) {
  Begin(common);
  const std::string journal = JournalPath(common, options.site);
  const Result<std::string> run = FullRunId(journal, options.run);
  if (!run) return Fail(common, run.error());
  std::optional<Site> site;
  if (!options.site.empty()) {
    const Checked checked = CheckSite(options.site);
    PrintDiagnostics(common, checked.diagnostics);
    if (!checked.site) return ExitCode::kProblems;
    site = checked.site;
  }
  Order order;
  order.request = {{"op", "decide"},       {"run", *run},      {"applications", options.applications},
                   {"kind", options.kind}, {"reason", options.reason}, {"assume", options.assume},
                   {"step", options.step}};
  order.soak = !options.no_soak;
  order.request["soak"] = order.soak && (options.kind == "resume" || options.kind == "approve");
  if (site) order.request["site"] = SiteToJson(*site);
  order.begin = [&](Engine& engine) -> Result<std::string> {
    if (const Status adopted = engine.Adopt(*run, site ? &*site : nullptr); !adopted) return adopted.error();
    const Decision decision{options.kind, options.applications, OwnActor(), options.reason, options.assume, options.step};
    const Status decided = engine.DecideFor(*run, decision);
    if (!decided) return decided.error();
    return *run;
  };
  return Finish(common, options.site, CarryOutInSight(common, *run, journal, order), Wanted(options.kind));
}

}  // namespace vmferry
