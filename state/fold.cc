// SPDX-License-Identifier: Apache-2.0
//
// Fold: one small function for each kind of event. JOURNAL.md says what the payloads hold.
#include <algorithm>

#include "state/run_state.h"

namespace vmferry {
namespace {

std::string Text(const Json& payload, const char* member) {
  const auto found = payload.find(member);
  return found != payload.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t Number(const Json& payload, const char* member) {
  const auto found = payload.find(member);
  return found != payload.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

bool Flag(const Json& payload, const char* member) {
  const auto found = payload.find(member);
  return found != payload.end() && found->is_boolean() && found->get<bool>();
}

Json Member(const Json& payload, const char* member) {
  const auto found = payload.find(member);
  return found != payload.end() ? *found : Json();
}

void FoldRunCreated(RunState& run, const Event& event) {
  run.wave = event.payload;
  run.actor = event.actor;
  run.created_ms = event.at.wall_ms;
  for (const Json& name : Member(event.payload, "applications"))
    if (name.is_string()) run.order.push_back(name.get<std::string>());
}

void FoldCreated(ApplicationState& application, const Event& event) {
  application.created =
      std::make_shared<const std::string>(event.encoded.empty() ? event.payload.dump() : event.encoded);
  application.created_ms = event.at.wall_ms;
}

void FoldIntent(ApplicationState& application, StepState& step, const Event& event) {
  step.status = StepStatus::kStarted;
  step.attempt = event.attempt;
  step.effect = Flag(event.payload, "effect");
  const bool first = step.effect ? step.key.empty() : !step.intended;
  step.intended = true;
  step.assumed_open = false;
  step.since_ms = Number(event.payload, "since_ms");
  step.deadline_ms = Number(event.payload, "deadline_ms");
  step.error.reset();
  application.touched = application.touched || step.effect;
  if (!first) return;
  step.key = Text(event.payload, "key");
  step.before = Member(event.payload, "before");
  step.first_intent_ms = event.at.wall_ms;
  step.intent_seq = event.seq;
}

// The statuses an attempt's end leads to: of Apply or of Undo.
struct Ends {
  StepStatus done, retry, failed;
};

void FoldEnd(StepState& step, const Event& event, const Ends& ends) {
  const std::string result = Text(event.payload, "result");
  step.ended_ms = event.at.wall_ms;
  step.attempt = std::max(step.attempt, event.attempt);
  if (event.payload.contains("facts") && !event.payload["facts"].is_null()) step.facts = event.payload["facts"];
  if (result == "done") {
    step.status = ends.done;
    step.failures = 0;
    step.error.reset();
    return;
  }
  step.failures = Flag(event.payload, "progressed") ? 1 : step.failures + 1;
  step.error = std::make_shared<const Error>(ErrorFromJson(Member(event.payload, "error")));
  step.retry_at_ms = Number(event.payload, "retry_at_ms");
  step.status = result == "retry" ? ends.retry : ends.failed;
}

void FoldUndoIntent(StepState& step, const Event& event) {
  if (step.status != StepStatus::kUndoing) step.failures = 0;
  step.status = StepStatus::kUndoing;
  step.undo_attempt = event.attempt;
  step.since_ms = Number(event.payload, "since_ms");
  step.deadline_ms = Number(event.payload, "deadline_ms");
  step.error.reset();
}

void FoldUndoOutcome(StepState& step, const Event& event) {
  const int attempt = step.attempt;  // an undo's attempts are counted apart
  FoldEnd(step, event, {StepStatus::kUndone, StepStatus::kUndoing, StepStatus::kUndoFailed});
  step.attempt = attempt;
  if (step.status != StepStatus::kUndone) return;
  ++step.generation;
  step.key.clear();
  step.before = step.handle = Json();
}

// Undos that failed are tried again, in their order, and their deadlines count anew.
void FoldRollback(ApplicationState& application) {
  application.rollback_requested = true;
  application.holds_for.clear();
  application.activity = Activity::kRollingBack;
  for (auto& [index, step] : application.steps) {
    if (step.status != StepStatus::kUndoFailed) continue;
    step.status = StepStatus::kUndoing;
    step.undo_attempt = step.failures = 0;
    step.retry_at_ms = step.since_ms = 0;
  }
}

void Release(ApplicationState& application) {
  application.activity = application.returns_to;
  application.holds_for.clear();
}

// An approval may come days later, so it goes on from the pre-checks: what only looked looks again before the cutover.
void FoldApproval(ApplicationState& application, const Event& event) {
  application.approved = true;
  application.phase = Phase::kPreChecks;
  application.entered_phase_ms = event.at.wall_ms;
  for (auto& [index, step] : application.steps) {
    if (step.effect || step.status != StepStatus::kDone) continue;
    step.status = StepStatus::kPending;
    step.attempt = 0;
    step.since_ms = step.deadline_ms = 0;
  }
  if (application.holds_for == kForApproval) Release(application);
}

// What was seen before somebody looked away, or before a person mended the cause, tells nothing of now.
void StartAfresh(ApplicationState& application) {
  ++application.fresh_starts;
  for (auto& [index, criterion] : application.criteria) {
    criterion.recent.clear();
    criterion.reaction = Reaction::kNone;
    criterion.verdict_why.clear();
  }
}

// A person mended the cause: failed steps are looked at again, and attempts and deadlines count anew.
void FoldResume(ApplicationState& application, const Event& event) {
  application.stop_requested = false;
  StartAfresh(application);
  for (auto& [index, step] : application.steps) {
    step.attempt = step.undo_attempt = step.failures = 0;
    step.retry_at_ms = 0;
    if (step.status == StepStatus::kUndoFailed) step.status = StepStatus::kUndoing;
    if (step.status == StepStatus::kFailed) {
      step.status = step.effect ? StepStatus::kStarted : StepStatus::kPending;
      step.error.reset();
    }
    if (step.status != StepStatus::kStarted && step.status != StepStatus::kUndoing) continue;
    step.deadline_ms += event.at.wall_ms - step.since_ms;
    step.since_ms = event.at.wall_ms;
  }
  if (!application.holds_for.empty()) return;
  if (application.activity == Activity::kNeedsOperator || application.activity == Activity::kHolding ||
      application.activity == Activity::kRollbackBlocked) {
    // A commit that came to a hold is to be decided anew, by what is seen from now on.
    if (application.phase == Phase::kSoak) application.commit_requested = false;
    Release(application);
  }
}

// What a person says became of a step in doubt. What was never begun by us was found, and is not undone.
void FoldAssumption(ApplicationState& application, const Event& event) {
  const std::string assumed = Text(event.payload, "assume");
  if (assumed.empty()) return;
  StepState& step = application.steps[static_cast<int>(Number(event.payload, "step"))];
  step.assumed_open = assumed == "not-done";
  if (assumed != "done") return;
  const bool ours = step.effect ? !step.key.empty() : step.intended;
  step.status = ours ? StepStatus::kDone : StepStatus::kFound;
  step.ended_ms = event.at.wall_ms;
}

void FoldRetirement(ApplicationState& application, bool approved) {
  application.retirement_decided = true;
  application.retirement_approved = approved;
  Release(application);
}

void FoldDecision(ApplicationState& application, const Event& event) {
  const std::string kind = Text(event.payload, "kind");
  if (kind == "override") return;  // what it allows is in the plan
  const bool waits_on = kind == "resume" && !application.holds_for.empty();
  if (!waits_on) application.reason = Text(event.payload, "reason");
  if (kind == "rehearsed") application.rehearsed = Member(event.payload, "measured");
  if (application.holds_for == kForRetirement && (kind == "approve" || kind == "reject")) {
    FoldRetirement(application, kind == "approve");
  } else if (kind == "rollback" || kind == "reject" || kind == "rehearsed") {
    application.rollback_reason = application.reason;
    FoldRollback(application);
  } else if (kind == "approve") {
    FoldApproval(application, event);
  } else if (kind == "commit") {
    application.commit_requested = true;
    if (application.activity == Activity::kNeedsOperator) Release(application);
  } else if (kind == "stop") {
    application.stop_requested = true;
  } else if (kind == "resume") {
    FoldResume(application, event);
    FoldAssumption(application, event);
  }
}

void FoldHold(ApplicationState& application, const Event& event) {
  const auto activity = ActivityFromName(Text(event.payload, "activity"));
  if (!activity) return;
  const bool rolling_back = application.activity == Activity::kRollingBack;
  application.returns_to = rolling_back ? Activity::kRollingBack : Activity::kWorking;
  application.activity = *activity;
  application.reason = Text(event.payload, "why");
  application.holds_for = Text(event.payload, "for");
}

void FoldSample(ApplicationState& application, const Event& event) {
  const auto verdict = SampleVerdictFromName(Text(event.payload, "verdict"));
  if (!verdict) return;
  CriterionState& criterion = application.criteria[static_cast<int>(Number(event.payload, "criterion"))];
  criterion.name = Text(event.payload, "name");
  if (criterion.recent.size() == kKeptSamples) criterion.recent.erase(criterion.recent.begin());
  criterion.recent.push_back(*verdict);
  ++criterion.counts.at(static_cast<std::size_t>(*verdict));
  criterion.why = Text(event.payload, "why");
  criterion.sampled_ms = application.watch.seen_ms = event.at.wall_ms;
}

void FoldVerdict(ApplicationState& application, const Event& event) {
  CriterionState& criterion = application.criteria[static_cast<int>(Number(event.payload, "criterion"))];
  criterion.reaction = ReactionFromName(Text(event.payload, "reaction")).value_or(Reaction::kNone);
  criterion.verdict_why = Text(event.payload, "why");
}

void FoldWatch(ApplicationState& application, const Event& event) {
  const std::string state = Text(event.payload, "state");
  WatchState& watch = application.watch;
  watch.begun = state == "begun";
  watch.over = state == "over";
  watch.seen_ms = event.at.wall_ms;
  if (!watch.begun) return;
  watch.began_ms = event.at.wall_ms;
  watch.away_ms += Number(event.payload, "soak_away_ms");
  StartAfresh(application);
}

void FoldPhase(ApplicationState& application, const Event& event) {
  const auto phase = PhaseFromName(Text(event.payload, "phase"));
  if (!phase) return;
  application.phase = *phase;
  application.entered_phase_ms = event.at.wall_ms;
  if (const std::string reason = Text(event.payload, "reason"); !reason.empty()) application.reason = reason;
  if (!IsEnding(*phase)) return;
  application.activity = Activity::kWorking;
  application.holds_for.clear();
}

void FoldStep(ApplicationState& application, const Event& event) {
  StepState& step = application.steps[event.step];
  if (step.name.empty()) {
    step.name = Text(event.payload, "name");
    step.workload = Text(event.payload, "workload");
  }
  switch (event.kind) {
    case EventKind::kFound:
      step.status = StepStatus::kFound;
      step.facts = Member(event.payload, "evidence");
      step.ended_ms = event.at.wall_ms;
      break;
    case EventKind::kIntent: FoldIntent(application, step, event); break;
    case EventKind::kHandle: step.handle = Member(event.payload, "handle"); break;
    case EventKind::kFacts: step.facts = Member(event.payload, "facts"); break;
    case EventKind::kOutcome:
      FoldEnd(step, event, {StepStatus::kDone, StepStatus::kRetrying, StepStatus::kFailed});
      break;
    case EventKind::kUndoIntent: FoldUndoIntent(step, event); break;
    case EventKind::kUndoOutcome: FoldUndoOutcome(step, event); break;
    default: break;
  }
}

}  // namespace

void Fold(RunState& run, const Event& event) {
  if (!event.application.empty()) return Fold(run.applications[event.application], event);
  if (event.kind == EventKind::kRunCreated) FoldRunCreated(run, event);
  const bool site = event.kind == EventKind::kDecision && Text(event.payload, "kind") == "site";
  if (site) run.wave["site"] = Member(event.payload, "site");
}

void FoldPlace(ApplicationState& application, const Event& event) {
  application.last_seq = std::max(application.last_seq, event.seq);
  if (event.kind != EventKind::kIntent) return;
  const auto step = application.steps.find(event.step);
  if (step != application.steps.end() && step->second.intent_seq == 0) step->second.intent_seq = event.seq;
}

void Fold(ApplicationState& application, const Event& event) {
  if (application.application.empty()) application.application = event.application;
  application.updated_ms = event.at.wall_ms;
  FoldPlace(application, event);
  if (event.step >= 0) return FoldStep(application, event);
  switch (event.kind) {
    case EventKind::kRunCreated: FoldCreated(application, event); break;
    case EventKind::kDecision: FoldDecision(application, event); break;
    case EventKind::kHold: FoldHold(application, event); break;
    case EventKind::kRelease: Release(application); break;
    case EventKind::kPhase: FoldPhase(application, event); break;
    case EventKind::kSample: FoldSample(application, event); break;
    case EventKind::kVerdict: FoldVerdict(application, event); break;
    case EventKind::kWatch: FoldWatch(application, event); break;
    default: break;
  }
}

}  // namespace vmferry
