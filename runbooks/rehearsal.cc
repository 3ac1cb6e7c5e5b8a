// SPDX-License-Identifier: Apache-2.0
#include "runbooks/rehearsal.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "steps/boot_proof.h"
#include "steps/fingerprint.h"
#include "steps/smoke_probes.h"

namespace vmferry {
namespace {

constexpr std::string_view kUnknownKind = "it is not known how to try it on a clone";
constexpr std::string_view kRehearsalUrl = "rehearsalUrl";  // parameter of smoke_test

// Steps that serve a rehearsal as they are. All others need a reason to be left out.
constexpr std::array<std::string_view, 15> kStay{"vm_exists",
                                                 "target_capacity",
                                                 "target_name_free",
                                                 "backup_success_last_24h",
                                                 "target_monitoring_ready",
                                                 "target_network_policy_validated",
                                                 "policy_validated",
                                                 "target_out_of_service",
                                                 "claim_source",
                                                 "final_data_sync",
                                                 "convert_image",
                                                 "attach_target_storage_profile",
                                                 "validate_guest_tools_and_drivers",
                                                 "power_on_target",
                                                 "smoke_test"};

struct Reason {
  std::string_view step;
  std::string_view why;
};
constexpr std::array<Reason, 15> kLeftOut{{
    {"dns_ttl_lowered", "DNS is left alone"},
    {"update_dns", "DNS is left alone"},
    {"quiesce_application", "the source goes on serving"},
    {"update_load_balancer", "traffic stays on the source"},
    {"p95_latency_within_slo", "no traffic reaches the clone"},
    {"error_rate_below_threshold", "no traffic reaches the clone"},
    {"backup_job_succeeds", "a backup of the clone would stand among the real ones"},
    {"alerting_signals_present", "nobody is called for a rehearsal"},
    {"command", "it may look at the real target"},
    {"source_measured", "no traffic reaches the clone"},
    {"undo_proven", "every undo is tried"},
    {"merge_overlay", "a rehearsal is never committed"},
    {"retire_source", "a rehearsal is never committed"},
    {"release_source", "a rehearsal is never committed"},
    {"rehearsal_fingerprint", "it is added where it belongs"},
}};

// Why the step is left out; empty if it stays.
std::string WhyNot(const PlannedStep& step) {
  if (step.name == "command" && step.phase == Phase::kPreChecks) return "";
  if (step.name == kSmokeTest && !step.parameters.contains(kRehearsalUrl))
    return "its `url` is where the real target answers; `rehearsalUrl` would be where the clone does";
  if (std::find(kStay.begin(), kStay.end(), step.name) != kStay.end()) return "";
  const auto known = std::find_if(kLeftOut.begin(), kLeftOut.end(),
                                  [&step](const Reason& reason) { return reason.step == step.name; });
  return std::string(known == kLeftOut.end() ? kUnknownKind : known->why);
}

void NoteOnce(Plan& plan, const std::string& step, const std::string& why, bool cutover = false) {
  const auto same = [&](const LeftOut& other) { return other.step == step && other.why == why; };
  if (std::none_of(plan.left_out.begin(), plan.left_out.end(), same)) plan.left_out.push_back({step, why, cutover});
}

// What a step does otherwise than in the real run.
void Adapt(Plan& plan, PlannedStep& step) {
  Json& parameters = step.parameters;
  if (step.name == kSmokeTest) {
    parameters["url"] = parameters[std::string(kRehearsalUrl)];
    parameters.erase(std::string(kRehearsalUrl));
    if (parameters.erase("probes") > 0) NoteOnce(plan, "smoke_test: probes", "they are about the real target");
  }
  if (step.name == "final_data_sync" && parameters.value("method", "folder") != "folder") {
    NoteOnce(plan, "final_data_sync: method", "a snapshot's disks are read from the datastore (`folder`)");
    parameters["method"] = "folder";
  }
  if (step.name == kPowerOnTarget && parameters.value("bootProof", "none") == "port") {
    NoteOnce(plan, "power_on_target: bootProof", "a port is looked for on the real network; `agent` and `console` are not");
    parameters["bootProof"] = "none";
  }
}

void Isolate(Application& application) {
  application.rehearsal = true;
  for (auto& [from, to] : application.networks) to = application.rehearsal_network;
  for (Workload& workload : application.workloads) {
    workload.domain = RehearsalDomain(workload.domain);
    workload.extra_domain_xml = workload.rehearsal_domain_xml;
  }
}

// Before the first effect, so that its undo is the last.
void AddFingerprint(Plan& plan) {
  const StepSpec& spec = FindStep(kRehearsalFingerprint)->spec();
  const auto first = std::find_if(plan.steps.begin(), plan.steps.end(), [](const PlannedStep& step) { return step.effect; });
  PlannedStep planned;
  planned.phase = first->phase;
  planned.ordinal = first->ordinal;
  planned.name = spec.name;
  planned.parameters = Json::object();
  planned.deadline = spec.deadline;
  planned.effect = true;
  planned.implicit = true;
  plan.steps.insert(first, std::move(planned));
}

}  // namespace

Result<Plan> MakeRehearsal(Plan plan) {
  const std::string object = "application " + plan.application.name;
  const auto starts = [](const PlannedStep& step) { return step.name == kPowerOnTarget; };
  if (std::none_of(plan.steps.begin(), plan.steps.end(), starts))
    return Error{ErrorKind::kInvalid, "vmferry", object, "its runbook starts nothing on the target",
                 "there is nothing to rehearse"};
  if (plan.application.rehearsal_network.empty())
    return Error{ErrorKind::kInvalid, "vmferry", object, "the site names no isolated network to rehearse on",
                 "give platform `" + plan.application.target +
                     "` a network that leads nowhere: `rehearsal: {network: network:NAME}`"};
  Isolate(plan.application);
  std::vector<PlannedStep> steps;
  for (PlannedStep& step : plan.steps) {
    const std::string why = WhyNot(step);
    if (!why.empty()) {
      NoteOnce(plan, step.name, why, step.phase == Phase::kCutover);
      continue;
    }
    Adapt(plan, step);
    steps.push_back(std::move(step));
  }
  plan.steps = std::move(steps);
  for (const PlannedStep& criterion : plan.criteria) NoteOnce(plan, criterion.name, "no traffic reaches the clone");
  plan.criteria.clear();
  plan.policy.approval.clear();  // nothing of the real run is passed
  plan.rollback_window_minutes = 0;
  AddFingerprint(plan);
  return plan;
}

}  // namespace vmferry
