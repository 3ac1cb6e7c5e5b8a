// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/rehearsal.h"

#include <algorithm>

#include "orchestrator/decide.h"
#include "steps/fingerprint.h"

namespace vmferry {
namespace {

// What stands around the real run's downtime, not in it.
bool Counts(const PlannedStep& step) {
  return step.phase == Phase::kCutover && !step.implicit;
}

std::string Listed(const Json& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i].get<std::string>();
  return text;
}

std::string RateText(const Json& measured) {
  const std::uint64_t bytes = measured.value("bytes", std::uint64_t{0});
  const std::int64_t ms = measured.value("copyMs", std::int64_t{0});
  if (bytes == 0 || ms <= 0) return "";
  const double per_second = static_cast<double>(bytes) * 1000 / static_cast<double>(ms);
  return "; " + HumanBytes(bytes) + " were copied at " + HumanBytes(static_cast<std::uint64_t>(per_second)) + "/s";
}

const StepState* Fingerprint(const ApplicationState& state) {
  for (const auto& [index, step] : state.steps)
    if (step.name == kRehearsalFingerprint) return &step;
  return nullptr;
}

}  // namespace

Json MeasureRehearsal(const Plan& plan, const ApplicationState& state) {
  Json measured = {{"steps", Json::array()}, {"cutoverMs", 0}, {"notTried", Json::array()}};
  std::int64_t cutover_ms = 0;
  for (const auto& [index, step] : state.steps) {
    const PlannedStep& planned = plan.steps[static_cast<std::size_t>(index)];
    if (step.status != StepStatus::kDone || step.ended_ms < step.first_intent_ms) continue;
    const std::int64_t ms = step.ended_ms - step.first_intent_ms;
    measured["steps"].push_back({{"step", StepTitle(planned)}, {"phase", std::string(Name(planned.phase))}, {"ms", ms}});
    if (Counts(planned)) cutover_ms += ms;
    if (planned.name != "final_data_sync" || !step.facts.is_object()) continue;
    measured["bytes"] = step.facts.value("bytes", std::uint64_t{0});
    measured["copyMs"] = ms;
  }
  measured["cutoverMs"] = cutover_ms;
  for (const LeftOut& left_out : plan.left_out)
    if (left_out.cutover) measured["notTried"].push_back(left_out.step);
  return measured;
}

Json FingerprintFacts(const ApplicationState& state) {
  const StepState* step = Fingerprint(state);
  return step != nullptr && step->status == StepStatus::kUndone ? step->facts : Json();
}

bool RehearsedWell(const ApplicationState& state) {
  const Json facts = state.rehearsed.is_null() ? Json() : FingerprintFacts(state);
  return state.phase == Phase::kRolledBack && facts.is_object() && facts.value("equal", false);
}

std::string DowntimeForecast(const Json& measured) {
  const Json not_tried = measured.value("notTried", Json::array());
  std::string text =
      "about " + HumanDuration(std::chrono::milliseconds(measured.value("cutoverMs", std::int64_t{0}))) + ", measured";
  if (!not_tried.empty()) text += ", plus " + Listed(not_tried) + ", which a rehearsal does not try";
  return text + RateText(measured);
}

std::string RehearsalText(const ApplicationState& state, const Style& style) {
  if (state.rehearsed.is_null()) return "";
  std::string text;
  for (const Json& step : state.rehearsed.value("steps", Json::array()))
    text += "  " + Padded(step.value("step", ""), kTitleWidth) + " " +
            HumanDuration(std::chrono::milliseconds(step.value("ms", std::int64_t{0}))) + "\n";
  text += "  forecast of the time without service: " + DowntimeForecast(state.rehearsed) + "\n";
  const Json facts = FingerprintFacts(state);
  if (facts.is_null()) return text;
  if (facts.value("equal", false))
    return text + "  " + style.Good("source and target are as before") + " (SHA-256 " +
           facts.value("before", std::string()).substr(0, 12) + ")\n";
  text += "  " + style.Bad("source or target is not as before:") + "\n";
  for (const Json& difference : facts.value("differences", Json::array()))
    text += "    " + difference.get<std::string>() + "\n";
  return text;
}

Result<std::optional<Rehearsed>> LatestRehearsal(const JournalReader& journal, const Plan& plan) {
  auto runs = journal.Runs();
  if (!runs) return runs.error();
  for (auto id = runs->rbegin(); id != runs->rend(); ++id) {
    const Result<RunState> run = journal.State(*id);
    if (!run) return run.error();
    const auto found = run->applications.find(plan.application.name);
    if (found == run->applications.end() || found->second.rehearsed.is_null()) continue;
    const Result<Plan> rehearsed = PlanOf(found->second);
    const bool same = rehearsed && rehearsed->runbook_text == plan.runbook_text;
    return std::optional(Rehearsed{*id, found->second.updated_ms, same, found->second.rehearsed});
  }
  return std::optional<Rehearsed>();
}

}  // namespace vmferry
