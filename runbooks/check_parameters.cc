// SPDX-License-Identifier: Apache-2.0
#include "runbooks/check_parameters.h"

#include <algorithm>

#include "runbooks/secrecy.h"
#include "runbooks/suggest.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;
constexpr std::string_view kDeadline = "deadline";
constexpr std::string_view kWorkloads = "workloads";
constexpr std::string_view kLabels = "labels";

std::vector<std::string> ParameterNames(const StepSpec& step) {
  std::vector<std::string> names;
  for (const ParameterSpec& spec : step.parameters) names.push_back(spec.name);
  if (std::find(names.begin(), names.end(), kDeadline) == names.end()) names.emplace_back(kDeadline);
  return names;
}

std::optional<ParameterSpec> FindParameter(const StepSpec& step, std::string_view name) {
  for (const ParameterSpec& spec : step.parameters)
    if (spec.name == name) return spec;
  return name == kDeadline ? std::optional(DeadlineSpec(step)) : std::nullopt;
}

// A name in `parameters` or `applications.<name>` is that of a step when it is one, or when it has a map: no parameter
// has.
bool IsNested(const MapMember& member, const Vocabulary& vocabulary) {
  return member.value.Is(Kind::kMap) || vocabulary.FindStep(member.key) != nullptr;
}

void CheckNested(const Reader& reader, const MapMember& member, const Vocabulary& vocabulary, const SiteModel* site) {
  const StepSpec* step = vocabulary.FindStep(member.key);
  if (step == nullptr)
    return reader.Report(member.at, "unknown step " + Quoted(member.key), vocabulary.StepHint(member.key));
  if (member.value.Is(Kind::kNothing) || member.value.Is(Kind::kBroken)) return;
  if (member.value.Is(Kind::kMap)) return CheckGiven(reader, member.value, *step, site);
  reader.Report(
      member.value.at,
      Quoted(member.key) + " is a step: its parameters must be a map, not " + std::string(KindName(member.value)),
      "write `" + member.key + ": {parameter: value}`");
}

// The specs that the flat parameter `name` would feed.
std::vector<ParameterSpec> SpecsOf(const std::vector<const StepSpec*>& steps, std::string_view name) {
  std::vector<ParameterSpec> specs;
  for (const StepSpec* step : steps)
    for (const ParameterSpec& spec : step->parameters)
      if (spec.name == name) specs.push_back(spec);
  return specs;
}

std::vector<std::string> FlatNames(const std::vector<const StepSpec*>& steps) {
  std::vector<std::string> names;
  for (const StepSpec* step : steps)
    for (const ParameterSpec& spec : step->parameters)
      if (spec.name != kDeadline && std::find(names.begin(), names.end(), spec.name) == names.end())
        names.push_back(spec.name);
  return names;
}

bool RefuseFlatDeadline(const Reader& reader, const MapMember& member) {
  if (member.key != kDeadline) return false;
  reader.Report(member.at, "`deadline` here would be that of every step",
                "nest it under the step that it is for: `step_name: {deadline: 2m}`");
  return true;
}

void CheckRunbookFlat(const Reader& reader, const MapMember& member, const RunbookModel& runbook,
                      const SiteModel* site) {
  std::vector<const StepSpec*> used;
  for (const WrittenStep& step : runbook.steps) used.push_back(step.spec);
  const std::vector<ParameterSpec> specs = SpecsOf(used, member.key);
  for (const ParameterSpec& spec : specs) ReadGiven(reader, member.value, spec, site);
  if (specs.empty() && runbook.all_steps_known)
    reader.Report(member.at, "no step of this runbook has a parameter " + Quoted(member.key),
                  SuggestHint(member.key, FlatNames(used)));
}

// A site serves many runbooks, so here a value is wrong only when no step at all could use it.
void CheckSiteFlat(const Reader& reader, const MapMember& member, const Vocabulary& vocabulary, const SiteModel& site) {
  const std::vector<ParameterSpec> specs = SpecsOf(vocabulary.steps, member.key);
  if (specs.empty()) {
    std::vector<std::string> names = FlatNames(vocabulary.steps);
    names.emplace_back(kWorkloads);
    names.emplace_back(kLabels);
    return reader.Report(member.at, "no step has a parameter " + Quoted(member.key), SuggestHint(member.key, names));
  }
  const auto fits = [&](const ParameterSpec& spec) { return ReadParameter(member.value, spec).ok(); };
  const auto fitting = std::find_if(specs.begin(), specs.end(), fits);
  ReadGiven(reader, member.value, fitting == specs.end() ? specs.front() : *fitting, &site);
}

std::optional<Json> ReadService(const Reader& reader, const Value& value, const ParameterSpec& spec,
                                const SiteModel& site) {
  const SystemEntry* system = site.FindSystem(value.text);
  if (system != nullptr && site.Serves(*system, spec.role)) return Json(system->name);
  const std::string problem = system == nullptr ? "the site has no service or platform " + Quoted(value.text)
                                                : Quoted(value.text) + " is of plugin " + Quoted(system->plugin) +
                                                      ", which cannot be the " + Quoted(spec.name) + " of a step";
  reader.Report(value.at, problem, PresentHint(value.text, site.NamesServing(spec.role, false), "for that"));
  return std::nullopt;
}

