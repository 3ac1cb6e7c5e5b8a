// SPDX-License-Identifier: Apache-2.0
#include "runbooks/check_runbook.h"

#include <algorithm>
#include <limits>

#include "runbooks/secrecy.h"
#include "steps/boot_proof.h"
#include "steps/kept_delta.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;
constexpr std::int64_t kMostMinutes = 60 * 24 * 365;

// A step, or a criterion, as it stands in a list: a name, or a one-key map `name: {parameters}`.
struct StepEntry {
  std::string name;
  std::size_t at = 0;
  const Value* parameters = nullptr;
};

std::optional<StepEntry> ReadEntry(const Reader& reader, const Value& item, const std::string& what) {
  if (item.Is(Kind::kBroken)) return std::nullopt;
  if (item.Is(Kind::kText)) return StepEntry{item.text, item.at, nullptr};
  if (!item.Is(Kind::kMap)) {
    reader.Report(item.at, "a " + what + " must be a name or `name: {parameters}`, not " + std::string(KindName(item)));
    return std::nullopt;
  }
  if (item.members.empty()) {
    reader.Report(item.at, "a " + what + " without a name", "write `- name` or `- name: {parameters}`");
    return std::nullopt;
  }
  const MapMember& first = item.members.front();
  if (item.members.size() > 1)
    reader.Report(item.members[1].at, "a " + what + " has one key, its name; " + Quoted(item.members[1].key) + " is a second",
                  "indent the parameters of " + Quoted(first.key) + " two deeper than its name");
  if (first.value.Is(Kind::kNothing)) return StepEntry{first.key, first.at, nullptr};
  if (first.value.Is(Kind::kMap)) return StepEntry{first.key, first.at, &first.value};
  if (!first.value.Is(Kind::kBroken))
    reader.Report(
        first.value.at,
        "the parameters of " + Quoted(first.key) + " must be a map, not " + std::string(KindName(first.value)),
        "write `- " + first.key.substr(0, 60) + ": {parameter: value}`");
  return StepEntry{first.key, first.at, nullptr};
}

const StepSpec* FindWritten(const Reader& reader, const StepEntry& entry, const Vocabulary& vocabulary) {
  const StepSpec* spec = vocabulary.FindStep(entry.name);
  if (spec == nullptr)
    reader.Report(entry.at, "unknown step " + Quoted(entry.name), vocabulary.StepHint(entry.name));
  else if (spec->implicit)
    reader.Report(entry.at, Quoted(entry.name) + " is added by vmferry itself", "take it out of the runbook");
  else if (spec->criterion)
    reader.Report(entry.at, Quoted(entry.name) + " is a rollback criterion, not a step",
                  "name it under `rollbackCriteria`");
  else
    return spec;
  return nullptr;
}

void ReadPhase(const Reader& reader, const std::vector<Value>& items, Phase phase, const Vocabulary& vocabulary,
               RunbookModel& model) {
  for (const Value& item : items) {
    if (reader.problems.Full(reader.document)) return;
    const auto entry = ReadEntry(reader, item, "step");
    const StepSpec* spec = entry ? FindWritten(reader, *entry, vocabulary) : nullptr;
    if (spec != nullptr) model.steps.push_back({phase, spec, entry->parameters, entry->at});
    model.all_steps_known = model.all_steps_known && spec != nullptr;
  }
}

void ReadCriteria(const Reader& reader, const std::vector<Value>& items, const Vocabulary& vocabulary,
                  RunbookModel& model) {
  for (const Value& item : items) {
    if (reader.problems.Full(reader.document)) return;
    const auto entry = ReadEntry(reader, item, "criterion");
    if (!entry) continue;
    const StepSpec* spec = vocabulary.FindStep(entry->name);
    const auto same = [spec](const WrittenStep& other) { return other.spec == spec; };
    if (spec == nullptr || !spec->criterion)
      reader.Report(entry->at, "unknown criterion " + Quoted(entry->name), vocabulary.CriterionHint(entry->name));
    else if (std::any_of(model.criteria.begin(), model.criteria.end(), same))
      reader.Report(entry->at, Quoted(entry->name) + " is named twice");
    else
      model.criteria.push_back({Phase::kSoak, spec, entry->parameters, entry->at});
  }
}

void ReadSteps(const Reader& reader, Fields& fields, const Vocabulary& vocabulary, RunbookModel& model) {
  bool any = false;
  for (const PhaseKey& phase : PhaseKeys()) {
    const std::vector<Value>& items = fields.List(phase.key);
    const Value* list = fields.Find(phase.key);
    any = any || !items.empty() || (list != nullptr && !list->Is(Kind::kList) && !list->Is(Kind::kNothing));
    ReadPhase(reader, items, phase.phase, vocabulary, model);
  }
  if (!any && fields.usable())
    reader.Report(0, "a Runbook without steps", "list them under `preChecks`, `cutoverSteps`, `postChecks`");
}

