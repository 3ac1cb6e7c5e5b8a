// SPDX-License-Identifier: Apache-2.0
//
// Plan: a checked runbook, immutable, printable, hashed. Everything the engine needs for one application; it is in the
// first event of the application's chain, so a run needs no files later. Holds no secrets, only references.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "state/run_state.h"
#include "steps/step.h"

namespace vmferry {

struct PlannedStep {
  Phase phase = Phase::kCutover;
  int ordinal = 0;        // within the phase, from 1, as written in the runbook (an implicit step: its place)
  std::string name;       // of the step kind
  std::string workload;   // empty for application-scoped steps
  Json parameters;        // typed; see steps/step.h
  std::chrono::milliseconds deadline{0};
  bool effect = false;
  bool moves_traffic = false;
  bool point_of_no_return = false;
  bool undo_continues = false;
  bool implicit = false;
  int line = 0;           // in the runbook; 0 for implicit steps
  int column = 0;
};

struct Plan {
  Application application;
  int wave = 0;  // 0: the runbook names none
  int rollback_window_minutes = 0;
  std::string runbook_path;
  std::string runbook_text;
  std::vector<PlannedStep> steps;  // in order of execution; a step's index here is its name in the journal
  std::vector<PlannedStep> criteria;  // for going back, as written
};

Json PlanToJson(const Plan& plan);
Result<Plan> PlanFromText(std::string_view json);
// The plan of an application, out of its first event.
Result<Plan> PlanOf(const ApplicationState& application);
Result<Plan> PlanFromCreated(std::string_view payload);  // of that event
// SHA-256 of the plan's JSON, hex.
std::string PlanDigest(const Plan& plan);

}  // namespace vmferry
