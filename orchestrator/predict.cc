// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/predict.h"

#include <algorithm>

#include "orchestrator/step_context.h"
#include "orchestrator/words.h"
#include "state/event.h"
#include "steps/criterion_rule.h"
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

// Behind "    does:  ", or something as wide or wider.
std::string Said(const std::string& text, std::size_t at = 11) {
  return Wrapped(text, at, 11, ScreenColumns());
}

// What was proved of the undo; problems only where it is not known yet that there are some.
std::string UndoText(const PredictedStep& predicted, const Style& style, bool overridden) {
  if (!predicted.undo) return "";
  const UndoProof& proof = *predicted.undo;
  std::string text;
  if (proof.problems.empty() && !proof.proves.empty())
    text = "    proven: " + Said(proof.proves, 12) + "\n";
  for (const Error& problem : proof.problems)
    text += "    " + (overridden ? style.Warn("passed over: ") : style.Bad("problem: ")) + "undo: " + Describe(problem) +
            "\n";
  return text;
}

// What a step took when it was rehearsed; empty if it was not.
std::string TimeText(const std::optional<Rehearsed>& rehearsed, const PlannedStep& step) {
  if (!rehearsed) return "";
  for (const Json& measured : rehearsed->measured.value("steps", Json::array()))
    if (measured.value("step", "") == Title(step) && measured.value("phase", "") == Name(step.phase))
      return "    took:  " + HumanDuration(std::chrono::milliseconds(measured.value("ms", std::int64_t{0}))) +
             ", when rehearsed\n";
  return "";
}

std::string RehearsedText(const std::optional<Rehearsed>& rehearsed) {
  if (!rehearsed) return "";
  return "time without service: " + DowntimeForecast(rehearsed->measured) + " (rehearsed " +
         DateTime(rehearsed->at_ms) + ", run " + rehearsed->run +
         (rehearsed->same_runbook ? "" : ", with another text of the runbook") + ")\n";
}

std::string StepText(const PredictedStep& predicted, const Style& style, int number, bool overridden = false) {
  const PlannedStep& step = *predicted.step;
  std::string text = Padded(number > 0 ? std::to_string(number) + "." : "-", 4) + style.Bold(Title(step)) +
                     (step.implicit ? style.Dim("  (added by vmferry)") : "") + "\n";
  if (step.point_of_no_return)
    text += "    " + style.Warn("-- point of no return: from here on nothing rolls back --") + "\n";
  if (!predicted.forecast.will.empty()) text += "    does:  " + Said(predicted.forecast.will) + "\n";
  if (step.effect) text += "    undo:  " + Said(predicted.forecast.undo) + "\n";
  if (step.effect) text += "    loses: " + Said(predicted.forecast.loses) + "\n";
  for (const Error& problem : predicted.forecast.problems)
    text += "    " + style.Bad("problem: ") + Describe(problem) + "\n";
  return text + UndoText(predicted, style, overridden);
}

Json UndoToJson(const UndoProof& proof) {
  Json problems = Json::array();
  for (const Error& problem : proof.problems) problems.push_back(ErrorToJson(problem));
  return {{"proves", proof.proves},
          {"takesMs", proof.takes.count()},
          {"estimate", proof.estimate},
          {"problems", std::move(problems)}};
}

Json WayBackToJson(const WayBack& way_back) {
  return {{"takesMs", way_back.takes.count()},
          {"windowMs", way_back.window.count()},
          {"withinWindow", !WindowProblem(way_back)},
          {"estimate", way_back.Estimate()},
          {"overridden", way_back.overridden}};
}

Json PredictedToJson(const PredictedStep& predicted) {
  Json problems = Json::array();
  for (const Error& problem : predicted.forecast.problems) problems.push_back(ErrorToJson(problem));
  return {{"name", predicted.step->name}, {"does", predicted.forecast.will}, {"problems", problems}};
}

std::string CriteriaText(const Prediction& prediction, const Style& style) {
  if (prediction.criteria.empty()) return "";
  std::string text = "\n" + style.Bold("rollback criteria") +
                     ", from when traffic was moved until the commit\n";
  for (const PredictedStep& criterion : prediction.criteria) {
    text += StepText(criterion, style, 0);
    text += "    rule:  " + Said(RuleInWords(RuleOf(criterion.step->parameters))) + "\n";
  }
  return text;
}

std::string Listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// What policies change about the run.
std::string PolicyText(const PolicyDemands& policy, const Style& style) {
  std::string text;
  if (!policy.approval.empty())
    text += style.Warn("approval: ") + "rests before the cutover until `vmferry approve` (policy " +
            Listed(policy.approval) + ")\n";
  for (const PolicyOverride& one : policy.overrides)
    text += style.Warn("override: ") + one.clause + (one.policy.empty() ? "" : " of policy " + one.policy) + ": " +
            one.violation + "\n";
  return text;
}

bool Has(const std::vector<Error>& problems, const Error& problem) {
  return std::any_of(problems.begin(), problems.end(),
                     [&problem](const Error& known) { return Describe(known) == Describe(problem); });
}

// To each effect what was proved of its undo, and to the step that proves what is about the whole.
void Distribute(Prediction& prediction) {
  auto undo = prediction.way_back->undos.begin();
  for (PredictedStep& step : prediction.steps) {
    if (undo == prediction.way_back->undos.end()) return;
    if (!step.step->effect || step.step->name != undo->step || step.step->workload != undo->workload) continue;
    step.undo = (undo++)->proof;
    const auto known = std::erase_if(
        step.undo->problems, [&step](const Error& problem) { return Has(step.forecast.problems, problem); });
    if (known > 0) step.undo->proves.clear();
  }
}

