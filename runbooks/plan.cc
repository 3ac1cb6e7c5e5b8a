// SPDX-License-Identifier: Apache-2.0
#include "runbooks/plan.h"

#include <utility>

#include "state/digest.h"
#include "state/json_element.h"

namespace vmferry {
namespace {

Error NotAPlan(const std::string& why) {
  return Error{ErrorKind::kCorrupt, "", "plan", why, "it was not written by this version of vmferry, or changed"};
}

Json WorkloadToJson(const Workload& workload) {
  Json json{{"name", workload.name},
            {"vm", workload.vm},
            {"domain", workload.domain},
            {"extra_domain_xml", workload.extra_domain_xml}};
  if (!workload.rehearsal_domain_xml.empty()) json["rehearsal_domain_xml"] = workload.rehearsal_domain_xml;
  return json;
}

Json ApplicationToJson(const Application& application) {
  Json workloads = Json::array();
  for (const Workload& workload : application.workloads) workloads.push_back(WorkloadToJson(workload));
  Json json{{"name", application.name},
            {"source", application.source},
            {"target", application.target},
            {"workloads", std::move(workloads)},
            {"networks", application.networks},
            {"storage", application.storage},
            {"domain_type", application.domain_type}};
  if (!application.rehearsal_network.empty()) json["rehearsal_network"] = application.rehearsal_network;
  if (application.rehearsal) json["rehearsal"] = true;
  return json;
}

// What is false, zero or empty is left out: a wave has thousands of steps.
Json StepToJson(const PlannedStep& step) {
  Json json = Json::object();
  json["phase"] = Name(step.phase);
  json["ordinal"] = step.ordinal;
  json["name"] = step.name;
  json["parameters"] = step.parameters;
  json["deadline_ms"] = step.deadline.count();
  if (!step.workload.empty()) json["workload"] = step.workload;
  if (step.line > 0) json["line"] = step.line;
  if (step.column > 0) json["column"] = step.column;
  const std::pair<const char*, bool> flags[] = {{"effect", step.effect},
                                                {"moves_traffic", step.moves_traffic},
                                                {"point_of_no_return", step.point_of_no_return},
                                                {"undo_continues", step.undo_continues},
                                                {"needs_approval", step.needs_approval},
                                                {"implicit", step.implicit}};
  for (const auto& [name, set] : flags)
    if (set) json[name] = true;
  return json;
}

std::string Text(const JsonElement& json, const char* member) {
  return std::string(json[member].get_string().value());
}

bool Has(const JsonElement& json, const char* member) {
  return json[member].error() == simdjson::SUCCESS;
}

bool Flag(const JsonElement& json, const char* member) {
  return Has(json, member) && json[member].get_bool().value();
}

std::map<std::string, std::string> TextMap(const JsonElement& json) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : simdjson::dom::object(json)) texts.emplace(name, std::string_view(value));
  return texts;
}

Workload ReadWorkload(const JsonElement& json) {
  return Workload{Text(json, "name"), Text(json, "vm"), Text(json, "domain"), Text(json, "extra_domain_xml"),
                  Has(json, "rehearsal_domain_xml") ? Text(json, "rehearsal_domain_xml") : ""};
}

Application ReadApplication(const JsonElement& json) {
  Application application;
  application.name = Text(json, "name");
  application.source = Text(json, "source");
  application.target = Text(json, "target");
  const simdjson::dom::array workloads = json["workloads"];
  for (const JsonElement workload : workloads) application.workloads.push_back(ReadWorkload(workload));
  application.networks = TextMap(json["networks"].value());
  application.storage = TextMap(json["storage"].value());
  application.domain_type = Text(json, "domain_type");
  if (Has(json, "rehearsal_network")) application.rehearsal_network = Text(json, "rehearsal_network");
  application.rehearsal = Flag(json, "rehearsal");
  return application;
}

int Number(const JsonElement& json, const char* member) {
  return static_cast<int>(json[member].get_int64().value());
}

Result<PlannedStep> ReadStep(const JsonElement& json) {
  PlannedStep step;
  const auto phase = PhaseFromName(json["phase"].get_string().value());
  if (!phase) return NotAPlan("unknown phase '" + Text(json, "phase") + "'");
  step.phase = *phase;
  step.ordinal = Number(json, "ordinal");
  step.name = Text(json, "name");
  if (Has(json, "workload")) step.workload = Text(json, "workload");
  step.parameters = ToJson(json["parameters"].value());
  step.deadline = std::chrono::milliseconds(json["deadline_ms"].get_int64().value());
  step.effect = Flag(json, "effect");
  step.moves_traffic = Flag(json, "moves_traffic");
  step.point_of_no_return = Flag(json, "point_of_no_return");
  step.undo_continues = Flag(json, "undo_continues");
  step.needs_approval = Flag(json, "needs_approval");
  step.implicit = Flag(json, "implicit");
  if (Has(json, "line")) step.line = Number(json, "line");
  if (Has(json, "column")) step.column = Number(json, "column");
  return step;
}

