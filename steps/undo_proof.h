// SPDX-License-Identifier: Apache-2.0
//
// The way back proved before the cutover: every effect of a plan is asked whether it could be undone now
// (Step::ProveUndo), and how long that may take. `plan` shows it; the step undo_proven, which the checker adds as the
// last one before the cutover, decides by it. Threading: as StepContext.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "steps/step.h"

namespace vmferry {

inline constexpr std::string_view kUndoProven = "undo_proven";

// Of undo_proven, as the checker makes them:
//   {"effects": [{"name", "workload", "parameters"}], "windowMs": 5400000, "overridden": true}
// `windowMs` is 0 where the runbook has no window; `overridden` is absent unless the submitter passes over the step.
Json UndoProofParameters(Json effects, std::chrono::milliseconds window);

// One effect of the plan.
struct ProvenUndo {
  std::string step;
  std::string workload;  // empty for application-scoped steps
  UndoProof proof;
  std::string Title() const { return workload.empty() ? step : step + " (" + workload + ")"; }
};

struct WayBack {
  std::vector<ProvenUndo> undos;         // in the order of the plan
  std::chrono::milliseconds takes{0};    // all of them, one after the other, as a rollback goes
  std::chrono::milliseconds window{0};   // in which there is a way back; 0: none is declared
  bool overridden = false;
  std::size_t failing() const;           // undos with problems
  std::string Estimate() const;          // "power_on_target: 30s for the domain ...; quiesce_application: ..."
};

// Asks every effect of undo_proven's parameters. What cannot be asked is a problem.
WayBack ProveWayBack(const StepContext& context);

// A way back that takes longer than there is one.
std::optional<Error> WindowProblem(const WayBack& way_back);
// "prove that all of it could be undone: 8 effects", for a dry run.
std::string WillProve(const WayBack& way_back);
// "up to 3m 30s, of a window of 1h 30m (...)"
std::string TimeInWords(const WayBack& way_back);

// --- for steps that prove their undo ---

// Adds the error, if there is one.
void Note(UndoProof& proof, const Status& status);
// Adds to `proves`.
void Prove(UndoProof& proof, const std::string& words);
// The pools that hold, or will hold, the application's disks: there and active.
void ProvePools(const StepContext& context, UndoProof& proof);

}  // namespace vmferry
