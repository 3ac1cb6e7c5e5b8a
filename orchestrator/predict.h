// SPDX-License-Identifier: Apache-2.0
//
// Predict: the dry run. Asks every step what it would do now, through read-only plugins; runs the checks for real.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "orchestrator/rehearsal.h"
#include "orchestrator/systems.h"
#include "runbooks/plan.h"
#include "steps/undo_proof.h"

namespace vmferry {

struct PredictedStep {
  const PlannedStep* step = nullptr;
  Forecast forecast;
  std::optional<UndoProof> undo;  // of an effect, if the plan proves its undos; without what is in the forecast already
};

struct Prediction {
  const Plan* plan = nullptr;
  std::vector<Error> refusals;  // why `run` would not begin at all: the journal has the application already
  std::vector<PredictedStep> steps;
  std::vector<PredictedStep> criteria;
  std::optional<WayBack> way_back;  // of all undos, if the plan proves them
  std::optional<Rehearsed> rehearsed;  // what the estimates rest on
  std::size_t problems() const;  // of the whole and of all steps
};

// Blocks while the platforms are read; each call is bounded by `timeout`.
Prediction PredictPlan(const Plan& plan, SystemSet& systems, std::chrono::milliseconds timeout);

// Takes one sample of each of the plan's criteria: the step's facts, or why its source could not be asked. `state`: of
// the run, whose baselines they are held against; null: none was measured yet. Blocks as PredictPlan does.
struct TakenSample {
  const PlannedStep* criterion = nullptr;
  Result<Json> facts = Json();
};
std::vector<TakenSample> SampleCriteria(const Plan& plan, const ApplicationState* state, SystemSet& systems,
                                        std::chrono::milliseconds timeout);

std::string PredictionText(const Prediction& prediction, bool colour);
Json PredictionToJson(const Prediction& prediction);

}  // namespace vmferry
