// SPDX-License-Identifier: Apache-2.0
//
// RunState: what the events of a run add up to. Fold is pure; status, recovery, audit and the live run use it alike.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/criterion_state.h"
#include "state/event.h"

namespace vmferry {

// Where an application is on its way. kCommit is the work of committing; the last three are endings.
enum class Phase { kPlanned, kPreChecks, kConversion, kCutover, kPostChecks, kSoak, kCommit, kCommitted, kAborted,
                   kRolledBack };
std::string_view Name(Phase phase);  // "planned", "pre-checks", ..., "rolled back"
std::optional<Phase> PhaseFromName(std::string_view name);
bool IsEnding(Phase phase);

// What it is doing there.
enum class Activity { kWorking, kHolding, kPaused, kRollingBack, kRollbackBlocked, kNeedsOperator };
std::string_view Name(Activity activity);  // "working", "holding", ..., "needs operator"
std::optional<Activity> ActivityFromName(std::string_view name);

// The holds that a resume does not end: of a cutover, and of retiring the source after the commit.
inline constexpr std::string_view kForApproval = "approval";
inline constexpr std::string_view kForRetirement = "retirement";

enum class StepStatus {
  kPending,    // nothing journaled (or undone, and the generation rose)
  kFound,      // the goal was true before we came
  kStarted,    // intent without outcome: running, or in doubt after a crash
  kRetrying,   // an attempt failed without effect; the next may start at retry_at_ms
  kDone,
  kFailed,
  kUndoing,    // undo intent without outcome
  kUndone,
  kUndoFailed,
};
std::string_view Name(StepStatus status);

struct StepState {
  StepStatus status = StepStatus::kPending;
  std::string name;         // of the step kind
  std::string workload;     // empty: the step is about the whole application
  bool effect = false;      // the intent said that it may change something outside
  bool intended = false;    // an intent was journaled, in whatever generation
  bool assumed_open = false;  // a person said that it is not done; until the next intent
  int attempt = 0;          // attempts so far
  int failures = 0;         // of attempts, of Apply or of Undo, since the latest good answer
  int undo_attempt = 0;     // undo attempts so far
  int generation = 0;       // undos so far
  std::string key;          // idempotency key of the current generation; of effects only
  Json before;              // before-image of the first attempt of this generation
  Json handle;              // latest handle
  Json facts;               // latest facts or outcome
  std::shared_ptr<const Error> error;  // of the latest attempt that failed
  std::int64_t first_intent_ms = 0;  // wall time of the generation's first intent
  std::int64_t since_ms = 0;         // wall time from which the deadline and `elapsed` count: a resume counts anew
  std::int64_t ended_ms = 0;         // wall time of the latest outcome
  std::int64_t deadline_ms = 0;      // wall time; 0: none
  std::int64_t retry_at_ms = 0;      // wall time
  std::int64_t intent_seq = 0;       // of the generation's first intent: undo runs in reverse of this
};

struct ApplicationState {
  std::string application;
  Phase phase = Phase::kPlanned;
  Activity activity = Activity::kWorking;
  Activity returns_to = Activity::kWorking;  // after a hold
  bool touched = false;                      // an effect intent was journaled
  bool commit_requested = false;
  bool rollback_requested = false;
  bool stop_requested = false;               // stop at the next safe point; cleared by a resume decision
  bool approved = false;                     // a person approved what the plan wants approved
  bool retirement_decided = false;           // a person said whether the source may be retired
  bool retirement_approved = false;          // and that it may
  Json rehearsed;                            // what a rehearsal measured, once it had come to its end; null before
  std::string holds_for;                     // while it holds: what for, one of the above; empty: for a resume
  std::string reason;                        // of the latest rollback, hold or ending
  std::string rollback_reason;               // of the latest decision to go back
  std::shared_ptr<const std::string> created;  // the first event's payload: the plan (PlanOf, runbooks/plan.h)
  std::map<int, StepState> steps;            // by index in the plan; absent: pending
  std::map<int, CriterionState> criteria;    // by index in the plan; absent: never sampled
  int fresh_starts = 0;                      // of the criteria: what was sampled before the latest tells nothing
  WatchState watch;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  std::int64_t entered_phase_ms = 0;         // wall time of the latest phase event
  std::int64_t last_seq = 0;
};

struct RunState {
  std::string run;
  Json wave;   // payload of the run's first event
  std::string actor;
  std::int64_t created_ms = 0;
  std::map<std::string, ApplicationState> applications;
  std::vector<std::string> order;  // applications in the order of the wave
};

// Applies one event. Unknown payload members are ignored; an event that cannot follow (an outcome without intent) is
// tolerated by leaving the state as it was, since the journal, not the fold, is checked by Verify.
void Fold(RunState& state, const Event& event);
// The same for an event of this application.
void Fold(ApplicationState& state, const Event& event);
// What only the journal knows of an event that was folded before it was appended (seq 0): its place.
void FoldPlace(ApplicationState& state, const Event& event);

}  // namespace vmferry
