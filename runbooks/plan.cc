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

// What is false, zero or empty is left out: a wave has thousands of steps.
Json StepToJson(const PlannedStep& step) {
  Json json{{"phase", Name(step.phase)},
            {"ordinal", step.ordinal},
            {"name", step.name},
            {"parameters", step.parameters},
            {"deadline_ms", step.deadline.count()}};
  if (!step.workload.empty()) json["workload"] = step.workload;
  if (step.line > 0) json["line"] = step.line;
  if (step.column > 0) json["column"] = step.column;
  const std::pair<const char*, bool> flags[] = {{"effect", step.effect},
                                                {"moves_traffic", step.moves_traffic},
                                                {"point_of_no_return", step.point_of_no_return},
                                                {"undo_continues", step.undo_continues},
                                                {"implicit", step.implicit}};
  for (const auto& [name, set] : flags)
    if (set) json[name] = true;
  return json;
}

PlannedStep StepFromJson(const Json& json) {
  PlannedStep step;
  const auto phase = PhaseFromName(json.at("phase").get<std::string>());
  if (!phase) throw Json::other_error::create(501, "unknown phase", &json);
  step.phase = *phase;
  step.ordinal = json.at("ordinal").get<int>();
  step.name = json.at("name").get<std::string>();
  step.workload = json.value("workload", "");
  step.parameters = json.at("parameters");
  step.deadline = std::chrono::milliseconds(json.at("deadline_ms").get<std::int64_t>());
  step.effect = json.value("effect", false);
  step.moves_traffic = json.value("moves_traffic", false);
  step.point_of_no_return = json.value("point_of_no_return", false);
  step.undo_continues = json.value("undo_continues", false);
  step.implicit = json.value("implicit", false);
  step.line = json.value("line", 0);
  step.column = json.value("column", 0);
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
    plan.steps.reserve(json.at("steps").size());
    for (const Json& step : json.at("steps")) plan.steps.push_back(StepFromJson(step));
    return plan;
  } catch (const Json::exception& e) {
    return Error{ErrorKind::kCorrupt, "", "plan", e.what(),
                 "it was not written by this version of vmferry, or changed"};
  }
}

Result<Plan> PlanOf(const ApplicationState& application) {
  const Json created = Json::parse(application.created, nullptr, false);
  const auto plan = created.find("plan");
  static const Json kNone;
  return PlanFromJson(plan == created.end() ? kNone : *plan);
}

// The members of a JSON object are kept sorted, so equal plans have equal texts.
std::string PlanDigest(const Plan& plan) {
  return Sha256Hex(PlanToJson(plan).dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace vmferry
