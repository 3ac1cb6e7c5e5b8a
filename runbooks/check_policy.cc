// SPDX-License-Identifier: Apache-2.0
#include "runbooks/check_policy.h"

#include <algorithm>

#include "runbooks/header.h"
#include "runbooks/platform_names.h"
#include "runbooks/secrecy.h"
#include "runbooks/suggest.h"
#include "state/digest.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;

const std::vector<std::string>& GpuModes() {
  static const std::vector<std::string> modes{"passthrough", "sriov", "vgpu", "mig"};
  return modes;
}

bool Boolean(const Reader& reader, Fields& fields, std::string_view key) {
  const Value* value = fields.Find(key);
  if (value == nullptr) return false;
  return reader.Accept(value->at, ReadBoolean(*value, key)).value_or(false).get<bool>();
}

// Nothing when the key is absent or no list.
std::optional<PolicyWords> Words(const Reader& reader, Fields& fields, std::string_view key) {
  const Value* list = fields.Find(key);
  const std::vector<Value>& items = fields.List(key);
  if (list == nullptr || !list->Is(Kind::kList)) return std::nullopt;
  PolicyWords words;
  for (const Value& item : items)
    if (reader.Accept(item.at, ReadItem(item, key))) words.push_back({item.text, item.at});
  return words;
}

// A list that is there to allow something.
std::optional<PolicyWords> SomeWords(const Reader& reader, Fields& fields, std::string_view key) {
  std::optional<PolicyWords> words = Words(reader, fields, key);
  if (words && fields.Find(key)->items.empty())
    reader.Report(fields.Find(key)->at, Quoted(key) + " allows nothing at all", "leave it out to allow everything");
  return words;
}

void RequireNames(const Reader& reader, const std::optional<PolicyWords>& words) {
  for (const PolicyWord& word : words.value_or(PolicyWords()))
    if (!IsName(word.text)) reader.Report(word.at, Quoted(word.text) + " is no name", std::string(kNameHint));
}

void ReadSelector(const Reader& reader, Fields& spec, PolicyModel& policy) {
  const Value* value = spec.Find("selector");
  if (value == nullptr) return;
  Fields selector(reader, *value, "`selector`", spec.PlaceOf("selector"));
  for (const MapMember& label : selector.Map("matchLabels"))
    if (reader.Accept(label.value.at, ReadText(label.value, label.key))) policy.labels[label.key] = label.value.text;
  policy.applications = Words(reader, selector, "applications").value_or(PolicyWords());
  const auto given = [value](std::string_view key) {
    const MapMember* member = value->Find(key);
    return member != nullptr && (!member->value.members.empty() || !member->value.items.empty());
  };
  if (selector.usable() && !given("matchLabels") && !given("applications"))
    reader.Report(value->at, "a selector that says nothing",
                  "give `matchLabels` or `applications`; leave `selector` out to select every application");
  selector.RefuseOthers();
}

void ReadGpus(const Reader& reader, Fields& spec, PolicyModel& policy) {
  const Value* value = spec.Find("gpuScheduling");
  if (value == nullptr) return;
  Fields gpus(reader, *value, "`gpuScheduling`", spec.PlaceOf("gpuScheduling"));
  gpus.Require("allowModes");
  policy.gpu_modes = Words(reader, gpus, "allowModes");
  for (const PolicyWord& mode : policy.gpu_modes.value_or(PolicyWords()))
    if (std::find(GpuModes().begin(), GpuModes().end(), mode.text) == GpuModes().end())
      reader.Report(mode.at, "unknown mode " + Quoted(mode.text), SuggestHint(mode.text, GpuModes()));
  gpus.RefuseOthers();
}

void ReadCompliance(const Reader& reader, Fields& spec, PolicyModel& policy) {
  const Value* value = spec.Find("compliance");
  if (value == nullptr) return;
  Fields compliance(reader, *value, "`compliance`", spec.PlaceOf("compliance"));
  policy.zones = SomeWords(reader, compliance, "residency");
  RequireNames(reader, policy.zones);
  policy.immutable_audit_log = Boolean(reader, compliance, "immutableAuditLog");
  compliance.RefuseOthers();
}

}  // namespace

PolicyModel CheckPolicy(const Reader& reader) {
  PolicyModel policy;
  policy.reader = &reader;
  policy.digest = Sha256Hex(reader.document.text());
  const Value& root = reader.document.root();
  Fields fields(reader, root, "a WorkloadPolicy", 0);
  policy.name = ReadHeader(reader, fields, root, DocumentKind::kPolicy);
  if (const Value* value = fields.Require("spec")) {
    Fields spec(reader, *value, "`spec` of a WorkloadPolicy", fields.PlaceOf("spec"));
    ReadSelector(reader, spec, policy);
    policy.requires_approval = Boolean(reader, spec, "requiresApproval");
    policy.platforms = SomeWords(reader, spec, kPlatformsClause);
    RequireNames(reader, policy.platforms);
    ReadGpus(reader, spec, policy);
    ReadCompliance(reader, spec, policy);
    spec.RefuseOthers();
    if (spec.usable() && value->members.empty())
      reader.Report(value->at, "a WorkloadPolicy that asks for nothing",
                    "give it clauses, like `requiresApproval: true`");
  }
  fields.RefuseOthers();
  return policy;
}

void CheckPolicyInSite(const PolicyModel& policy, const SiteModel& site) {
  std::vector<std::string> platforms = FieldPlatforms();
  const auto listed = [&platforms](const std::string& name) {
    return std::find(platforms.begin(), platforms.end(), name) != platforms.end();
  };
  for (const SystemEntry& entry : site.site.systems)
    for (const std::string& name : NamesOf(entry))
      if (entry.platform && !listed(name)) platforms.push_back(name);
  const auto known = [&listed](const std::string& name) { return !FieldPlatform(name).empty() || listed(name); };
  for (const PolicyWord& word : policy.platforms.value_or(PolicyWords()))
    if (IsName(word.text) && !known(word.text))
      policy.reader->Report(word.at, "unknown platform " + Quoted(word.text),
                            SuggestHint(word.text, platforms, "known are " + ListOf(FieldPlatforms())));
  std::vector<std::string> applications;
  for (const auto& [name, application] : site.applications) applications.push_back(name);
  for (const PolicyWord& word : policy.applications)
    if (site.applications_known && !site.applications.contains(word.text))
      policy.reader->Report(word.at, "the site has no application " + Quoted(word.text),
                            SuggestHint(word.text, applications, "applications of many sites are selected by labels"));
}

}  // namespace vmferry
