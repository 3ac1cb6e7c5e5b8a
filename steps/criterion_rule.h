// SPDX-License-Identifier: Apache-2.0
//
// CriterionRule: what the samples of a criterion add up to. A pure function over samples: the engine, `criteria test`,
// `audit replay` and the simulation use the same one. No clock, no I/O.
//
// The five kinds of samples are never taken for one another, and only a pass is good. A rule is reached by a kind:
//   fail          `failures` of the latest `within` samples failed (inclusive; samples of every kind take a place);
//   error, inconclusive, no data   the latest `consecutive` samples or more neither passed nor failed, and one of them
//                 is of this kind.
// The verdict is the worst kind reached, in the order fail, error, inconclusive, no data; the reaction is the strongest
// one declared for a kind reached. With nothing reached the verdict is pass if the latest sample passed; else, and
// without any sample, it is undecided, which is no success.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/criterion_state.h"
#include "steps/contradictions.h"
#include "steps/step.h"

namespace vmferry {

struct CriterionRule {
  std::chrono::milliseconds every{15000};  // between the beginnings of two samples
  std::chrono::milliseconds delay{0};      // from the watch's beginning to the first
  int failures = 3;
  int within = 5;
  Reaction on_trip = Reaction::kRollBack;
  struct Silence {
    int consecutive = 5;
    Reaction then = Reaction::kHold;
  };
  Silence errors, inconclusive, no_data;
};

// What a criterion's own specification declares where a runbook says nothing.
struct RuleStandard {
  std::string every = "15s";
  std::string failures = "3";
  std::string within = "5";
  std::string no_data = "hold";
};
// Adds the parameters every, delay, trip, onTrip, errors, inconclusive and noData.
void AddRuleParameters(StepSpec& spec, const RuleStandard& standard);
// Of those parameters.
std::vector<Contradiction> RuleContradictions(const Json& parameters);
// Out of a plan's parameters; what is absent has the values above.
CriterionRule RuleOf(const Json& parameters);
// "every 15s; 3 failures of 5 samples: rollback; errors: hold after 5; ..."
std::string RuleInWords(const CriterionRule& rule);

struct Evaluation {
  std::optional<SampleVerdict> verdict;      // nothing: undecided
  Reaction reaction = Reaction::kNone;
  std::string why;                           // "3 of the latest 5 samples failed"
  bool green() const { return verdict == SampleVerdict::kPass; }
};
// `samples`: since the watch began or a person resumed, oldest first; the latest kKeptSamples of them are enough.
Evaluation Evaluate(const CriterionRule& rule, const std::vector<SampleVerdict>& samples);

}  // namespace vmferry
