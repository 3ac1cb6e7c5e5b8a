// SPDX-License-Identifier: Apache-2.0
//
// From a runbook and a site to a Plan: platforms by their names, parameters by the look-up order, workload steps once
// for each workload, and the steps nobody writes.
#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "runbooks/characters.h"
#include "runbooks/check_baselines.h"
#include "runbooks/check_parameters.h"
#include "runbooks/check_runbook.h"
#include "runbooks/secrecy.h"
#include "runbooks/suggest.h"
#include "steps/boot_proof.h"
#include "steps/contradictions.h"
#include "steps/kept_delta.h"
#include "steps/network_policy.h"
#include "steps/smoke_probes.h"
#include "steps/source_measured.h"
#include "steps/undo_proof.h"

namespace vmferry {
namespace {

constexpr std::string_view kClaim = "claim_source";                // before the first effect
constexpr std::string_view kNotServing = "target_out_of_service";  // before that, if traffic is moved
constexpr std::string_view kMoveTraffic = "update_load_balancer";
constexpr std::string_view kMerge = "merge_overlay";     // commit: the target keeps what its overlay holds
constexpr std::string_view kRelease = "release_source";  // commit: the claim ends
constexpr std::string_view kRetire = "retire_source";    // and last, if the runbook says so

// A step that is nothing without at least one of two parameters.
struct EitherRule {
  std::string_view step, parameter, other;
};
constexpr std::array<EitherRule, 4> kEither{{{"smoke_test", "url", "probes"},
                                             {"p95_latency_within_slo", "slo", "notWorseThan"},
                                             {"error_rate_below_threshold", "threshold", "notWorseThan"},
                                             {"sustained_latency_regression", "slo", "notWorseThan"}}};

class Planner {
 public:
  Planner(const Reader& reader, const RunbookModel& runbook, const Reader* site_reader, const SiteModel* site,
          const Vocabulary& vocabulary)
      : reader_(reader), runbook_(runbook), site_reader_(site_reader), site_(site), vocabulary_(vocabulary) {}

  Plan Make() {
    plan_.wave = runbook_.wave;
    plan_.rollback_window_minutes = runbook_.rollback_window_minutes;
    plan_.commit_at_window_end = runbook_.commit_at_window_end;
    plan_.runbook_path = reader_.document.path();
    plan_.runbook_text = reader_.document.text();
    if (site_ != nullptr) Settle();
    CheckRunbookParameters(reader_, runbook_, site_, vocabulary_);
    CheckRollBackData();
    for (const WrittenStep& step : runbook_.steps)
      if (step.parameters != nullptr) CheckGiven(reader_, *step.parameters, *step.spec, site_);
    for (const WrittenStep& criterion : runbook_.criteria)
      if (criterion.parameters != nullptr) CheckGiven(reader_, *criterion.parameters, *criterion.spec, site_);
    if (site_ != nullptr && application_ != nullptr) Expand();
    return std::move(plan_);
  }

 private:
  void CheckRollBackData() {
    const WrittenStep* power_on = runbook_.Find(kPowerOnTarget);
    if (runbook_.roll_back_data == nullptr || power_on == nullptr) return;
    for (const ParameterSpec& spec : power_on->spec->parameters)
      if (spec.name == kRollBackData) ReadGiven(reader_, *runbook_.roll_back_data, spec, site_);
  }

  // What the application is, in this site.
  void Settle() {
    Application& application = plan_.application;
    application.name = runbook_.application;
    application.source = FindPlatform(runbook_.source_platform, runbook_.source_at, "source");
    application.target = FindPlatform(runbook_.target_platform, runbook_.target_at, "target");
    application.networks = site_->site.networks;
    application.storage = site_->site.storage;
    const auto target = site_->details.find(application.target);
    application.domain_type = target == site_->details.end() ? "auto" : target->second.domain_type;
    if (target != site_->details.end()) application.rehearsal_network = target->second.rehearsal_network;
    const auto known = site_->applications.find(runbook_.application);
    if (known != site_->applications.end()) {
      application_ = &known->second;
      for (const SiteWorkload& workload : application_->workloads) application.workloads.push_back(workload.workload);
    } else if (site_->applications_known && !runbook_.application.empty()) {
      ReportUnknownApplication();
    }
  }

