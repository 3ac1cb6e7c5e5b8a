// SPDX-License-Identifier: Apache-2.0
//
// What order and company of steps makes sense. Found offline, before anything slow or destructive begins.
#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "runbooks/check_runbook.h"
#include "runbooks/secrecy.h"

namespace vmferry {
namespace {

// `step` stands after `earlier`. With `needed` it is nothing without it; else only their order in one phase counts.
struct OrderRule {
  std::string_view step;
  std::string_view earlier;
  bool needed;
  std::string_view why;
};

constexpr std::array<OrderRule, 7> kRules{{
    {"final_data_sync", "quiesce_application", true, "what the application writes during the copy would be lost"},
    {"convert_image", "final_data_sync", true, "there is nothing to convert before the copy"},
    {"power_on_target", "quiesce_application", true, "source and target would run together"},
    {"power_on_target", "final_data_sync", true, "the target would have no data to start from"},
    {"power_on_target", "convert_image", false, "the image must not change under a running machine"},
    {"smoke_test", "power_on_target", false, "nothing answers on the target yet"},
    {"update_load_balancer", "power_on_target", true, "traffic would go to a machine that does not run"},
}};

// Between approval and traffic: not while the source still serves, not when everything is over.
constexpr std::array<std::string_view, 3> kCutoverOnly{"quiesce_application", "power_on_target",
                                                       "update_load_balancer"};

std::string_view KeyOf(Phase phase) {
  for (const PhaseKey& key : PhaseKeys())
    if (key.phase == phase) return key.key;
  return "";
}

bool ComesBefore(const RunbookModel& runbook, std::string_view step, const WrittenStep& other) {
  for (const WrittenStep& written : runbook.steps) {
    if (&written == &other) return false;
    if (written.spec->name == step) return true;
  }
  return false;
}

bool Exists(const RunbookModel& runbook, std::string_view step, std::optional<Phase> phase) {
  return std::any_of(runbook.steps.begin(), runbook.steps.end(), [&](const WrittenStep& written) {
    return written.spec->name == step && (!phase || written.phase == *phase);
  });
}

void CheckRule(const Reader& reader, const RunbookModel& runbook, const WrittenStep& step, const OrderRule& rule) {
  if (step.spec->name != rule.step || ComesBefore(runbook, rule.earlier, step)) return;
  const bool later = Exists(runbook, rule.earlier, rule.needed ? std::nullopt : std::optional(step.phase));
  // A step nobody knows may be the missing one, misspelt.
  if (!later && (!rule.needed || !runbook.all_steps_known)) return;
  reader.Report(step.at,
                Quoted(rule.step) + (later ? " stands before " : " without ") + Quoted(rule.earlier) + ": " +
                    std::string(rule.why),
                "put " + Quoted(rule.earlier) + " before it");
}

void CheckPhase(const Reader& reader, const WrittenStep& step) {
  const std::string& name = step.spec->name;
  if (step.phase == Phase::kPostChecks && step.spec->effect)
    return reader.Report(step.at, Quoted(name) + " changes something, and `postChecks` only look",
                         "put it under `cutoverSteps`");
  for (const std::string_view only : kCutoverOnly)
    if (name == only && step.phase != Phase::kCutover)
      reader.Report(step.at, Quoted(name) + " cannot stand under `" + std::string(KeyOf(step.phase)) + "`",
                    "put it under `cutoverSteps`");
}

// A check may look once in each phase; what changes something is done once.
void CheckRepeats(const Reader& reader, const RunbookModel& runbook) {
  std::set<std::pair<Phase, std::string_view>> in_phase;
  std::set<std::string_view> anywhere;
  for (const WrittenStep& step : runbook.steps) {
    const bool first_in_phase = in_phase.emplace(step.phase, step.spec->name).second;
    const bool first = anywhere.insert(step.spec->name).second;
    if (!first_in_phase)
      reader.Report(step.at,
                    Quoted(step.spec->name) + " is listed twice under `" + std::string(KeyOf(step.phase)) + "`",
                    "keep one of them");
    else if (!first && step.spec->effect)
      reader.Report(step.at, Quoted(step.spec->name) + " changes something and is listed in two phases",
                    "keep one of them");
  }
}

}  // namespace

void CheckOrder(const Reader& reader, const RunbookModel& runbook) {
  for (const WrittenStep& step : runbook.steps) {
    for (const OrderRule& rule : kRules) CheckRule(reader, runbook, step, rule);
    CheckPhase(reader, step);
  }
  CheckRepeats(reader, runbook);
}

}  // namespace vmferry
