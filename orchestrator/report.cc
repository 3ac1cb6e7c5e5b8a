// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/report.h"

#include <algorithm>

#include "orchestrator/decide.h"
#include "orchestrator/delta_text.h"
#include "orchestrator/event_text.h"
#include "orchestrator/exit_code.h"
#include "orchestrator/rehearsal.h"
#include "orchestrator/soak.h"
#include "runbooks/plan.h"
#include "state/clock.h"
#include "steps/step.h"

namespace vmferry {
namespace {

std::string StateText(const ApplicationState& application) {
  if (RehearsedWell(application)) return "rehearsed";
  if (application.activity == Activity::kWorking || IsEnding(application.phase))
    return std::string(Name(application.phase));
  return std::string(Name(application.phase)) + ", " + std::string(Name(application.activity));
}

std::string Painted(const ApplicationState& application, const Style& style, std::size_t width) {
  const std::string text = Padded(StateText(application), width);
  switch (ExitOf(application)) {
    case ExitCode::kDone: return style.Good(text);
    case ExitCode::kInterrupted: return style.Warn(text);
    default: return style.Bad(text);
  }
}

const StepState* StepNamed(const ApplicationState& application, const std::string& name) {
  for (const auto& [index, step] : application.steps)
    if (step.name == name) return &step;
  return nullptr;
}

// Finished copies that stay on the target although the application went back.
std::vector<std::string> KeptCopies(const ApplicationState& application) {
  std::vector<std::string> kept;
  for (const auto& [index, step] : application.steps) {
    if (!step.facts.is_object() || !step.facts.contains("kept")) continue;
    for (const Json& copy : step.facts["kept"])
      kept.push_back(copy.is_string() ? copy.get<std::string>() : copy.dump());
  }
  return kept;
}

// A soak that nobody watches any more although its window has not ended.
bool LeftSoaking(const ApplicationState& application) {
  const WatchState& watch = application.watch;
  return watch.began_ms > 0 && !watch.begun && !watch.over;
}

// What to do next, with the commands for it.
std::string Next(const RunState& run, const ApplicationState& application, const std::string& reach) {
  const std::string which = run.applications.size() > 1 ? " --app " + application.application : "";
  const auto command = [of = run.run + which + reach](const std::string& kind, bool reason) {
    return "vmferry " + kind + " " + of + (reason ? " --reason \"...\"" : "") + "\n";
  };
  switch (ExitOf(application)) {
    case ExitCode::kDone:
      if (IsEnding(application.phase)) return "";
      return (LeftSoaking(application)
                  ? "nobody watches its criteria; go on with the soak:  " + command("resume", false) + "  "
                  : "") +
             "keep it:  " + command("commit", false) + "  go back:  " + command("rollback", true);
    case ExitCode::kInterrupted:
      return "go on:    vmferry resume " + run.run + reach + "\n" +
             (application.touched ? "  go back:  " + command("rollback", true) : "");
    case ExitCode::kRollbackBlocked:
    case ExitCode::kNeedsOperator:
      return "mend the cause, then:  " + command("resume", false) +
             (application.phase == Phase::kSoak ? "  keep it all the same:  " + command("commit", true) : "");
    case ExitCode::kWaiting:
      if (application.holds_for == kForRetirement)
        return "retire the source: " + command("approve", true) + "  keep it:           " + command("reject", true);
      if (application.holds_for != kForApproval) return "";
      return "let it go on: " + command("approve", true) + "  end it:       " + command("reject", true);
    default: return "";
  }
}

// Its process ended, or was killed, in the middle.
bool Abandoned(const ApplicationState& application, const Standpoint& from) {
  return !from.at_work && ExitOf(application) == ExitCode::kInterrupted;
}

std::string StillToUndo(const ApplicationState& application) {
  std::string text = "  still to be undone, in this order:\n";
  for (const int index : StepsToUndo(application)) {
    const StepState& step = application.steps.at(index);
    text += "    " + StepTitle(application, index) + (step.error ? ": " + Describe(*step.error) : "") + "\n";
  }
  return text;
}

std::string ApplicationSummary(const RunState& run, const ApplicationState& application, const Style& style,
                               const std::string& reach) {
  std::string text = style.Bold(application.application) + ": " + Painted(application, style, 0);
  const bool failed = ExitOf(application) != ExitCode::kDone;
  if (failed && !application.reason.empty()) text += ": " + application.reason;
  text += "\n";
  if (application.phase == Phase::kAborted && !application.touched) text += "  aborted, nothing touched\n";
  if (const std::int64_t gap = ServiceGapMs(application); gap >= 0)
    text += "  out of service for at most " + HumanDuration(std::chrono::milliseconds(gap)) +
            (StepNamed(application, "update_dns") == nullptr ? "" : ", and until caches forget the old DNS records") +
            "\n";
  if (application.activity == Activity::kRollbackBlocked) text += StillToUndo(application);
  text += DeltaText(application);
  text += RehearsalText(application, style);
  if (application.phase == Phase::kRolledBack)
    for (const std::string& copy : KeptCopies(application)) text += "  finished copy kept: " + copy + "\n";
  if (const std::string next = Next(run, application, reach); !next.empty()) text += "  " + next;
  return text;
}

std::string CriterionDetail(const CriterionState& criterion, const Style& style) {
  std::string text = "    " + Padded("criterion", 13) + Padded(criterion.name, kTitleWidth) + " ";
  if (criterion.reaction != Reaction::kNone)
    text += style.Bad(std::string(Name(criterion.reaction))) + ": " + criterion.verdict_why;
  else if (criterion.recent.empty())
    text += style.Dim("no sample since the watch began");
  else
    text += criterion.recent.back() == SampleVerdict::kPass ? style.Good("pass")
                                                            : style.Warn(std::string(Name(criterion.recent.back())));
  std::int64_t all = 0;
  for (const std::int64_t count : criterion.counts) all += count;
  const std::string samples = std::to_string(all) + (all == 1 ? " sample" : " samples");
  return text + style.Dim("  (" + samples + ", the latest at " + ClockTime(criterion.sampled_ms) + ")") + "\n";
}

// How the soak stands: who watches, and until when.
std::string SoakDetail(const Plan& plan, const ApplicationState& application, const Style& style, bool at_work) {
  const bool goes_back =
      application.activity == Activity::kRollingBack || application.activity == Activity::kRollbackBlocked;
  if (application.phase != Phase::kSoak || plan.criteria.empty() || goes_back) return "";
  if (application.commit_requested)
    return "    " + style.Warn("the commit is decided; `vmferry resume` goes on with it if nobody does") + "\n";
  if (application.watch.over) return "    " + style.Good("the rollback window ended with every criterion green") + "\n";
  if (!application.watch.begun || !at_work)
    return "    " + style.Warn("nobody watches its criteria; `vmferry resume` does") + "\n";
  return "    soaks until " + DateTime(WindowEndsAt(plan, application)) + ", then " +
         (plan.commit_at_window_end ? "commits" : "waits for a commit") + " if every criterion is green\n";
}

std::string StepDetail(const ApplicationState& application, const PlannedStep& planned, int index, const Style& style) {
  const auto found = application.steps.find(index);
  const StepState step = found == application.steps.end() ? StepState() : found->second;
  std::string status(Name(step.status));
  std::string line = "    " + Padded(std::string(Name(planned.phase)), 13) + Padded(StepTitle(planned), kTitleWidth) + " ";
  const bool bad = step.status == StepStatus::kFailed || step.status == StepStatus::kUndoFailed;
  const bool good = step.status == StepStatus::kDone || step.status == StepStatus::kFound;
  line += bad ? style.Bad(status) : good ? style.Good(status) : style.Dim(status);
  if (good && step.since_ms > 0 && step.ended_ms >= step.since_ms)
    line += " in " + HumanDuration(std::chrono::milliseconds(step.ended_ms - step.since_ms));
  if (step.attempt > 1) line += ", attempt " + std::to_string(step.attempt);
  if (step.error) line += ": " + Describe(*step.error);
  return line + "\n";
}

}  // namespace

std::int64_t ServiceGapMs(const ApplicationState& application) {
  const StepState* quiesce = StepNamed(application, "quiesce_application");
  if (!quiesce || !quiesce->intended) return -1;
  // More steps that move traffic may follow while the cutover is under way.
  if (application.phase <= Phase::kCutover || application.phase == Phase::kRolledBack) return -1;
  std::int64_t moved_ms = -1;
  for (const auto& [index, step] : application.steps) {
    const Step* kind = FindStep(step.name);
    if (kind == nullptr || !kind->spec().moves_traffic || step.status == StepStatus::kFound) continue;
    if (step.status != StepStatus::kDone) return -1;
    moved_ms = std::max(moved_ms, step.ended_ms);
  }
  return moved_ms < 0 ? -1 : moved_ms - quiesce->first_intent_ms;
}

bool LeftSoaking(const RunState& run) {
  return std::any_of(run.applications.begin(), run.applications.end(),
                     [](const auto& entry) { return entry.second.phase == Phase::kSoak && LeftSoaking(entry.second); });
}

std::string RunTable(const RunState& run, const Style& style, const Standpoint& from) {
  std::size_t width = 0;
  for (const std::string& name : run.order) width = std::max(width, name.size());
  std::string text;
  for (const std::string& name : run.order) {
    const auto found = run.applications.find(name);
    if (found == run.applications.end()) continue;
    const ApplicationState& application = found->second;
    text += "  " + Padded(name, width) + "  " + Painted(application, style, 28) + "  since " +
            DateTime(application.updated_ms) +
            (Abandoned(application, from) ? "  " + style.Bad("nobody works on it") : "") +
            (application.reason.empty() ? "" : "  " + style.Dim(application.reason)) + "\n";
  }
  return text;
}

std::string RunSummary(const RunState& run, const std::string& stopped, const Style& style, const std::string& reach) {
  std::string text = "\n" + style.Bold("run " + run.run) + (stopped.empty() ? "" : " (" + stopped + ")") + "\n";
  for (const std::string& name : run.order) {
    const auto found = run.applications.find(name);
    if (found != run.applications.end()) text += ApplicationSummary(run, found->second, style, reach);
  }
  text += style.Dim("the whole story: vmferry audit show " + run.run + reach) + "\n";
  return text;
}

std::string RunDetails(const RunState& run, const Style& style, const Standpoint& from) {
  std::string text = style.Bold("run " + run.run) + "  created " + DateTime(run.created_ms) + " by " + run.actor + "\n";
  for (const std::string& name : run.order) {
    const auto found = run.applications.find(name);
    if (found == run.applications.end()) continue;
    const ApplicationState& application = found->second;
    text += "  " + style.Bold(name) + "  " + Painted(application, style, 0) + "  since " +
            DateTime(application.updated_ms) + (application.reason.empty() ? "" : "  " + application.reason) + "\n";
    if (Abandoned(application, from))
      text += "    " + style.Bad("nobody works on it") + "\n  " + Next(run, application, from.reach);
    if (application.activity == Activity::kRollbackBlocked) text += StillToUndo(application);
    const Result<Plan> plan = PlanOf(application);
    for (std::size_t i = 0; plan && i < plan->steps.size(); ++i)
      text += StepDetail(application, plan->steps[i], static_cast<int>(i), style);
    for (const auto& [index, criterion] : application.criteria) text += CriterionDetail(criterion, style);
    if (plan) text += SoakDetail(*plan, application, style, from.at_work);
    text += DeltaText(application);
    text += RehearsalText(application, style);
  }
  return text;
}

Json RunToJson(const RunState& run) {
  Json applications = Json::array();
  for (const std::string& name : run.order) {
    const auto found = run.applications.find(name);
    if (found == run.applications.end()) continue;
    const ApplicationState& application = found->second;
    Json steps = Json::array();
    for (const auto& [index, step] : application.steps) {
      Json entry{{"step", StepTitle(application, index)},
                 {"status", std::string(Name(step.status))},
                 {"attempt", step.attempt},
                 {"startedAt_ms", step.first_intent_ms},
                 {"endedAt_ms", step.ended_ms}};
      if (step.error) entry["error"] = ErrorToJson(*step.error);
      steps.push_back(std::move(entry));
    }
    Json to_undo = Json::array();
    if (application.activity == Activity::kRollbackBlocked)
      for (const int index : StepsToUndo(application)) to_undo.push_back(StepTitle(application, index));
    Json entry{{"application", name},
               {"phase", std::string(Name(application.phase))},
               {"activity", std::string(Name(application.activity))},
               {"holdsFor", application.holds_for},
               {"touched", application.touched},
               {"toUndo", to_undo},
               {"reason", application.reason},
               {"serviceGap_ms", ServiceGapMs(application)},
               {"criteria", CriteriaEvidence(application)},
               {"watched", IsWatched(application)},
               {"exit", static_cast<int>(ExitOf(application))},
               {"updatedAt", FormatWallTime(application.updated_ms)},
               {"steps", steps}};
    if (Json data = DeltaToJson(application); !data.is_null()) entry["dataSinceCutover"] = std::move(data);
    if (!application.rehearsed.is_null())
      entry["rehearsal"] = {{"measured", application.rehearsed}, {"fingerprint", FingerprintFacts(application)}};
    applications.push_back(std::move(entry));
  }
  return {{"run", run.run},
          {"wave", run.wave.value("wave", "")},
          {"rehearsal", run.wave.value("rehearsal", false)},
          {"createdAt", FormatWallTime(run.created_ms)},
          {"actor", run.actor},
          {"exit", static_cast<int>(ExitOf(run))},
          {"applications", applications}};
}

}  // namespace vmferry
