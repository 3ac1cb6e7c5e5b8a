// SPDX-License-Identifier: Apache-2.0
#include "runbooks/plan.h"

#include <utility>

#include "state/digest.h"

namespace vmferry {
namespace {

Json WorkloadToJson(const Workload& workload) {
  return Json{{"name", workload.name},
              {"vm", workload.vm},
              {"domain", workload.domain},
              {"extra_domain_xml", workload.extra_domain_xml}};
}

Workload WorkloadFromJson(const Json& json) {
  return Workload{json.at("name").get<std::string>(), json.at("vm").get<std::string>(),
                  json.at("domain").get<std::string>(), json.at("extra_domain_xml").get<std::string>()};
}

Json ApplicationToJson(const Application& application) {
  Json workloads = Json::array();
  for (const Workload& workload : application.workloads) workloads.push_back(WorkloadToJson(workload));
  return Json{{"name", application.name},
              {"source", application.source},
              {"target", application.target},
              {"workloads", std::move(workloads)},
              {"networks", application.networks},
              {"storage", application.storage},
              {"domain_type", application.domain_type}};
}

Application ApplicationFromJson(const Json& json) {
  Application application;
  application.name = json.at("name").get<std::string>();
  application.source = json.at("source").get<std::string>();
  application.target = json.at("target").get<std::string>();
  for (const Json& workload : json.at("workloads")) application.workloads.push_back(WorkloadFromJson(workload));
  json.at("networks").get_to(application.networks);
  json.at("storage").get_to(application.storage);
  application.domain_type = json.at("domain_type").get<std::string>();
  return application;
}

Json StepToJson(const PlannedStep& step) {
  return Json{{"phase", Name(step.phase)},
              {"ordinal", step.ordinal},
              {"name", step.name},
              {"workload", step.workload},
              {"parameters", step.parameters},
              {"deadline_ms", step.deadline.count()},
              {"effect", step.effect},
              {"moves_traffic", step.moves_traffic},
              {"point_of_no_return", step.point_of_no_return},
              {"implicit", step.implicit},
              {"line", step.line},
              {"column", step.column}};
}

PlannedStep StepFromJson(const Json& json) {
  PlannedStep step;
  const auto phase = PhaseFromName(json.at("phase").get<std::string>());
  if (!phase) throw Json::other_error::create(501, "unknown phase", &json);
  step.phase = *phase;
  step.ordinal = json.at("ordinal").get<int>();
  step.name = json.at("name").get<std::string>();
  step.workload = json.at("workload").get<std::string>();
  step.parameters = json.at("parameters");
  step.deadline = std::chrono::milliseconds(json.at("deadline_ms").get<std::int64_t>());
  step.effect = json.at("effect").get<bool>();
  step.moves_traffic = json.at("moves_traffic").get<bool>();
  step.point_of_no_return = json.at("point_of_no_return").get<bool>();
  step.implicit = json.at("implicit").get<bool>();
  step.line = json.at("line").get<int>();
  step.column = json.at("column").get<int>();
  return step;
}

}  // namespace

Json PlanToJson(const Plan& plan) {
  Json steps = Json::array();
  for (const PlannedStep& step : plan.steps) steps.push_back(StepToJson(step));
  return Json{{"application", ApplicationToJson(plan.application)},
              {"wave", plan.wave},
              {"rollback_window_minutes", plan.rollback_window_minutes},
              {"runbook_path", plan.runbook_path},
              {"runbook_text", plan.runbook_text},
              {"steps", std::move(steps)}};
}

Result<Plan> PlanFromJson(const Json& json) {
  try {
    Plan plan;
    plan.application = ApplicationFromJson(json.at("application"));
    plan.wave = json.at("wave").get<int>();
    plan.rollback_window_minutes = json.at("rollback_window_minutes").get<int>();
    plan.runbook_path = json.at("runbook_path").get<std::string>();
    plan.runbook_text = json.at("runbook_text").get<std::string>();
    for (const Json& step : json.at("steps")) plan.steps.push_back(StepFromJson(step));
    return plan;
  } catch (const Json::exception& e) {
    return Error{ErrorKind::kCorrupt, "", "plan", e.what(),
                 "it was not written by this version of vmferry, or changed"};
  }
}

// The members of a JSON object are kept sorted, so equal plans have equal texts.
std::string PlanDigest(const Plan& plan) {
  return Sha256Hex(PlanToJson(plan).dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace vmferry
