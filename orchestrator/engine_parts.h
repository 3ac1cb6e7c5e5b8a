// SPDX-License-Identifier: Apache-2.0
//
// What the engine keeps of a run and of an application while it works on them. Private to engine.cc and performer.cc.
#pragma once

#include <deque>

#include "orchestrator/engine.h"
#include "orchestrator/rehearsal.h"

namespace vmferry {

// For the wave's budget of failures.
inline bool HasFailed(const ApplicationState& state) {
  if (RehearsedWell(state)) return false;
  return state.phase == Phase::kAborted || state.phase == Phase::kRolledBack ||
         state.activity == Activity::kRollbackBlocked || state.activity == Activity::kNeedsOperator;
}

class Watch;

struct Engine::Run_ {
  RunState state;
  Site site;
  bool site_is_new = false;                // another than the journal's: the next decision says so
  int applications_at_once = 1;
  int stop_after_failed = 0;
  int driving = 0;                         // applications
  int failed = 0;                          // applications
  int watching = 0;                        // applications
  std::deque<Application_*> waiting;       // for their turn, in the wave's order
  bool stopped_after_failures = false;     // no application starts any more
  std::shared_ptr<SystemSet> systems;
  std::vector<std::shared_ptr<SystemSet>> retired;  // a call that was given up, or a worker, may still use one
  std::map<std::string, std::unique_ptr<Application_>> applications;
};

struct Engine::Application_ {
  Application_(Loop& loop, Run_& owner, const std::string& its_name)
      : run(owner), name(its_name), state_(owner.state.applications[its_name]), wake(loop), stored(loop) {}
  const ApplicationState& state() const { return state_; }
  // Without the runbook's text, its longest part, which is of no use to an engine.
  void Keep(Plan its_plan) {
    its_plan.runbook_text = std::string();
    plan = std::make_shared<const Plan>(std::move(its_plan));
  }

  Run_& run;
  const std::string name;
  const ApplicationState& state_;    // in the run's state, which only grows
  std::shared_ptr<const Plan> plan;  // until it rests, then read again if need be; a call that was given up keeps it
  std::shared_ptr<Delivery<Result<Plan>>> loading;  // the plan, while it is read
  Signal wake;            // a decision was journaled or the engine stops
  Signal stored;          // an append was acknowledged
  std::shared_ptr<Watch> watch;  // over its rollback criteria, while there is one
  bool driving = false;
  bool waiting = false;   // for its turn
  std::int64_t sent = 0;          // appends handed to the journal
  std::int64_t acknowledged = 0;  // of those; it answers in their order
  // Step calls that were given up and have not come back: no other call for this application meanwhile.
  std::shared_ptr<std::atomic<int>> abandoned = std::make_shared<std::atomic<int>>(0);
  std::set<int> started;  // steps whose attempt this engine began since the last resume: others are in doubt
};

}  // namespace vmferry