// Asked once, and shown at the steps.
Forecast ForecastWayBack(const WayBack& way_back) {
  Forecast forecast{WillProve(way_back), "nothing to undo", {}};
  const auto late = WindowProblem(way_back);
  if (late && !way_back.overridden) forecast.problems.push_back(*late);
  return forecast;
}

std::string PhaseTitle(const Plan& plan, Phase phase) {
  if (phase != Phase::kCommit) return std::string(Name(phase));
  return "soak for " + std::to_string(plan.rollback_window_minutes) +
         " min, then " +
         (plan.commit_at_window_end ? "commit by itself if every criterion is green" : "`vmferry commit`") +
         " (or `vmferry rollback`)";
}

}  // namespace

std::size_t Prediction::problems() const {
  std::size_t count = refusals.size();
  for (const auto* list : {&steps, &criteria})
    for (const PredictedStep& step : *list) {
      count += step.forecast.problems.size();
      if (step.undo && !way_back->overridden) count += step.undo->problems.size();
    }
  return count;
}

Prediction PredictPlan(const Plan& plan, SystemSet& systems, std::chrono::milliseconds timeout) {
  Prediction prediction;
  prediction.plan = &plan;
  Workers workers;
  const auto predict = [&](const PlannedStep& planned) {
    const StepContext context = DryContext(plan, planned, systems, workers, timeout);
    PredictedStep predicted;
    predicted.step = &planned;
    if (planned.name == kUndoProven) {
      prediction.way_back = ProveWayBack(context);
      predicted.forecast = ForecastWayBack(*prediction.way_back);
      return predicted;
    }
    Result<Forecast> forecast = FindStep(planned.name)->Predict(context);
    if (forecast)
      predicted.forecast = std::move(*forecast);
    else
      predicted.forecast.problems.push_back(forecast.error());
    if (predicted.forecast.loses.empty()) predicted.forecast.loses = FindStep(planned.name)->spec().loses;
    return predicted;
  };
  for (const PlannedStep& step : plan.steps) prediction.steps.push_back(predict(step));
  for (const PlannedStep& criterion : plan.criteria) prediction.criteria.push_back(predict(criterion));
  if (prediction.way_back) Distribute(prediction);
  return prediction;
}

std::vector<TakenSample> SampleCriteria(const Plan& plan, const ApplicationState* state, SystemSet& systems,
                                        std::chrono::milliseconds timeout) {
  std::vector<TakenSample> samples;
  Workers workers;
  for (const PlannedStep& criterion : plan.criteria) {
    StepContext context = DryContext(plan, criterion, systems, workers, timeout);
    context.elapsed = std::chrono::milliseconds::max();  // since traffic was moved: a sample is wanted in any case
    if (state) context.earlier = EarlierOf(plan, *state);
    const Result<Progress> taken = FindStep(criterion.name)->Apply(context);
    samples.push_back({&criterion, taken ? Result<Json>(taken->facts) : Result<Json>(taken.error())});
  }
  return samples;
}

std::string PredictionText(const Prediction& prediction, bool colour) {
  const Plan& plan = *prediction.plan;
  const Style style{colour};
  std::string text =
      style.Bold(plan.application.name) + ": " + plan.application.source + " -> " + plan.application.target + "\n";
  text += RehearsedText(prediction.rehearsed);
  text += PolicyText(plan.policy, style);
  for (const Error& refusal : prediction.refusals) text += style.Bad("problem: ") + Describe(refusal) + "\n";
  Phase phase = Phase::kPlanned;
  int number = 0;
  for (const PredictedStep& step : prediction.steps) {
    if (step.step->phase != phase) text += "\n" + style.Bold(PhaseTitle(plan, step.step->phase)) + "\n";
    phase = step.step->phase;
    text += StepText(step, style, ++number, prediction.way_back && prediction.way_back->overridden) +
            TimeText(prediction.rehearsed, *step.step);
  }
  text += CriteriaText(prediction, style);
  const std::size_t problems = prediction.problems();
  text += "\n";
  if (prediction.way_back)
    text += style.Bold("to roll back: ") + Wrapped(TimeInWords(*prediction.way_back), 14, 14, ScreenColumns()) + "\n";
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
    step["loses"] = predicted.forecast.loses;
    if (predicted.undo) step["undoProof"] = UndoToJson(*predicted.undo);
    steps.push_back(std::move(step));
  }
  Json criteria = Json::array();
  for (const PredictedStep& predicted : prediction.criteria) criteria.push_back(PredictedToJson(predicted));
  Json overrides = Json::array();
  for (const PolicyOverride& one : prediction.plan->policy.overrides)
    overrides.push_back({{"policy", one.policy}, {"clause", one.clause}, {"violation", one.violation}});
  Json refusals = Json::array();
  for (const Error& refusal : prediction.refusals) refusals.push_back(ErrorToJson(refusal));
  Json rehearsed;
  if (const auto& found = prediction.rehearsed)
    rehearsed = {{"run", found->run},
                 {"at", FormatWallTime(found->at_ms)},
                 {"sameRunbook", found->same_runbook},
                 {"measured", found->measured}};
  Json json = {{"application", prediction.plan->application.name},
               {"source", prediction.plan->application.source},
               {"target", prediction.plan->application.target},
               {"clean", prediction.problems() == 0},
               {"problems", refusals},
               {"approval", prediction.plan->policy.approval},
               {"overrides", overrides},
               {"steps", steps},
               {"criteria", criteria}};
  if (prediction.way_back) json["rollback"] = WayBackToJson(*prediction.way_back);
  if (!rehearsed.is_null()) json["rehearsed"] = rehearsed;
  return json;
}

}  // namespace vmferry
