// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/predict.h"

#include "orchestrator/words.h"
#include "state/event.h"
#include "steps/workers.h"

namespace vmferry {
namespace {

StepContext DryContext(const Plan& plan, const PlannedStep& step, SystemSet& systems, Workers& workers,
                       std::chrono::milliseconds timeout) {
  StepContext context;
  context.run = "dry-run";
  context.application = &plan.application;
  for (const Workload& workload : plan.application.workloads)
    if (workload.name == step.workload) context.workload = &workload;
  context.parameters = step.parameters;
  context.key = std::string(64, '0');
  context.earlier = [](std::string_view, std::string_view) { return Json(); };
  context.systems = &systems.reading();
  context.workers = &workers;
  context.call.timeout = timeout;
  return context;
}

std::string Title(const PlannedStep& step) {
  return step.workload.empty() ? step.name : step.name + " (" + step.workload + ")";
}

std::string StepText(const PredictedStep& predicted, const Style& style, int number) {
  const PlannedStep& step = *predicted.step;
  std::string text = Padded(number > 0 ? std::to_string(number) + "." : "-", 4) + style.Bold(Title(step)) +
                     (step.implicit ? style.Dim("  (added by vmferry)") : "") + "\n";
  if (step.point_of_no_return)
    text += "    " + style.Warn("-- point of no return: from here on nothing rolls back --") + "\n";
  if (!predicted.forecast.will.empty()) text += "    does:  " + predicted.forecast.will + "\n";
  if (step.effect) text += "    undo:  " + predicted.forecast.undo + "\n";
  for (const Error& problem : predicted.forecast.problems)
    text += "    " + style.Bad("problem: ") + Describe(problem) + "\n";
  return text;
}

Json PredictedToJson(const PredictedStep& predicted) {
  Json problems = Json::array();
  for (const Error& problem : predicted.forecast.problems) problems.push_back(ErrorToJson(problem));
  return {{"name", predicted.step->name}, {"does", predicted.forecast.will}, {"problems", problems}};
}

std::string CriteriaText(const Prediction& prediction, const Style& style) {
  if (prediction.criteria.empty()) return "";
  std::string text = "\n" + style.Bold("rollback criteria") +
                     ": sampled by `vmferry criteria`; this version does not yet roll back by them\n";
  for (const PredictedStep& criterion : prediction.criteria) text += StepText(criterion, style, 0);
  return text;
}

std::string PhaseTitle(const Plan& plan, Phase phase) {
  if (phase != Phase::kCommit) return std::string(Name(phase));
  return "soak for " + std::to_string(plan.rollback_window_minutes) +
         " min, then `vmferry commit` (or `vmferry rollback`)";
}

}  // namespace

std::size_t Prediction::problems() const {
  std::size_t count = refusals.size();
  for (const auto* list : {&steps, &criteria})
    for (const PredictedStep& step : *list) count += step.forecast.problems.size();
  return count;
}

Prediction PredictPlan(const Plan& plan, SystemSet& systems, std::chrono::milliseconds timeout) {
  Prediction prediction;
  prediction.plan = &plan;
  Workers workers;
  const auto predict = [&](const PlannedStep& planned) {
    Result<Forecast> forecast = FindStep(planned.name)->Predict(DryContext(plan, planned, systems, workers, timeout));
    PredictedStep predicted;
    predicted.step = &planned;
    if (forecast)
      predicted.forecast = std::move(*forecast);
    else
      predicted.forecast.problems.push_back(forecast.error());
    return predicted;
  };
  for (const PlannedStep& step : plan.steps) prediction.steps.push_back(predict(step));
  for (const PlannedStep& criterion : plan.criteria) prediction.criteria.push_back(predict(criterion));
  return prediction;
}

std::vector<TakenSample> SampleCriteria(const Plan& plan, SystemSet& systems, std::chrono::milliseconds timeout) {
  std::vector<TakenSample> samples;
  Workers workers;
  for (const PlannedStep& criterion : plan.criteria) {
    const Result<Progress> taken =
        FindStep(criterion.name)->Apply(DryContext(plan, criterion, systems, workers, timeout));
    samples.push_back({&criterion, taken ? Result<Json>(taken->facts) : Result<Json>(taken.error())});
  }
  return samples;
}

std::string PredictionText(const Prediction& prediction, bool colour) {
  const Plan& plan = *prediction.plan;
  const Style style{colour};
  std::string text =
      style.Bold(plan.application.name) + ": " + plan.application.source + " -> " + plan.application.target + "\n";
  for (const Error& refusal : prediction.refusals) text += style.Bad("problem: ") + Describe(refusal) + "\n";
  Phase phase = Phase::kPlanned;
  int number = 0;
  for (const PredictedStep& step : prediction.steps) {
    if (step.step->phase != phase) text += "\n" + style.Bold(PhaseTitle(plan, step.step->phase)) + "\n";
    phase = step.step->phase;
    text += StepText(step, style, ++number);
  }
  text += CriteriaText(prediction, style);
  const std::size_t problems = prediction.problems();
  text += "\n";
  text += problems == 0 ? style.Good("no problems found; nothing was changed")
                        : style.Bad(std::to_string(problems) + " problem(s) found; nothing was changed");
  return text + "\n";
}

Json PredictionToJson(const Prediction& prediction) {
  Json steps = Json::array();
  for (const PredictedStep& predicted : prediction.steps) {
    Json step = PredictedToJson(predicted);
    step["phase"] = std::string(Name(predicted.step->phase));
    step["workload"] = predicted.step->workload;
    step["effect"] = predicted.step->effect;
    step["pointOfNoReturn"] = predicted.step->point_of_no_return;
    step["undo"] = predicted.forecast.undo;
    steps.push_back(std::move(step));
  }
  Json criteria = Json::array();
  for (const PredictedStep& predicted : prediction.criteria) criteria.push_back(PredictedToJson(predicted));
  Json refusals = Json::array();
  for (const Error& refusal : prediction.refusals) refusals.push_back(ErrorToJson(refusal));
  return {{"application", prediction.plan->application.name},
          {"source", prediction.plan->application.source},
          {"target", prediction.plan->application.target},
          {"clean", prediction.problems() == 0},
          {"problems", refusals},
          {"steps", steps},
          {"criteria", criteria}};
}

}  // namespace vmferry
