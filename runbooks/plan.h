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
  bool needs_approval = false;
  bool implicit = false;
  int line = 0;           // in the runbook; 0 for implicit steps
  int column = 0;
};

// What is passed over by a decision of the run's submitter: a clause of a policy, although the application violates it,
// or the result of a step that vmferry added.
struct PolicyOverride {
  std::string policy;     // empty: it is a step
  std::string clause;     // "allowedPlatforms", "undo_proven"
  std::string violation;  // in words
};

struct PolicyInForce {
  std::string name;
  std::string digest;  // SHA-256 of its text, hex
};

// What the policies that select the application ask of its run.
struct PolicyDemands {
  std::vector<PolicyInForce> in_force;  // all that select it
  std::vector<std::string> approval;    // policies that want it approved before its cutover
  std::vector<std::string> audit_log;   // policies that want the journal append-only and whole before it begins
  std::vector<PolicyOverride> overrides;
};

// What a rehearsal does not do, or does otherwise.
struct LeftOut {
  std::string step;      // "update_dns", "smoke_test: probes"
  std::string why;
  bool cutover = false;  // a step of the cutover, whose time is not measured
};

struct Plan {
  Application application;
  int wave = 0;  // 0: the runbook names none
  int rollback_window_minutes = 0;
  bool commit_at_window_end = false;  // by itself, if every criterion is green; else it waits for a person
  std::string runbook_path;
  std::string runbook_text;
  PolicyDemands policy;
  std::vector<PlannedStep> steps;  // in order of execution; a step's index here is its name in the journal
  std::vector<PlannedStep> criteria;  // for going back, as written
  std::vector<LeftOut> left_out;      // of a rehearsal
};

Json PlanToJson(const Plan& plan);
Result<Plan> PlanFromText(std::string_view json);
// The plan of an application, out of its first event.
Result<Plan> PlanOf(const ApplicationState& application);
Result<Plan> PlanFromCreated(std::string_view payload);  // of that event
// SHA-256 of the plan's JSON, hex.
std::string PlanDigest(const Plan& plan);

}  // namespace vmferry
