// SPDX-License-Identifier: Apache-2.0
//
// What policies ask of an application: what the documents show is judged here, the rest goes into the plan.
#include <algorithm>

#include "runbooks/characters.h"
#include "runbooks/check_policy.h"
#include "runbooks/platform_names.h"
#include "runbooks/secrecy.h"
#include "runbooks/suggest.h"

namespace vmferry {
namespace {

constexpr std::string_view kGpuStep = "policy_validated";

// The words, and where the policy lists them: "`a` and `b` (policy.yaml:6:5)".
std::string Listed(const PolicyModel& policy, const PolicyWords& words) {
  std::vector<std::string> texts;
  for (const PolicyWord& word : words) texts.push_back(word.text);
  const Document& document = policy.reader->document;
  const Position place = document.PlaceOf(words.empty() ? 0 : words.front().at);
  return ListOf(texts) + " (" + Tamed(document.path()) + ":" + std::to_string(place.line) + ":" +
         std::to_string(place.column) + ")";
}

bool Selects(const PolicyModel& policy, const std::string& name, const SiteApplication& application) {
  const auto has = [&application](const auto& label) {
    const auto found = application.labels.find(label.first);
    return found != application.labels.end() && found->second == label.second;
  };
  const auto is = [&name](const PolicyWord& word) { return word.text == name; };
  const PolicyWords& names = policy.applications;
  return std::all_of(policy.labels.begin(), policy.labels.end(), has) &&
         (names.empty() || std::any_of(names.begin(), names.end(), is));
}

// One policy on one application.
class Judge {
 public:
  Judge(const PolicyModel& policy, const std::set<std::string>& overrides, const Reader& reader, Plan& plan)
      : policy_(policy), overrides_(overrides), reader_(reader), plan_(plan) {}

  void CheckPlatform(const SystemEntry& platform, std::size_t at) {
    if (!policy_.platforms) return;
    const auto names = NamesOf(platform);
    for (const PolicyWord& word : *policy_.platforms) {
      const std::string_view field = FieldPlatform(word.text);
      if (names.contains(word.text) || (!field.empty() && names.contains(field))) return;
    }
    Violated(kPlatformsClause, at, "platform " + Quoted(platform.name) + " is not allowed",
             "allowed are " + Listed(policy_, *policy_.platforms));
  }

  void CheckZone(const SystemEntry& target, std::size_t at, const std::string& site_path) {
    if (!policy_.zones) return;
    for (const PolicyWord& zone : *policy_.zones)
      if (zone.text == target.zone) return;
    const std::string allowed = "allowed are " + Listed(policy_, *policy_.zones);
    if (target.zone.empty())
      return Violated(kResidencyClause, at, "the target " + Quoted(target.name) + " is in no zone",
                      allowed + "; say in " + Tamed(site_path) + " where it is: `platforms." + target.name + ".zone`");
    Violated(kResidencyClause, at, "the target " + Quoted(target.name) + " is in zone " + Quoted(target.zone), allowed);
  }

  // What devices the VMs have only their platform can tell, so a step looks, before all others.
  void AddGpuCheck(const StepSpec& step) {
    if (!policy_.gpu_modes) return;
    PlannedStep planned;
    planned.phase = Phase::kPreChecks;
    planned.name = step.name;
    planned.implicit = true;
    planned.deadline = step.deadline;
    Json modes = Json::array();
    for (const PolicyWord& mode : *policy_.gpu_modes) modes.push_back(mode.text);
    planned.parameters = {{"policy", policy_.name}, {"allowModes", modes}};
    if (overrides_.contains(std::string(kGpuClause))) {
      planned.parameters["overridden"] = true;
      Override(kGpuClause, "devices of other modes than " + modes.dump() + " are let through");
    }
    for (auto workload = plan_.application.workloads.rbegin(); workload != plan_.application.workloads.rend();
         ++workload) {
      planned.workload = workload->name;
      plan_.steps.insert(plan_.steps.begin(), planned);
    }
  }

  void AddDemands() {
    PolicyDemands& demands = plan_.policy;
    demands.in_force.push_back({policy_.name, policy_.digest});
    if (policy_.requires_approval) demands.approval.push_back(policy_.name);
    if (policy_.immutable_audit_log) demands.audit_log.push_back(policy_.name);
  }

 private:
  void Violated(std::string_view clause, std::size_t at, const std::string& what, const std::string& hint) {
    if (overrides_.contains(std::string(clause))) return Override(clause, what);
    reader_.Report(at, "policy " + Quoted(policy_.name) + ", " + std::string(clause) + ": " + what, hint);
  }
  void Override(std::string_view clause, const std::string& what) {
    plan_.policy.overrides.push_back({policy_.name, std::string(clause), what});
  }

  const PolicyModel& policy_;
  const std::set<std::string>& overrides_;
  const Reader& reader_;
  Plan& plan_;
};

const SystemEntry* Named(const SiteModel& site, const std::string& name) {
  return name.empty() ? nullptr : site.FindSystem(name);
}

}  // namespace

void ApplyPolicies(const std::vector<PolicyModel>& policies, const std::set<std::string>& overrides,
                   const Reader& reader, const RunbookModel& runbook, const SiteModel& site,
                   const Vocabulary& vocabulary, Plan& plan) {
  const auto application = site.applications.find(runbook.application);
  const SystemEntry* source = Named(site, plan.application.source);
  const SystemEntry* target = Named(site, plan.application.target);
  const StepSpec* gpu_step = vocabulary.FindStep(kGpuStep);
  if (application == site.applications.end()) return;  // which was reported
  // Steps go in front, so the last policy first.
  for (auto policy = policies.rbegin(); policy != policies.rend(); ++policy)
    if (Selects(*policy, runbook.application, application->second) && gpu_step != nullptr)
      Judge(*policy, overrides, reader, plan).AddGpuCheck(*gpu_step);
  for (const PolicyModel& policy : policies) {
    if (!Selects(policy, runbook.application, application->second)) continue;
    Judge judge(policy, overrides, reader, plan);
    judge.AddDemands();
    if (source != nullptr) judge.CheckPlatform(*source, runbook.source_at);
    if (target != nullptr) judge.CheckPlatform(*target, runbook.target_at);
    if (target != nullptr) judge.CheckZone(*target, runbook.target_at, site.document->path());
  }
}

}  // namespace vmferry
