// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decide.h"

#include <algorithm>
#include <array>

#include "orchestrator/soak.h"

namespace vmferry {
namespace {

constexpr std::array<Phase, 6> kWorkingPhases{Phase::kPreChecks,  Phase::kConversion, Phase::kCutover,
                                              Phase::kPostChecks, Phase::kSoak,       Phase::kCommit};

const StepState& StateOf(const ApplicationState& state, int step) {
  static const StepState kPending;
  const auto found = state.steps.find(step);
  return found == state.steps.end() ? kPending : found->second;
}

bool Finished(StepStatus status) { return status == StepStatus::kDone || status == StepStatus::kFound; }

Command RunStep(int step) { return {.kind = Command::Kind::kRunStep, .step = step, .reason = {}}; }
Command Enter(Phase phase, std::string reason) {
  return {.kind = Command::Kind::kEnterPhase, .phase = phase, .reason = std::move(reason)};
}
Command Rest() { return {.kind = Command::Kind::kRest, .reason = {}}; }

Command AfterFailure(const Plan& plan, const ApplicationState& state, const PlannedStep& step, const StepState& failed) {
  const std::string reason = StepTitle(step) + ": " + (failed.error ? Describe(*failed.error) : "failed");
  // A commit that fails must not end days of soak by itself: it holds, and a person decides.
  if (state.phase == Phase::kCommit || PastPointOfNoReturn(plan, state))
    return {.kind = Command::Kind::kHold, .activity = Activity::kNeedsOperator, .reason = reason};
  if (!state.touched) return Enter(Phase::kAborted, reason);
  return {.kind = Command::Kind::kRollBack, .reason = reason};
}

// What a step that is not finished asks for.
Command AtStep(const Plan& plan, const ApplicationState& state, int index, std::int64_t now_ms) {
  const StepState& step = StateOf(state, index);
  if (step.status == StepStatus::kFailed)
    return AfterFailure(plan, state, plan.steps[static_cast<std::size_t>(index)], step);
  if (step.status == StepStatus::kRetrying && step.retry_at_ms > now_ms)
    return {.kind = Command::Kind::kWaitUntil, .step = index, .reason = {}, .until_ms = step.retry_at_ms};
  return RunStep(index);
}

Phase NextPhase(Phase phase) {
  const auto* here = std::find(kWorkingPhases.begin(), kWorkingPhases.end(), phase);
  if (here == kWorkingPhases.end()) return Phase::kPreChecks;
  return here + 1 == kWorkingPhases.end() ? Phase::kCommitted : *(here + 1);
}

// What is approved is what the pre-checks and the bulk work came to, so it is asked for when they are done.
Command HoldForApproval(const Plan& plan) {
  std::string policies;
  for (const std::string& policy : plan.policy.approval) policies += (policies.empty() ? "" : ", ") + policy;
  return {.kind = Command::Kind::kHold,
          .activity = Activity::kHolding,
          .reason = "waits for approval before the cutover, as policy " + policies + " requires",
          .holds_for = kForApproval};
}

// A step with an approval of its own: what it is about stays as it is until somebody decides.
Command HoldForRetirement(const ApplicationState& state) {
  return {.kind = Command::Kind::kHold,
          .activity = Activity::kHolding,
          .reason = "committed; retiring the source of " + state.application + " waits for an approval of its own",
          .holds_for = kForRetirement};
}

// The window is over when its time is, every criterion has been sampled, and a person or a green light says so.
Command AtSoak(const Plan& plan, const ApplicationState& state, std::int64_t now_ms) {
  if (!Watches(plan, state) || !state.watch.begun || now_ms < WindowEndsAt(plan, state)) return Rest();
  const Standing standing = StandingOf(plan, state);
  if (!standing.decided) return Rest();
  const std::string window = "the rollback window of " + std::to_string(plan.rollback_window_minutes) + " min ended";
  if (!standing.not_green.empty())
    return {.kind = Command::Kind::kHold,
            .activity = Activity::kNeedsOperator,
            .reason = window + ", and not every criterion is green: " + standing.not_green};
  return {.kind = plan.commit_at_window_end ? Command::Kind::kCommit : Command::Kind::kEndWatch,
          .reason = window + " with every criterion green"};
}

Command Forward(const Plan& plan, const ApplicationState& state, std::int64_t now_ms) {
  const int open = OpenStep(plan, state);
  const bool asks = open >= 0 && plan.steps[static_cast<std::size_t>(open)].needs_approval;
  if (asks && !state.retirement_decided) return HoldForRetirement(state);
  const bool refused = asks && !state.retirement_approved;
  if (open >= 0 && !refused) return AtStep(plan, state, open, now_ms);
  if (state.phase == Phase::kSoak && !state.commit_requested) return AtSoak(plan, state, now_ms);
  const Phase next = NextPhase(state.phase);
  if (next == Phase::kCutover && !plan.policy.approval.empty() && !state.approved) return HoldForApproval(plan);
  if (next == Phase::kSoak && plan.application.rehearsal)
    return {.kind = Command::Kind::kRollBack, .reason = "all was tried, and is undone", .rehearsed = true};
  return Enter(next, "");
}

std::string WhyUndoFailed(const Plan& plan, const ApplicationState& state, const std::vector<int>& steps) {
  std::string text;
  for (const int index : steps) {
    const StepState& step = StateOf(state, index);
    text += (text.empty() ? "undo of " : "; undo of ") + StepTitle(plan.steps[static_cast<std::size_t>(index)]) + ": " +
            (step.error ? Describe(*step.error) : "failed");
  }
  return text;
}

// Undoes step by step; those whose undo failed and did not keep the others are left for the end, and for a person.
Command Backward(const Plan& plan, const ApplicationState& state, std::int64_t now_ms) {
  const std::vector<int> steps = StepsToUndo(state);
  if (steps.empty()) return Enter(state.touched ? Phase::kRolledBack : Phase::kAborted, state.rollback_reason);
  const auto next = std::find_if(steps.begin(), steps.end(), [&plan, &state](int index) {
    const bool passed_over = plan.steps[static_cast<std::size_t>(index)].undo_continues;
    return !passed_over || StateOf(state, index).status != StepStatus::kUndoFailed;
  });
  if (next == steps.end())
    return {.kind = Command::Kind::kHold,
            .activity = Activity::kRollbackBlocked,
            .reason = WhyUndoFailed(plan, state, steps)};
  const StepState& step = StateOf(state, *next);
  if (step.status == StepStatus::kUndoing && step.retry_at_ms > now_ms)
    return {.kind = Command::Kind::kWaitUntil, .step = *next, .reason = {}, .until_ms = step.retry_at_ms};
  return {.kind = Command::Kind::kUndoStep, .step = *next, .reason = {}};
}

// Started by us in whatever generation, or found to be so already.
bool Begun(const StepState& step) { return step.intended || step.status == StepStatus::kFound; }

}  // namespace

Command Decide(const Plan& plan, const ApplicationState& state, std::int64_t now_ms) {
  if (IsEnding(state.phase)) return Rest();
  switch (state.activity) {
    case Activity::kHolding:
    case Activity::kPaused:
    case Activity::kRollbackBlocked:
    case Activity::kNeedsOperator: return Rest();
    case Activity::kRollingBack: return Backward(plan, state, now_ms);
    case Activity::kWorking: break;
  }
  return Forward(plan, state, now_ms);
}

std::string StepTitle(const PlannedStep& step) {
  return step.workload.empty() ? step.name : step.name + " (" + step.workload + ")";
}

int OpenStep(const Plan& plan, const ApplicationState& state) {
  auto known = state.steps.begin();
  for (int i = 0; i < static_cast<int>(plan.steps.size()); ++i) {
    while (known != state.steps.end() && known->first < i) ++known;
    const bool finished = known != state.steps.end() && known->first == i && Finished(known->second.status);
    if (!finished && plan.steps[static_cast<std::size_t>(i)].phase == state.phase) return i;
  }
  return -1;
}

std::vector<int> StepsToUndo(const ApplicationState& state) {
  std::vector<int> open;
  for (const auto& [index, step] : state.steps) {
    const bool left_alone = step.status == StepStatus::kPending || step.status == StepStatus::kFound ||
                            step.status == StepStatus::kUndone;
    if (step.effect && !left_alone) open.push_back(index);
  }
  std::sort(open.begin(), open.end(), [&state](int left, int right) {
    return state.steps.at(left).intent_seq > state.steps.at(right).intent_seq;
  });
  return open;
}

bool PastPointOfNoReturn(const Plan& plan, const ApplicationState& state) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    if (plan.steps[i].point_of_no_return && Begun(StateOf(state, static_cast<int>(i)))) return true;
  return false;
}

bool TargetServed(const Plan& plan, const ApplicationState& state) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    if (plan.steps[i].moves_traffic && Begun(StateOf(state, static_cast<int>(i)))) return true;
  return false;
}

std::int64_t RetryAt(int failures, std::int64_t now_ms) {
  const int doublings = std::clamp(failures - 1, 0, 5);
  return now_ms + std::min<std::int64_t>(30000, std::int64_t{1000} << doublings);
}

}  // namespace vmferry
