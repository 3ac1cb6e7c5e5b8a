// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/soak.h"

#include <algorithm>
#include <array>

#include "orchestrator/decide.h"
#include "steps/criterion_rule.h"

namespace vmferry {
namespace {

// Data, and complete: what becomes of each declared reaction in the phases in which criteria are watched.
struct Row {
  Phase phase;
  bool past_point_of_no_return;
  Reaction rollback, hold, notify;
};
constexpr std::array kReactions{
    Row{Phase::kCutover, false, Reaction::kRollBack, Reaction::kHold, Reaction::kNotify},
    Row{Phase::kPostChecks, false, Reaction::kRollBack, Reaction::kHold, Reaction::kNotify},
    Row{Phase::kSoak, false, Reaction::kRollBack, Reaction::kHold, Reaction::kNotify},
    Row{Phase::kCommit, false, Reaction::kHold, Reaction::kHold, Reaction::kNotify},
    Row{Phase::kCommit, true, Reaction::kHold, Reaction::kHold, Reaction::kNotify},
};

Reaction Pick(const Row& row, Reaction declared) {
  switch (declared) {
    case Reaction::kRollBack: return row.rollback;
    case Reaction::kHold: return row.hold;
    case Reaction::kNotify: return row.notify;
    case Reaction::kNone: break;
  }
  return Reaction::kNone;
}

bool Finished(const ApplicationState& state, std::size_t step) {
  const auto found = state.steps.find(static_cast<int>(step));
  if (found == state.steps.end()) return false;
  return found->second.status == StepStatus::kDone || found->second.status == StepStatus::kFound;
}

bool TrafficMoved(const Plan& plan, const ApplicationState& state) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    if (plan.steps[i].moves_traffic && Finished(state, i)) return true;
  return false;
}

}  // namespace

bool Watches(const Plan& plan, const ApplicationState& state) {
  if (plan.criteria.empty() || IsEnding(state.phase)) return false;
  if (state.activity == Activity::kRollingBack || state.activity == Activity::kRollbackBlocked) return false;
  if (state.watch.over && state.phase != Phase::kCommit) return false;
  if (state.holds_for == kForRetirement) return false;  // the commit itself is done
  return TrafficMoved(plan, state);
}

bool IsWatched(const ApplicationState& state) {
  if (IsEnding(state.phase) || !state.watch.begun || state.watch.over) return false;
  return state.activity != Activity::kRollingBack && state.activity != Activity::kRollbackBlocked;
}

std::int64_t MovedAt(const Plan& plan, const ApplicationState& state) {
  std::int64_t moved = 0;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    if (!plan.steps[i].moves_traffic) continue;
    if (!Finished(state, i)) return 0;
    moved = std::max(moved, state.steps.at(static_cast<int>(i)).ended_ms);
  }
  return moved;
}

Reaction ReactionIn(const Plan& plan, const ApplicationState& state, Reaction declared) {
  const bool past = PastPointOfNoReturn(plan, state);
  // The decision to commit counts, not when the phase after it begins: a sample may come between the two.
  const bool commits = state.phase == Phase::kSoak && state.commit_requested;
  const Phase phase = commits ? Phase::kCommit : state.phase;
  const auto* row = std::find_if(kReactions.begin(), kReactions.end(), [&](const Row& candidate) {
    return candidate.phase == phase && candidate.past_point_of_no_return == past;
  });
  return row == kReactions.end() ? std::min(declared, Reaction::kHold) : Pick(*row, declared);
}

std::string ReactionTableMarkdown() {
  std::string text =
      "| phase | declared `rollback` | declared `hold` | declared `notify` |\n"
      "| --- | --- | --- | --- |\n";
  for (const Row& row : kReactions) {
    text += "| " + std::string(Name(row.phase)) + (row.past_point_of_no_return ? ", past the point of no return" : "");
    for (const Reaction reaction : {row.rollback, row.hold, row.notify}) text += " | " + std::string(Name(reaction));
    text += " |\n";
  }
  return text;
}

std::int64_t WindowEndsAt(const Plan& plan, const ApplicationState& state) {
  const std::chrono::milliseconds window = std::chrono::minutes(plan.rollback_window_minutes);
  return state.entered_phase_ms + window.count() + state.watch.away_ms;
}

Standing StandingOf(const Plan& plan, const ApplicationState& state) {
  Standing standing;
  for (std::size_t i = 0; i < plan.criteria.size(); ++i) {
    const auto found = state.criteria.find(static_cast<int>(i));
    const bool sampled = found != state.criteria.end() && !found->second.recent.empty();
    standing.decided = standing.decided && sampled;
    if (!sampled) continue;
    const Evaluation now = Evaluate(RuleOf(plan.criteria[i].parameters), found->second.recent);
    if (now.green()) continue;
    const std::string why = now.verdict ? now.why : "the latest sample: " + std::string(Name(found->second.recent.back()));
    standing.not_green += (standing.not_green.empty() ? "" : "; ") + plan.criteria[i].name + ": " + why +
                          (found->second.why.empty() ? "" : " (" + found->second.why + ")");
  }
  return standing;
}

Json CriteriaEvidence(const ApplicationState& state) {
  Json evidence = Json::object();
  for (const auto& [index, criterion] : state.criteria) {
    Json one{{"sampledAt_ms", criterion.sampled_ms}, {"reaction", std::string(Name(criterion.reaction))}};
    for (std::size_t i = 0; i < kSampleVerdicts; ++i)
      one["samples"][std::string(Name(static_cast<SampleVerdict>(i)))] = criterion.counts.at(i);
    if (!criterion.recent.empty()) one["latest"] = std::string(Name(criterion.recent.back()));
    evidence[criterion.name] = std::move(one);
  }
  return evidence;
}

}  // namespace vmferry
