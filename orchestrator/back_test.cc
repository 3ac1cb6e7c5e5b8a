// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/back_test.h"

#include <map>
#include <optional>

#include "orchestrator/soak.h"

namespace vmferry {
namespace {

// A verdict that the samples up to here ask for.
struct Due {
  std::size_t criterion = 0;
  Reaction reaction = Reaction::kNone;
};

std::optional<Due> DueAfter(const Plan& plan, const ApplicationState& state, const Event& sample) {
  const auto index = sample.payload.value("criterion", std::size_t{0});
  const auto found = state.criteria.find(static_cast<int>(index));
  if (index >= plan.criteria.size() || found == state.criteria.end()) return std::nullopt;
  const Evaluation now = Evaluate(RuleOf(plan.criteria[index].parameters), found->second.recent);
  const Reaction reaction = ReactionIn(plan, state, now.reaction);
  if (reaction == found->second.reaction) return std::nullopt;
  return Due{index, reaction};
}

std::string At(const Event& event) { return "event " + std::to_string(event.seq) + ": "; }

}  // namespace

std::vector<Turn> BackTest(const Plan& plan, const std::vector<PastSample>& samples) {
  std::vector<Turn> turns;
  std::map<std::size_t, std::vector<SampleVerdict>> seen;
  std::map<std::size_t, Reaction> standing;
  for (const PastSample& sample : samples) {
    std::vector<SampleVerdict>& recent = seen[sample.criterion];
    if (recent.size() == kKeptSamples) recent.erase(recent.begin());
    recent.push_back(sample.verdict);
    Evaluation now = Evaluate(RuleOf(plan.criteria.at(sample.criterion).parameters), recent);
    if (now.reaction == standing[sample.criterion]) continue;
    standing[sample.criterion] = now.reaction;
    if (!sample.why.empty() && now.reaction != Reaction::kNone) now.why += "; the latest: " + sample.why;
    turns.push_back({sample.at_ms, sample.criterion, std::move(now)});
  }
  return turns;
}

Replay ReplayVerdicts(const Plan& plan, const std::vector<Event>& events) {
  Replay replay;
  ApplicationState state;
  std::optional<Due> due;
  for (const Event& event : events) {
    if (event.kind == EventKind::kVerdict) {
      ++replay.verdicts;
      const std::string said = event.payload.value("reaction", "");
      const bool same = due && event.payload.value("criterion", std::size_t{0}) == due->criterion &&
                        said == Name(due->reaction);
      if (!same)
        replay.differences.push_back(At(event) + "the verdict " + event.payload.value("name", "") + " -> " + said +
                                     " does not follow from the samples before it");
    } else if (due && event.kind != EventKind::kWatch) {
      // What died between the two says so by beginning its watch anew.
      replay.differences.push_back(At(event) + "the samples before it lead to " + std::string(Name(due->reaction)) +
                                   " by " + plan.criteria[due->criterion].name + ", which is not in the journal");
    }
    due.reset();
    Fold(state, event);
    if (event.kind != EventKind::kSample) continue;
    ++replay.samples;
    due = DueAfter(plan, state, event);
  }
  return replay;
}

}  // namespace vmferry
