// SPDX-License-Identifier: Apache-2.0
//
// What the engine keeps of a run and of an application while it works on them. Private to engine.cc and performer.cc.
#pragma once

#include "orchestrator/engine.h"

namespace vmferry {

struct Engine::Run_ {
  RunState state;
  Site site;
  int applications_at_once = 1;
  int stop_after_failed = 0;
  std::shared_ptr<SystemSet> systems;
  std::map<std::string, std::unique_ptr<Application_>> applications;
};

struct Engine::Application_ {
  Application_(Loop& loop, Run_& owner, std::string its_name, Plan its_plan)
      : run(owner), name(std::move(its_name)), plan(std::move(its_plan)), wake(loop) {}
  ApplicationState& state() { return run.state.applications[name]; }
  const ApplicationState& state() const { return run.state.applications.at(name); }

  Run_& run;
  const std::string name;
  const Plan plan;
  Signal wake;            // a decision was journaled or the engine stops
  bool driving = false;
  bool released = false;  // submitted, resumed or decided for: may be started (an adopted run is not, until then)
  int appending = 0;      // appends under way: decisions wait, so that they are folded in the journal's order
  // Step calls that were given up and have not come back: no other call for this application meanwhile.
  std::shared_ptr<std::atomic<int>> abandoned = std::make_shared<std::atomic<int>>(0);
  std::set<int> started;  // steps whose attempt this engine began since the last resume: others are in doubt
};

}  // namespace vmferry
