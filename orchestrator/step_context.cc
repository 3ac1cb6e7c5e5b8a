// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/step_context.h"

#include <algorithm>
#include <map>

#include "orchestrator/decide.h"
#include "orchestrator/soak.h"
#include "state/digest.h"

namespace vmferry {
namespace {

using Facts = std::map<std::string, Json>;

std::string NameOf(std::string_view step, std::string_view workload) {
  return std::string(step) + "\n" + std::string(workload);
}

Facts EarlierFacts(const Plan& plan, const ApplicationState& state) {
  Facts facts;
  for (const auto& [index, step] : state.steps) {
    const PlannedStep& planned = plan.steps[static_cast<std::size_t>(index)];
    const bool done = step.status == StepStatus::kDone || step.status == StepStatus::kFound;
    if (done && !step.facts.is_null()) facts[NameOf(planned.name, planned.workload)] = step.facts;
  }
  return facts;
}

}  // namespace

std::function<Json(std::string_view, std::string_view)> EarlierOf(const Plan& plan, const ApplicationState& state) {
  return [earlier = EarlierFacts(plan, state)](std::string_view name, std::string_view workload) {
    const auto fact = earlier.find(NameOf(name, workload));
    return fact == earlier.end() ? Json() : fact->second;
  };
}

std::string StepKey(const std::string& run, const Plan& plan, int index, int generation) {
  const PlannedStep& step = plan.steps[static_cast<std::size_t>(index)];
  const char separator = '\n';  // cannot occur in any of the names
  std::string text = "vmferry step key 1";
  for (const std::string& part : {run, plan.application.name, step.workload, std::string(Name(step.phase)),
                                  std::to_string(step.ordinal), step.name, std::string("forward"),
                                  std::to_string(generation)})
    text += separator + part;
  return Sha256Hex(text);
}

StepContext MakeContext(const std::string& run, const Plan& plan, const ApplicationState& state, int index,
                        std::int64_t now_ms) {
  static const StepState kPending;
  const auto found = state.steps.find(index);
  const StepState& step = found == state.steps.end() ? kPending : found->second;
  const PlannedStep& planned = plan.steps[static_cast<std::size_t>(index)];
  StepContext context;
  context.run = run;
  context.application = &plan.application;
  for (const Workload& workload : plan.application.workloads)
    if (workload.name == planned.workload) context.workload = &workload;
  context.parameters = planned.parameters;
  if (planned.effect) context.key = step.key.empty() ? StepKey(run, plan, index, step.generation) : step.key;
  context.before = step.before;
  context.handle = step.handle;
  context.facts = step.facts;
  if (step.since_ms > 0)
    context.elapsed = std::chrono::milliseconds(std::max<std::int64_t>(0, now_ms - step.since_ms));
  const bool undoing = step.status == StepStatus::kUndoing;
  context.target_served = undoing && TargetServed(plan, state);
  context.earlier = EarlierOf(plan, state);
  return context;
}

StepContext MakeCriterionContext(const std::string& run, const Plan& plan, const ApplicationState& state,
                                 std::size_t index, std::int64_t now_ms) {
  StepContext context;
  context.run = run;
  context.application = &plan.application;
  context.parameters = plan.criteria[index].parameters;
  const std::int64_t moved = MovedAt(plan, state);
  if (moved > 0) context.elapsed = std::chrono::milliseconds(std::max<std::int64_t>(0, now_ms - moved));
  context.earlier = EarlierOf(plan, state);
  return context;
}

}  // namespace vmferry
