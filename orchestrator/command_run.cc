// SPDX-License-Identifier: Apache-2.0
//
// validate, plan, run, resume, rollback, commit.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "orchestrator/admission.h"
#include "orchestrator/commands.h"
#include "orchestrator/predict.h"
#include "orchestrator/report.h"
#include "orchestrator/session.h"
#include "runbooks/check.h"
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

// `wanted`: the code that counts as done, since it is what was asked for.
ExitCode Finish(const Common& common, const OrderResult& result, ExitCode wanted) {
  const Output output = Output::ForStdout(common.json);
  if (result.error) {
    const ExitCode code = Fail(common, *result.error);
    if (result.leave_at_once) LeaveAtOnce(code);
    return result.held ? ExitCode::kJournalHeld : code;
  }
  if (common.json)
    PrintJson({{"result", RunToJson(result.state)}});
  else
    std::fputs(RunSummary(result.state, result.stopped, output.style).c_str(), stdout);
  const ExitCode reached = ExitOf(result.state);
  const ExitCode code = reached == wanted ? ExitCode::kDone : reached;
  if (result.leave_at_once) LeaveAtOnce(code);
  return code;
}

std::string Sentence(const std::string& kind) {
  if (kind == "commit") return "the trial is over: keep the target";
  return "";
}

// The whole id of the run that `prefix` begins, if there is just one.
Result<std::string> FullRunId(const std::string& journal, const std::string& prefix) {
  auto reader = OpenJournalReader(journal);
  if (!reader) return reader.error();
  auto runs = (*reader)->Runs();
  if (!runs) return runs.error();
  std::string found;
  for (const std::string& run : *runs) {
    if (run == prefix) return run;
    if (!run.starts_with(prefix)) continue;
    if (!found.empty())
      return Error{ErrorKind::kInvalid, "journal", "run " + prefix, "several runs begin so", "give more of the id"};
    found = run;
  }
  if (found.empty())
    return Error{ErrorKind::kNotFound, "journal " + journal, "run " + prefix, "no such run",
                 "`vmferry status` lists the runs; --journal or --site names another journal"};
  return found;
}

// Whether `run` would begin, as far as the journal says; one that is not there yet has nothing against it.
Status WouldAdmit(const std::string& journal, const Plan& plan) {
  std::error_code unreadable;
  if (!std::filesystem::exists(journal, unreadable) && !unreadable) return Ok();
  auto reader = OpenJournalReader(journal);
  if (!reader) return reader.error();
  return Admit(**reader, {plan});
}

}  // namespace

ExitCode Validate(const Common& common, const ValidateOptions& options) {
  Begin(common);
  const auto diagnostics = CheckFiles(options.files);
  PrintDiagnostics(common, diagnostics);
  if (!diagnostics.empty()) return ExitCode::kProblems;
  if (!common.json) std::printf("%zu file(s): no problems\n", options.files.size());
  return ExitCode::kDone;
}

ExitCode PlanCommand(const Common& common, const PlanOptions& options) {
  Begin(common);
  const Checked checked = CheckWave(options.file, options.site);
  PrintDiagnostics(common, checked.diagnostics);
  if (!checked.wave) return ExitCode::kProblems;
  const auto systems = MakeSystems(*checked.site);
  const std::string journal = JournalPath(common, options.site);
  bool clean = true;
  for (const Plan& plan : checked.wave->plans) {
    Prediction prediction = PredictPlan(plan, *systems, kPredictTimeout);
    if (Status admitted = WouldAdmit(journal, plan); !admitted) prediction.refusals.push_back(admitted.error());
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
  const Checked checked = CheckWave(options.file, options.site);
  PrintDiagnostics(common, checked.diagnostics);
  if (!checked.wave) return ExitCode::kProblems;
  Submission submission{*checked.wave, *checked.site, OwnActor(), options.reason};
  const std::string journal = JournalPath(common, options.site);
  if (const Status made = CreateDirectoriesFor(journal); !made) return Fail(common, made.error());
  if (const Status space = SpaceReserve().Hold(journal, kReserveBytes); !space) return Fail(common, space.error());
  Order order;
  order.request = {{"op", "run"}, {"submission", SubmissionToJson(submission)}};
  order.begin = [&submission](Engine& engine) { return engine.Submit(std::move(submission)); };
  const auto view = MakeLiveView("", Output::ForStdout(common.json), stdout);
  const OrderResult result = CarryOut(journal, order, *view);
  return Finish(common, result, ExitCode::kDone);
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
  const std::string reason = options.reason.empty() ? Sentence(options.kind) : options.reason;
  Order order;
  order.request = {{"op", "decide"},       {"run", *run},      {"applications", options.applications},
                   {"kind", options.kind}, {"reason", reason}, {"assume", options.assume},
                   {"step", options.step}};
  if (site) order.request["site"] = SiteToJson(*site);
  order.begin = [&](Engine& engine) -> Result<std::string> {
    if (const Status adopted = engine.Adopt(*run, site ? &*site : nullptr); !adopted) return adopted.error();
    const Decision decision{options.kind, options.applications, OwnActor(), reason, options.assume, options.step};
    const Status decided = engine.DecideFor(*run, decision);
    if (!decided) return decided.error();
    return *run;
  };
  const auto view = MakeLiveView(*run, Output::ForStdout(common.json), stdout);
  const OrderResult result = CarryOut(journal, order, *view);
  // A rollback that was asked for and succeeded is what was wanted.
  return Finish(common, result, options.kind == "rollback" ? ExitCode::kRolledBack : ExitCode::kDone);
}

}  // namespace vmferry