  void ReportUnknownApplication() {
    std::vector<std::string> names;
    for (const auto& [name, application] : site_->applications) names.push_back(name);
    const auto nearest = Nearest(runbook_.application, names);
    reader_.Report(
        runbook_.application_at, "the site has no application " + Quoted(runbook_.application),
        nearest ? "did you mean " + Quoted(*nearest) + "?"
                : "describe it in " + Tamed(site_->document->path()) + " under `applications`, with its `workloads`");
  }

  // The site's name of the platform; "" after reporting why there is none.
  std::string FindPlatform(const std::string& name, std::size_t at, std::string_view role) {
    if (name.empty()) return "";
    const SystemEntry* system = site_->FindPlatform(name);
    const bool platform = system != nullptr && system->platform;
    if (platform && site_->Serves(*system, role)) return system->name;
    const std::string problem =
        platform ? Quoted(name) + " is of plugin " + Quoted(system->plugin) + ", which cannot be a " + std::string(role)
                 : "the site has no platform " + Quoted(name);
    reader_.Report(at, problem, PresentHint(name, site_->NamesServing(role, true), "as a " + std::string(role)));
    return "";
  }

  ParameterSources Sources() const { return {&reader_, runbook_.parameters, site_reader_, application_->value, site_}; }

  // All that a step lacks is one problem, and forgotten with it.
  void ReportMissing(const StepSpec& step, std::size_t at) {
    const std::vector<const ParameterSpec*> missing = std::exchange(missing_, {});
    // Where the values may be, something else is wrong.
    if (missing.empty() || !site_->defaults_known || !application_->value->Is(Value::Kind::kMap)) return;
    const std::string places = " at the step, under `parameters` of the runbook, or in the site under `applications." +
                               runbook_.application + "` or `defaults." + step.name + "`";
    if (missing.size() == 1) {
      const std::string& purpose = missing[0]->purpose;
      reader_.Report(at, Quoted(step.name) + " lacks its parameter " + Quoted(missing[0]->name) +
                             (purpose.empty() ? "" : " (" + purpose + ")"),
                     "give it" + places);
      return;
    }
    std::vector<std::string> names;
    for (const ParameterSpec* spec : missing) names.push_back(spec->name);
    reader_.Report(at, Quoted(step.name) + " lacks its parameters " + ListOf(names),
                   "give them" + places + "; `vmferry steps " + step.name + "` explains them");
  }

  // The value that counts; null when there is none.
  Json Resolve(const StepSpec& step, const Value* own, const ParameterSpec& spec, std::size_t at) {
    std::optional<Given> given = FindGiven(Sources(), step, own, spec.name);
    const bool at_the_top = step.name == kPowerOnTarget && spec.name == kRollBackData;
    if (at_the_top && runbook_.roll_back_data != nullptr) given = Given{&reader_, runbook_.roll_back_data};
    if (given) return ReadGiven(*given->reader, *given->value, spec, site_).value_or(Json());
    if (!spec.standard.empty()) {
      Reading standard = ReadStandard(spec);
      if (standard.ok()) return standard.value;
      reader_.Report(at, "the catalogue's standard of " + Quoted(spec.name) + ": " + standard.message,
                     "report this as a bug of vmferry");
    } else if (spec.required) {
      missing_.push_back(&spec);
    }
    return Json();
  }

  void CheckEither(const StepSpec& step, const Value* own) {
    const auto given = [&](std::string_view name) { return FindGiven(Sources(), step, own, name).has_value(); };
    for (const EitherRule& rule : kEither) {
      if (rule.step != step.name || given(rule.parameter) || given(rule.other)) continue;
      for (const ParameterSpec& spec : step.parameters)
        if (spec.name == rule.parameter && !spec.required) missing_.push_back(&spec);
    }
  }

  // Services that stand inside a text; the plan names them as the site does.
  void CheckCommandServices(const StepSpec& step, Json& parameters, std::size_t at) {
    if (step.name != kSmokeTest || !parameters.contains("probes")) return;
    for (Json& probe : parameters["probes"]) {
      const std::string name = CommandProbe(probe.get<std::string>());
      const SystemEntry* system = name.empty() ? nullptr : site_->FindSystem(name);
      if (system != nullptr && site_->Serves(*system, "command"))
        probe = std::string(kCommandPrefix) + system->name;
      else if (!name.empty())
        reader_.Report(at, Quoted(step.name) + ": `probes`: the site has no service " + Quoted(name) + " of role command",
                       PresentHint(name, site_->NamesServing("command", false), "for that"));
    }
  }

