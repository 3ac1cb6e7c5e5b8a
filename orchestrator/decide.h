// SPDX-License-Identifier: Apache-2.0
//
// Decide: what an application does next, from its plan and what the journal says. Pure: no clock, no I/O, no memory.
// The engine carries the command out, journals what happened, folds it, and asks again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runbooks/plan.h"
#include "state/run_state.h"

namespace vmferry {

struct Command {
  enum class Kind {
    kRunStep,     // start the step, go on with it, or find out what became of it
    kUndoStep,    // likewise, backwards
    kEnterPhase,  // journal the phase (an ending too)
    kRollBack,    // journal the decision to go back
    kCommit,      // journal the decision to commit, as the runbook declares it
    kEndWatch,    // journal that the rollback window is over
    kHold,        // journal that a person is needed
    kWaitUntil,   // nothing before `until_ms`
    kRest,        // nothing until somebody decides
  };
  Kind kind = Kind::kRest;
  int step = -1;
  Phase phase = Phase::kPlanned;
  Activity activity = Activity::kWorking;
  std::string reason;
  std::int64_t until_ms = 0;  // wall time
  std::string_view holds_for = {};  // kHold: what for; empty: for a resume
  bool rehearsed = false;     // kRollBack: all was tried
};

Command Decide(const Plan& plan, const ApplicationState& state, std::int64_t now_ms);

// "final_data_sync", or "final_data_sync (WORKLOAD)" for a step that is about one workload.
std::string StepTitle(const PlannedStep& step);
// The first step of the application's phase that is not finished; -1: none.
int OpenStep(const Plan& plan, const ApplicationState& state);
// The steps that going back has to undo yet, in the order of undoing: the latest intent first.
std::vector<int> StepsToUndo(const ApplicationState& state);
// True once the intent of a step that cannot be undone stands in the journal.
bool PastPointOfNoReturn(const Plan& plan, const ApplicationState& state);

// True if traffic may have been on the target: a step that moves it was started.
bool TargetServed(const Plan& plan, const ApplicationState& state);

// When the next attempt may start after the `failures`th in a row failed at `now_ms`: 1 s, 2 s, 4 s ... at most 30 s.
std::int64_t RetryAt(int failures, std::int64_t now_ms);

}  // namespace vmferry