Json PolicyToJson(const PolicyDemands& policy) {
  Json in_force = Json::array();
  for (const PolicyInForce& one : policy.in_force) in_force.push_back({{"name", one.name}, {"digest", one.digest}});
  Json overrides = Json::array();
  for (const PolicyOverride& one : policy.overrides)
    overrides.push_back({{"policy", one.policy}, {"clause", one.clause}, {"violation", one.violation}});
  return Json{{"in_force", std::move(in_force)},
              {"approval", policy.approval},
              {"audit_log", policy.audit_log},
              {"overrides", std::move(overrides)}};
}

std::vector<std::string> Texts(const JsonElement& json, const char* member) {
  std::vector<std::string> texts;
  const simdjson::dom::array array = json[member];
  for (const JsonElement text : array) texts.emplace_back(std::string_view(text));
  return texts;
}

PolicyDemands ReadPolicy(const JsonElement& json) {
  PolicyDemands policy;
  const simdjson::dom::array in_force = json["in_force"];
  for (const JsonElement one : in_force) policy.in_force.push_back({Text(one, "name"), Text(one, "digest")});
  policy.approval = Texts(json, "approval");
  policy.audit_log = Texts(json, "audit_log");
  const simdjson::dom::array overrides = json["overrides"];
  for (const JsonElement one : overrides)
    policy.overrides.push_back({Text(one, "policy"), Text(one, "clause"), Text(one, "violation")});
  return policy;
}

Status ReadSteps(const simdjson::dom::array& json, std::vector<PlannedStep>& steps) {
  steps.reserve(json.size());
  for (const JsonElement element : json) {
    Result<PlannedStep> step = ReadStep(element);
    if (!step) return step.error();
    steps.push_back(*std::move(step));
  }
  return Ok();
}

void ReadLeftOut(const simdjson::dom::array& json, std::vector<LeftOut>& left_out) {
  for (const JsonElement one : json) left_out.push_back({Text(one, "step"), Text(one, "why"), Flag(one, "cutover")});
}

// Throws simdjson_error on what is not there or of another type.
Result<Plan> ReadPlan(const JsonElement& json) {
  Plan plan;
  plan.application = ReadApplication(json["application"].value());
  plan.wave = Number(json, "wave");
  plan.rollback_window_minutes = Number(json, "rollback_window_minutes");
  plan.commit_at_window_end = Flag(json, "commit_at_window_end");
  plan.runbook_path = Text(json, "runbook_path");
  plan.runbook_text = Text(json, "runbook_text");
  if (Has(json, "policy")) plan.policy = ReadPolicy(json["policy"].value());
  if (const Status steps = ReadSteps(json["steps"].get_array().value(), plan.steps); !steps) return steps.error();
  if (Has(json, "left_out")) ReadLeftOut(json["left_out"].get_array().value(), plan.left_out);
  if (!Has(json, "criteria")) return plan;
  const Status criteria = ReadSteps(json["criteria"].get_array().value(), plan.criteria);
  if (!criteria) return criteria.error();
  return plan;
}

Result<Plan> ReadPlan(std::string_view text, const char* member) {
  try {
    const JsonElement json = JsonParser().parse(text.data(), text.size());
    return ReadPlan(member ? json[member].value() : json);
  } catch (const simdjson::simdjson_error& e) {
    return NotAPlan(e.what());
  }
}

}  // namespace

Json PlanToJson(const Plan& plan) {
  Json steps = Json::array();
  for (const PlannedStep& step : plan.steps) steps.push_back(StepToJson(step));
  Json json{{"application", ApplicationToJson(plan.application)},
            {"wave", plan.wave},
            {"rollback_window_minutes", plan.rollback_window_minutes},
            {"runbook_path", plan.runbook_path},
            {"runbook_text", plan.runbook_text},
            {"steps", std::move(steps)}};
  if (plan.commit_at_window_end) json["commit_at_window_end"] = true;
  for (const PlannedStep& criterion : plan.criteria) json["criteria"].push_back(StepToJson(criterion));
  for (const LeftOut& one : plan.left_out)
    json["left_out"].push_back({{"step", one.step}, {"why", one.why}, {"cutover", one.cutover}});
  if (!plan.policy.in_force.empty()) json["policy"] = PolicyToJson(plan.policy);
  return json;
}

Result<Plan> PlanFromText(std::string_view json) {
  return ReadPlan(json, nullptr);
}

Result<Plan> PlanOf(const ApplicationState& application) {
  return PlanFromCreated(application.created ? *application.created : "");
}

Result<Plan> PlanFromCreated(std::string_view payload) {
  return ReadPlan(payload, "plan");
}

// The members of a JSON object are kept sorted, so equal plans have equal texts.
std::string PlanDigest(const Plan& plan) {
  return Sha256Hex(PlanToJson(plan).dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace vmferry