  PlannedStep Prepare(const StepSpec& step, const Value* own, Phase phase, std::size_t at) {
    PlannedStep planned;
    planned.phase = phase;
    planned.name = step.name;
    planned.effect = step.effect;
    planned.moves_traffic = step.moves_traffic;
    planned.undo_continues = step.undo_continues;
    planned.point_of_no_return = step.point_of_no_return;
    planned.needs_approval = step.needs_approval;
    planned.implicit = step.implicit;
    planned.parameters = Json::object();
    for (const ParameterSpec& spec : step.parameters) {
      Json value = Resolve(step, own, spec, at);
      if (!value.is_null()) planned.parameters[spec.name] = std::move(value);
    }
    CheckEither(step, own);
    ReportMissing(step, at);
    for (const Contradiction& found : Contradictions(step.name, planned.parameters))
      reader_.Report(at, Quoted(step.name) + ": " + found.message, found.hint);
    baselines_.See(planned, at);
    CheckCommandServices(step, planned.parameters, at);
    const Json deadline = Resolve(step, own, DeadlineSpec(step), at);
    planned.deadline = std::chrono::milliseconds(deadline.is_number() ? deadline.get<std::int64_t>() : 0);
    if (deadline.is_number())
      for (const Contradiction& found : DeadlineContradictions(step.name, planned.parameters, planned.deadline))
        reader_.Report(at, Quoted(step.name) + ": " + found.message, found.hint);
    if (!step.implicit) {
      const Position place = reader_.document.PlaceOf(at);
      planned.line = place.line;
      planned.column = place.column;
    }
    return planned;
  }

  // Once, or once for each workload. All of them have the same place in the phase.
  void Append(const StepSpec& step, const Value* own, Phase phase, std::size_t at) {
    PlannedStep planned = Prepare(step, own, phase, at);
    if (plan_.steps.empty() || plan_.steps.back().phase != phase) ordinal_ = 0;
    planned.ordinal = ++ordinal_;
    if (step.scope == Scope::kApplication) return plan_.steps.push_back(std::move(planned));
    for (const SiteWorkload& workload : application_->workloads) {
      planned.workload = workload.workload.name;
      plan_.steps.push_back(planned);
    }
  }

  // What is checked of the network must be what the machines get.
  void CheckAttachment() {
    const auto planned = [this](std::string_view name) {
      const auto at = std::find_if(plan_.steps.begin(), plan_.steps.end(),
                                   [name](const PlannedStep& step) { return step.name == name; });
      return at == plan_.steps.end() ? nullptr : &*at;
    };
    const PlannedStep* policy = planned(kValidateNetworkPolicy);
    const PlannedStep* power_on = planned(kPowerOnTarget);
    if (policy == nullptr || power_on == nullptr) return;
    for (const Contradiction& found : AttachmentContradictions(policy->parameters, power_on->parameters))
      reader_.Report(runbook_.Find(kPowerOnTarget)->at, Quoted(kPowerOnTarget) + ": " + found.message, found.hint);
  }

  void AppendImplicit(std::string_view name, Phase phase, std::size_t at) {
    const StepSpec* step = vocabulary_.FindStep(name);
    if (step != nullptr && step->implicit) Append(*step, nullptr, phase, at);
  }

  void Expand() {
    const WrittenStep* first_effect = nullptr;
    for (const WrittenStep& step : runbook_.steps) {
      if (step.spec->effect && first_effect == nullptr) {
        first_effect = &step;
        AppendImplicit(kClaim, step.phase, step.at);
      }
      Append(*step.spec, step.parameters, step.phase, step.at);
    }
    if (const WrittenStep* power_on = runbook_.Find(kPowerOnTarget)) AppendImplicit(kMerge, Phase::kCommit, power_on->at);
    if (first_effect != nullptr) AppendImplicit(kRelease, Phase::kCommit, first_effect->at);
    if (first_effect != nullptr && runbook_.retire_source) AppendImplicit(kRetire, Phase::kCommit, first_effect->at);
    CheckAttachment();
    InsertTrafficCheck();
    for (const WrittenStep& criterion : runbook_.criteria) {
      plan_.criteria.push_back(Prepare(*criterion.spec, criterion.parameters, criterion.phase, criterion.at));
      plan_.criteria.back().ordinal = static_cast<int>(plan_.criteria.size());
    }
    baselines_.Check(reader_);
    InsertMeasurements();
    InsertUndoProof();
  }

