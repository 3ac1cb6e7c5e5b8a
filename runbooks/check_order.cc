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

constexpr std::array<OrderRule, 16> kRules{{
    {"final_data_sync", "quiesce_application", true, "what the application writes during the copy would be lost"},
    {"convert_image", "final_data_sync", true, "there is nothing to convert before the copy"},
    {"attach_target_storage_profile", "final_data_sync", true, "there are no volumes to attach it to"},
    {"attach_target_storage_profile", "convert_image", false, "it is for the volumes that the machine boots from"},
    {"validate_guest_tools_and_drivers", "final_data_sync", true, "there are no disks to look into"},
    {"validate_guest_tools_and_drivers", "convert_image", false, "it is for the disks that the machine boots from"},
    {"power_on_target", "attach_target_storage_profile", false, "the machine would be defined without it"},
    {"power_on_target", "validate_guest_tools_and_drivers", false, "a running machine's disks cannot be looked into"},
    {"power_on_target", "quiesce_application", true, "source and target would run together"},
    {"power_on_target", "final_data_sync", true, "the target would have no data to start from"},
    {"power_on_target", "convert_image", false, "the image must not change under a running machine"},
    {"smoke_test", "power_on_target", false, "nothing answers on the target yet"},
    {"update_load_balancer", "power_on_target", true, "traffic would go to a machine that does not run"},
    {"update_dns", "power_on_target", true, "clients would be led to a machine that does not run"},
    {"update_dns", "dns_ttl_lowered", false, "caches would keep the old address for the whole old TTL"},
    {"quiesce_application", "dns_ttl_lowered", false, "the wait for caches would be downtime"},
}};

// Between approval and traffic: not while the source still serves, not when everything is over.
constexpr std::array<std::string_view, 4> kCutoverOnly{"quiesce_application", "power_on_target",
                                                       "update_load_balancer", "update_dns"};

// They must act to see: what they change is beside the application, and their undo says what is left.
constexpr std::array<std::string_view, 2> kActingPostChecks{"alerting_signals_present", "backup_job_succeeds"};

// They measure what clients meet after the traffic switch; before it they would judge the source.
constexpr std::array<std::string_view, 2> kMeasureTarget{"p95_latency_within_slo", "error_rate_below_threshold"};

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
  const bool acts = std::find(kActingPostChecks.begin(), kActingPostChecks.end(), name) != kActingPostChecks.end();
  if (step.phase == Phase::kPostChecks && step.spec->effect && !acts)
    return reader.Report(step.at, Quoted(name) + " changes something, and `postChecks` only look",
                         "put it under `cutoverSteps`");
  for (const std::string_view only : kCutoverOnly)
    if (name == only && step.phase != Phase::kCutover)
      reader.Report(step.at, Quoted(name) + " cannot stand under `" + std::string(KeyOf(step.phase)) + "`",
                    "put it under `cutoverSteps`");
}

void CheckMeasured(const Reader& reader, const RunbookModel& runbook, const WrittenStep& step) {
  const std::string& name = step.spec->name;
  if (std::find(kMeasureTarget.begin(), kMeasureTarget.end(), name) == kMeasureTarget.end()) return;
  const bool moved = std::any_of(runbook.steps.begin(), runbook.steps.end(),
                                 [](const WrittenStep& written) { return written.spec->moves_traffic; });
  if (step.phase != Phase::kPostChecks)
    reader.Report(step.at,
                  Quoted(name) + " cannot stand under `" + std::string(KeyOf(step.phase)) +
                      "`: it measures the target after the traffic switch",
                  "put it under `postChecks`");
  else if (!moved && runbook.all_steps_known)
    reader.Report(step.at, Quoted(name) + " without a step that moves traffic: it would measure the source",
                  "put `update_load_balancer` or `update_dns` under `cutoverSteps`");
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
    CheckMeasured(reader, runbook, step);
  }
  CheckRepeats(reader, runbook);
}

}  // namespace vmferry