const Value* Nested(const Value* map, const std::string& step, std::string_view parameter) {
  const MapMember* member = map == nullptr ? nullptr : map->Find(step);
  const MapMember* value = member == nullptr ? nullptr : member->value.Find(parameter);
  return value == nullptr ? nullptr : &value->value;
}

const Value* Flat(const Value* map, std::string_view parameter) {
  const MapMember* member = map == nullptr || parameter == kDeadline ? nullptr : map->Find(parameter);
  return member == nullptr || member->value.Is(Kind::kMap) ? nullptr : &member->value;
}

}  // namespace

ParameterSpec DeadlineSpec(const StepSpec& step) {
  ParameterSpec spec;
  spec.name = kDeadline;
  spec.type = ParameterType::kDuration;
  spec.required = false;
  spec.standard = std::to_string(step.deadline.count()) + "ms";
  spec.purpose = "the longest the step may take in all";
  return spec;
}

std::optional<Json> ReadGiven(const Reader& reader, const Value& value, const ParameterSpec& spec,
                              const SiteModel* site) {
  auto read = reader.Accept(value.at, ReadParameter(value, spec));
  if (!read) return std::nullopt;
  if (spec.name == kDeadline && *read == 0) {
    reader.Report(value.at, "a deadline of nothing", "give the step some time, like `2m`");
    return std::nullopt;
  }
  // By convention a text whose name ends like this is a path, relative to the file it stands in.
  if (spec.type == ParameterType::kText && spec.name.ends_with("File")) {
    const std::string path = ReadPath(reader, value, spec.name, FolderOf(reader.document));
    return path.empty() ? std::nullopt : std::optional<Json>(path);
  }
  if (spec.type == ParameterType::kService && site != nullptr) return ReadService(reader, value, spec, *site);
  return read;
}

void CheckGiven(const Reader& reader, const Value& map, const StepSpec& step, const SiteModel* site) {
  for (const MapMember& member : map.members) {
    if (reader.problems.Full(reader.document)) return;
    const auto spec = FindParameter(step, member.key);
    if (spec)
      ReadGiven(reader, member.value, *spec, site);
    else
      reader.Report(member.at, Quoted(step.name) + " has no parameter " + Quoted(member.key),
                    SuggestHint(member.key, ParameterNames(step)));
  }
}

void CheckRunbookParameters(const Reader& reader, const RunbookModel& runbook, const SiteModel* site,
                            const Vocabulary& vocabulary) {
  if (runbook.parameters == nullptr) return;
  for (const MapMember& member : runbook.parameters->members) {
    if (reader.problems.Full(reader.document)) return;
    if (member.value.Is(Kind::kBroken) || RefuseFlatDeadline(reader, member)) continue;
    if (!IsNested(member, vocabulary)) {
      CheckRunbookFlat(reader, member, runbook, site);
      continue;
    }
    CheckNested(reader, member, vocabulary, site);
    const StepSpec* step = vocabulary.FindStep(member.key);
    if (step != nullptr && !step->implicit && runbook.Find(member.key) == nullptr)
      reader.Report(member.at, "this runbook has no step " + Quoted(member.key));
  }
}

void CheckSiteParameters(const Reader& reader, const Vocabulary& vocabulary, const SiteModel& site) {
  for (const auto& [name, application] : site.applications)
    for (const MapMember& member : application.value->members) {
      if (reader.problems.Full(reader.document)) return;
      if (member.key == kWorkloads || member.key == kLabels || member.value.Is(Kind::kBroken)) continue;
      if (RefuseFlatDeadline(reader, member)) continue;
      if (IsNested(member, vocabulary))
        CheckNested(reader, member, vocabulary, &site);
      else
        CheckSiteFlat(reader, member, vocabulary, site);
    }
  if (site.defaults == nullptr) return;
  for (const MapMember& member : site.defaults->members)
    if (!member.value.Is(Kind::kBroken)) CheckNested(reader, member, vocabulary, &site);
}

std::optional<Given> FindGiven(const ParameterSources& sources, const StepSpec& step, const Value* own,
                               std::string_view parameter) {
  const MapMember* member = own == nullptr ? nullptr : own->Find(parameter);
  if (member != nullptr) return Given{sources.runbook_reader, &member->value};
  if (const Value* value = Nested(sources.runbook, step.name, parameter)) return Given{sources.runbook_reader, value};
  if (const Value* value = Flat(sources.runbook, parameter)) return Given{sources.runbook_reader, value};
  if (const Value* value = Nested(sources.application, step.name, parameter)) return Given{sources.site_reader, value};
  if (const Value* value = Flat(sources.application, parameter)) return Given{sources.site_reader, value};
  const Value* defaults = sources.site == nullptr ? nullptr : sources.site->defaults;
  if (const Value* value = Nested(defaults, step.name, parameter)) return Given{sources.site_reader, value};
  return std::nullopt;
}

}  // namespace vmferry