  // Right before the first effect: the target's server must not be in service yet. It is asked about with the very
  // parameters that move the traffic, wherever those come from.
  void InsertTrafficCheck() {
    const StepSpec* check = vocabulary_.FindStep(kNotServing);
    const auto named = [this](std::string_view name) {
      return std::find_if(plan_.steps.begin(), plan_.steps.end(),
                          [name](const PlannedStep& step) { return step.name == name; });
    };
    const auto mover = named(kMoveTraffic);
    const auto claim = named(kClaim);
    if (check == nullptr || mover == plan_.steps.end() || claim == plan_.steps.end()) return;
    PlannedStep planned;
    planned.phase = claim == plan_.steps.begin() ? claim->phase : std::prev(claim)->phase;
    planned.ordinal = claim == plan_.steps.begin() ? 0 : std::prev(claim)->ordinal + 1;
    planned.name = check->name;
    planned.implicit = true;
    planned.deadline = check->deadline;
    planned.parameters = Json::object();
    for (const ParameterSpec& spec : check->parameters)
      if (mover->parameters.contains(spec.name)) planned.parameters[spec.name] = mover->parameters[spec.name];
    plan_.steps.insert(claim, std::move(planned));
  }

  // The last before a cutover that changes something: each effect there is to undo is asked about with its own
  // parameters.
  void InsertUndoProof() {
    Json effects = Json::array();
    bool cutover_changes = false;
    for (const PlannedStep& step : plan_.steps) {
      if (!step.effect || step.phase == Phase::kCommit) continue;
      cutover_changes |= step.phase == Phase::kCutover;
      effects.push_back({{"name", step.name}, {"workload", step.workload}, {"parameters", step.parameters}});
    }
    if (!cutover_changes) return;
    InsertBeforeCutover(kUndoProven,
                        UndoProofParameters(std::move(effects), std::chrono::minutes(plan_.rollback_window_minutes)));
  }

  // What steps and criteria compare with is measured by their own queries.
  void InsertMeasurements() {
    Json measurements = Json::array();
    for (const auto* steps : {&plan_.steps, &plan_.criteria})
      for (const PlannedStep& step : *steps)
        if (Json one = MeasurementFor(step.name, step.parameters); !one.is_null()) measurements.push_back(std::move(one));
    if (!measurements.empty()) InsertBeforeCutover(kSourceMeasured, {{"measurements", std::move(measurements)}});
  }

  void InsertBeforeCutover(std::string_view name, Json parameters) {
    const StepSpec* check = vocabulary_.FindStep(name);
    if (check == nullptr || !check->implicit) return;
    const auto cutover = std::find_if(plan_.steps.begin(), plan_.steps.end(),
                                      [](const PlannedStep& step) { return step.phase >= Phase::kCutover; });
    const bool first = cutover == plan_.steps.begin();
    PlannedStep planned;
    planned.phase = first ? Phase::kPreChecks : std::prev(cutover)->phase;
    planned.ordinal = first ? 1 : std::prev(cutover)->ordinal + 1;
    planned.name = check->name;
    planned.implicit = true;
    planned.deadline = check->deadline;
    planned.parameters = std::move(parameters);
    plan_.steps.insert(cutover, std::move(planned));
  }

  const Reader& reader_;
  const RunbookModel& runbook_;
  const Reader* site_reader_;
  const SiteModel* site_;
  const Vocabulary& vocabulary_;
  const SiteApplication* application_ = nullptr;
  BaselineLedger baselines_;
  int ordinal_ = 0;  // within the phase
  std::vector<const ParameterSpec*> missing_;  // of the step at hand
  Plan plan_;
};

}  // namespace

Plan MakePlan(const Reader& reader, const RunbookModel& runbook, const Reader* site_reader, const SiteModel* site,
              const Vocabulary& vocabulary) {
  return Planner(reader, runbook, site_reader, site, vocabulary).Make();
}

}  // namespace vmferry