// Without a criterion there is no green light, and nothing commits by itself.
void ReadWindowEnd(const Reader& reader, Fields& fields, std::size_t at, RunbookModel& model) {
  const Value* value = fields.Find("onWindowEnd");
  if (value == nullptr) return;
  ParameterSpec spec;
  spec.name = "onWindowEnd";
  spec.type = ParameterType::kChoice;
  spec.choices = {"commit", "hold"};
  const auto read = reader.Accept(at, ReadParameter(*value, spec));
  model.commit_at_window_end = read && *read == "commit";
  if (!model.commit_at_window_end) return;
  if (model.rollback_window_minutes == 0)
    reader.Report(at, "`onWindowEnd: commit` without a rollback window", "give `rollbackWindowMinutes`");
  if (fields.List("rollbackCriteria").empty())
    reader.Report(at, "`onWindowEnd: commit` without `rollbackCriteria`: nothing would say that all is well",
                  "name criteria, or write `onWindowEnd: hold` and commit yourself");
}

// The key is a parameter of power_on_target at a prominent place; given twice, nobody could say which counts.
void CheckRollBackData(const Reader& reader, const RunbookModel& model, std::size_t at) {
  const WrittenStep* power_on = model.Find(kPowerOnTarget);
  const std::string key = Quoted(kRollBackData);
  if (power_on == nullptr && model.all_steps_known)
    reader.Report(at, key + " without " + Quoted(kPowerOnTarget) + ": nothing is written on a target");
  const Value* own = power_on == nullptr ? nullptr : power_on->parameters;
  const MapMember* nested = model.parameters == nullptr ? nullptr : model.parameters->Find(kPowerOnTarget);
  const Value* below = nested != nullptr && nested->value.Is(Kind::kMap) ? &nested->value : nullptr;
  for (const Value* map : {own, below, model.parameters}) {
    const MapMember* again = map == nullptr ? nullptr : map->Find(kRollBackData);
    if (again != nullptr)
      reader.Report(again->at, key + " is given twice: it stands at the top of the runbook, too", "take one of them out");
  }
}

}  // namespace

const std::vector<PhaseKey>& PhaseKeys() {
  static const std::vector<PhaseKey> keys{{"preChecks", Phase::kPreChecks},
                                          {"conversionSteps", Phase::kConversion},
                                          {"cutoverSteps", Phase::kCutover},
                                          {"postChecks", Phase::kPostChecks}};
  return keys;
}

const WrittenStep* RunbookModel::Find(std::string_view step) const {
  for (const auto* list : {&steps, &criteria})
    for (const WrittenStep& written : *list)
      if (written.spec->name == step) return &written;
  return nullptr;
}

RunbookModel CheckRunbook(const Reader& reader, const Vocabulary& vocabulary) {
  RunbookModel model;
  model.document = &reader.document;
  const Value& root = reader.document.root();
  Fields fields(reader, root, "a Runbook", 0);
  const auto place = [&root](std::string_view key) {
    const MapMember* member = root.Find(key);
    return member == nullptr ? 0 : member->value.at;
  };
  model.application = fields.RequiredText("application").value_or("");
  model.application_at = place("application");
  if (!model.application.empty() && !IsName(model.application)) {
    reader.Report(model.application_at, Quoted(model.application) + " is no name", std::string(kNameHint));
    model.application.clear();
  }
  model.wave = static_cast<int>(fields.Integer("wave", 1, std::numeric_limits<int>::max()).value_or(0));
  model.wave_at = place("wave");
  model.source_platform = fields.RequiredText("sourcePlatform").value_or("");
  model.source_at = place("sourcePlatform");
  fields.Text("sourceCluster");  // for people: where the VMs are, the site's inventory paths say
  model.target_platform = fields.RequiredText("targetPlatform").value_or("");
  model.target_at = place("targetPlatform");
  model.rollback_window_minutes =
      static_cast<int>(fields.Integer("rollbackWindowMinutes", 0, kMostMinutes).value_or(0));
  model.roll_back_data = fields.Find(kRollBackData);
  ReadSteps(reader, fields, vocabulary, model);
  ReadCriteria(reader, fields.List("rollbackCriteria"), vocabulary, model);
  ReadWindowEnd(reader, fields, place("onWindowEnd"), model);
  if (const Value* retire = fields.Find("retireSource"))
    model.retire_source = reader.Accept(retire->at, ReadBoolean(*retire, "retireSource")).value_or(Json(false)).get<bool>();
  fields.Map("parameters");
  const Value* parameters = fields.Find("parameters");
  model.parameters = parameters != nullptr && parameters->Is(Kind::kMap) ? parameters : nullptr;
  if (model.roll_back_data != nullptr) CheckRollBackData(reader, model, fields.PlaceOf(kRollBackData));
  fields.RefuseOthers();
  CheckOrder(reader, model);
  return model;
}

}  // namespace vmferry
