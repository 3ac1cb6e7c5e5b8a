// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/admission.h"

#include <algorithm>
#include <optional>

#include "orchestrator/decide.h"
#include "orchestrator/soak.h"
#include "orchestrator/state_table.h"

namespace vmferry {
namespace {

bool Migrated(const ApplicationState& state) { return state.phase == Phase::kCommitted; }

std::string Where(const ApplicationState& state) {
  std::string text(Name(state.phase));
  if (state.activity != Activity::kWorking) text += ", " + std::string(Name(state.activity));
  return text + " since " + FormatWallTime(state.updated_ms);
}

Error Refusal(const RunState& run, const ApplicationState& state) {
  const std::string object = "application " + state.application;
  if (Migrated(state))
    return {ErrorKind::kConflict, "journal", object,
            "already migrated by run " + run.run + ", committed at " + FormatWallTime(state.entered_phase_ms),
            "see `vmferry audit show " + run.run + "`"};
  std::string advice =
      "go on with `vmferry resume " + run.run + "` or back with `vmferry rollback " + run.run + "`";
  if (state.phase == Phase::kSoak)
    advice = "`vmferry commit " + run.run + "` or `vmferry rollback " + run.run + "` ends it";
  if (!state.holds_for.empty())
    advice = "decide with `vmferry approve " + run.run + "` or `vmferry reject " + run.run + "`";
  return {ErrorKind::kConflict, "journal", object, "run " + run.run + " has it: " + Where(state), advice};
}

std::optional<Order> OrderOf(const std::string& kind) {
  for (const Order order : {Order::kResume, Order::kRollback, Order::kCommit, Order::kApprove, Order::kReject})
    if (kind == Name(order)) return order;
  return std::nullopt;
}

std::string WhyRefused(Answer answer) {
  return std::string(Describe(answer).substr(std::string_view("refused: ").size()));
}

// The point of no return is not passed by the way while something speaks against it.
std::string WhyNotCommit(const ApplicationState& state, const std::string& reason) {
  const bool held = state.activity == Activity::kNeedsOperator;
  if (state.commit_requested && !held) return "its commit is decided already; `resume` goes on with it if nobody does";
  const Result<Plan> plan = PlanOf(state);
  if (!plan || !reason.empty()) return "";
  const std::string not_green = StandingOf(*plan, state).not_green;
  return not_green.empty() ? "" : "not every criterion is green: " + not_green + "; all the same with --reason";
}

// Why the decision makes no sense for the application; empty if it does.
std::string WhyNot(const ApplicationState& state, Order order, const std::string& reason) {
  const Answer answer = AnswerTo(order, state.phase, state.activity);
  if (IsRefusal(answer)) return WhyRefused(answer) + "; it is " + Where(state);
  if (order == Order::kCommit) return WhyNotCommit(state, reason);
  const bool approval = order == Order::kApprove || order == Order::kReject;
  if (approval && state.holds_for.empty()) return WhyRefused(Answer::kNotAsked) + "; it is " + Where(state);
  if (order != Order::kRollback) return "";
  const Result<Plan> plan = PlanOf(state);
  if (!plan) return "its plan cannot be read: " + plan.error().message;
  return PastPointOfNoReturn(*plan, state) ? "it is past the point of no return" : "";
}

// The audit log must be what a policy believes it to be before anything is added to it.
Status ProveAuditLog(const JournalReader& journal, const Plan& plan) {
  const auto refuse = [&plan](const std::string& why, const std::string& advice) {
    return Error{ErrorKind::kDenied, "journal", "application " + plan.application.name,
                 "policy " + plan.policy.audit_log.front() + ", compliance.immutableAuditLog: " + why, advice};
  };
  if (const Status append_only = journal.AppendOnly(); !append_only)
    return refuse(append_only.error().message, append_only.error().advice);
  const Result<std::vector<ChainReport>> chains = journal.Verify("");
  if (!chains) return chains.error();
  for (const ChainReport& chain : *chains)
    if (!chain.problem.empty())
      return refuse("the chain of " + (chain.chain.run.empty() ? "the journal" : "run " + chain.chain.run) +
                        (chain.chain.application.empty() ? "" : " " + chain.chain.application) + " is broken: " +
                        chain.problem,
                    "`vmferry audit verify` shows it all; begin a new journal, and keep this one as evidence");
  return Ok();
}

}  // namespace

Status Admit(const JournalReader& journal, const std::vector<Plan>& plans) {
  const auto wants_proof = [](const Plan& plan) { return !plan.policy.audit_log.empty(); };
  const auto strict = std::find_if(plans.begin(), plans.end(), wants_proof);
  if (strict != plans.end())
    if (const Status proven = ProveAuditLog(journal, *strict); !proven) return proven;
  auto runs = journal.Runs();
  if (!runs) return runs.error();
  for (auto id = runs->rbegin(); id != runs->rend(); ++id) {
    const Result<RunState> state = journal.State(*id);
    if (!state) return state.error();
    const RunState& run = *state;
    for (const Plan& plan : plans) {
      const auto found = run.applications.find(plan.application.name);
      if (found == run.applications.end()) continue;
      if (Migrated(found->second) || !IsEnding(found->second.phase)) return Refusal(run, found->second);
    }
  }
  return Ok();
}

Result<std::vector<std::string>> MayDecide(const RunState& run, const Decision& decision) {
  const std::string& kind = decision.kind;
  const std::vector<std::string>& names = decision.applications;
  const std::optional<Order> order = OrderOf(kind);
  if (!order)
    return Error{ErrorKind::kInvalid, "engine", "run " + run.run, "unknown decision " + kind, ""};
  std::vector<std::string> chosen;
  std::string first_why;
  for (const std::string& name : names.empty() ? run.order : names) {
    const auto found = run.applications.find(name);
    if (found == run.applications.end())
      return Error{ErrorKind::kNotFound, "journal", "run " + run.run, "it has no application " + name, ""};
    const std::string why = WhyNot(found->second, *order, decision.reason);
    if (why.empty()) {
      chosen.push_back(name);
    } else if (!names.empty() || first_why.empty()) {
      first_why = name + ": " + why;
      if (!names.empty()) break;
    }
  }
  const bool refused = chosen.empty() || (!names.empty() && chosen.size() < names.size());
  if (refused)
    return Error{ErrorKind::kConflict, "journal", "run " + run.run, "cannot " + kind + ": " + first_why,
                 "`vmferry status " + run.run + "` shows where it is"};
  return chosen;
}

Result<int> AssumedStep(const RunState& run, const std::vector<std::string>& chosen, const Decision& decision) {
  const auto refuse = [&run](const std::string& why, const std::string& advice) {
    return Error{ErrorKind::kConflict, "journal", "run " + run.run, "cannot assume anything: " + why, advice};
  };
  if (decision.kind != "resume" || (decision.assume != "done" && decision.assume != "not-done"))
    return refuse("only `resume` may assume that a step is done or not done", "");
  if (chosen.size() != 1) return refuse("it concerns several applications", "name one with --app");
  const ApplicationState& state = run.applications.at(chosen.front());
  const Result<Plan> plan = PlanOf(state);
  if (!plan) return refuse("the plan cannot be read: " + plan.error().message, "");
  if (state.activity != Activity::kNeedsOperator)
    return refuse(chosen.front() + " does not wait for a person", "`vmferry status " + run.run + "` shows where it is");
  const int waiting = OpenStep(*plan, state);
  if (waiting < 0) return refuse("no step of " + chosen.front() + " is in doubt", "");
  const PlannedStep& step = plan->steps[static_cast<std::size_t>(waiting)];
  const std::string title = StepTitle(step);
  if (decision.step != title && decision.step != step.name)
    return refuse("it is " + title + " that waits, not " + decision.step, "name that one with --step");
  return waiting;
}

}  // namespace vmferry
