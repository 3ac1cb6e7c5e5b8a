// SPDX-License-Identifier: Apache-2.0
//
// Soak: when rollback criteria are watched, what their verdicts lead to in each phase, and when the rollback window is
// over. Pure functions over plan and state.
#pragma once

#include <cstdint>
#include <string>

#include "runbooks/plan.h"
#include "state/run_state.h"

namespace vmferry {

// True from the outcome of the first step that moves traffic until the application is committed, goes back, or its
// window ended; also while it holds. Before that outcome the application is out of service, as it must be, and a sample
// would only say so.
bool Watches(const Plan& plan, const ApplicationState& state);

// As far as the journal tells: an engine that was killed does not say that it left.
bool IsWatched(const ApplicationState& state);

// When traffic was moved, as wall time; 0 while a step that moves it is not done.
std::int64_t MovedAt(const Plan& plan, const ApplicationState& state);

// What a declared reaction comes to where the application is. Going back is for before the decision to commit; from
// then on a person is called.
Reaction ReactionIn(const Plan& plan, const ApplicationState& state, Reaction declared);
// The reactions to a trip by phase, as a Markdown table.
std::string ReactionTableMarkdown();

// Wall time at which the rollback window ends: it lasts as long as somebody watches. REQUIRES: phase soak
std::int64_t WindowEndsAt(const Plan& plan, const ApplicationState& state);

// What all criteria together say.
struct Standing {
  bool decided = true;    // every one has a sample since the watch began, or since a person resumed
  std::string not_green;  // those whose latest evaluation is not a pass, with their reasons; empty: all are green
};
Standing StandingOf(const Plan& plan, const ApplicationState& state);

// Counts by verdict and the latest sample of each criterion: the evidence that goes with a commit.
Json CriteriaEvidence(const ApplicationState& state);

}  // namespace vmferry
