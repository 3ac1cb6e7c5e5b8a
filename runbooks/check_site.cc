// SPDX-License-Identifier: Apache-2.0
#include "runbooks/check_site.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "runbooks/check_parameters.h"
#include "runbooks/header.h"
#include "runbooks/platform_names.h"
#include "runbooks/secrecy.h"
#include "runbooks/suggest.h"
#include "state/digest.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;

std::string PluginNames(const Vocabulary& vocabulary) {
  std::vector<std::string> names;
  for (const PluginKind* kind : vocabulary.plugins) names.push_back(kind->name);
  return ListOf(names);
}

// "network:default", "bridge:br0", "user", "none": what target platforms understand (plugins/target_platform.h).
bool IsNetworkMapping(std::string_view text) {
  for (const std::string_view scheme : {"network:", "bridge:"})
    if (text.starts_with(scheme)) return text.size() > scheme.size();
  return text == "user" || text == "none";
}

// Reads `platforms` and `services`: names and aliases are one name space.
class SystemsReader {
 public:
  SystemsReader(const Reader& reader, const Vocabulary& vocabulary, SiteModel& model, std::string base)
      : reader_(reader), vocabulary_(vocabulary), model_(model), base_(std::move(base)) {}

  void Read(const MapMember& member, bool platform) {
    SystemEntry entry;
    entry.name = member.key;
    entry.platform = platform;
    const std::string owner = (platform ? "platform " : "service ") + Quoted(entry.name);
    Fields fields(reader_, member.value, owner, member.at);
    SystemDetails details;
    if (const auto plugin = fields.RequiredText("plugin")) {
      entry.plugin = *plugin;
      details.kind = FindKind(entry.plugin, member.value.Find("plugin")->value.at);
    }
    Claim(entry.name, member.at);
    for (const Value& alias : fields.List("aliases")) ReadAlias(alias, entry);
    if (platform) ReadDomainType(fields, member.value, details);
    if (platform) ReadRehearsal(fields, member.value, details);
    if (platform) entry.zone = ReadZone(fields);
    if (details.kind != nullptr) {
      entry.settings = ReadSettings(reader_, fields, *details.kind, owner, base_);
      fields.RefuseOthers();
    }
    model_.details[entry.name] = details;
    model_.site.systems.push_back(std::move(entry));
  }

 private:
  const PluginKind* FindKind(const std::string& name, std::size_t at) {
    const PluginKind* kind = vocabulary_.FindPlugin(name);
    if (kind != nullptr) return kind;
    std::vector<std::string> names;
    for (const PluginKind* known : vocabulary_.plugins) names.push_back(known->name);
    reader_.Report(at, "unknown plugin " + Quoted(name),
                   SuggestHint(name, names, "known are " + PluginNames(vocabulary_)));
    return nullptr;
  }

  void Claim(const std::string& name, std::size_t at) {
    if (!IsName(name)) return reader_.Report(at, Quoted(name) + " is no name", std::string(kNameHint));
    if (!names_.insert(name).second)
      reader_.Report(at, Quoted(name) + " names two systems", "platforms, services and aliases need different names");
  }

  void ReadAlias(const Value& alias, SystemEntry& entry) {
    const auto text = reader_.Accept(alias.at, ReadItem(alias, "aliases"));
    if (!text) return;
    Claim(alias.text, alias.at);
    entry.aliases.push_back(alias.text);
  }

  // Where it is, for policies.
  std::string ReadZone(Fields& fields) {
    const std::string zone = fields.Text("zone").value_or("");
    if (!zone.empty() && !IsName(zone))
      reader_.Report(fields.Find("zone")->at, Quoted(zone) + " is no name", std::string(kNameHint));
    return zone;
  }

  void ReadDomainType(Fields& fields, const Value& map, SystemDetails& details) {
    const auto type = fields.Text("domainType");
    if (!type) return;
    const std::size_t at = map.Find("domainType")->value.at;
    const std::vector<std::string> types{"auto", "kvm", "qemu"};
    if (std::find(types.begin(), types.end(), *type) == types.end())
      return reader_.Report(at, Quoted(*type) + " is not one of " + ListOf(types, " or "));
    details.domain_type = *type;
    RequireTarget(details, at, "domainType");
  }

  void RequireTarget(const SystemDetails& details, std::size_t at, std::string_view key) {
    if (details.kind == nullptr) return;
    const std::vector<std::string>& roles = details.kind->roles;
    if (std::find(roles.begin(), roles.end(), "target") == roles.end())
      reader_.Report(at, "plugin " + Quoted(details.kind->name) + " is no target platform, so it has no " + Quoted(key));
  }

  // The network of rehearsals: that it leads nowhere, nobody but the site's author can know.
  void ReadRehearsal(Fields& fields, const Value& map, SystemDetails& details) {
    const Value* value = fields.Find("rehearsal");
    if (value == nullptr) return;
    Fields rehearsal(reader_, *value, "`rehearsal` of a platform", map.Find("rehearsal")->at);
    details.rehearsal_network = rehearsal.RequiredText("network").value_or("");
    const Value* network = rehearsal.Find("network");
    if (!details.rehearsal_network.empty() && !IsNetworkMapping(details.rehearsal_network))
      reader_.Report(network->at, Quoted(details.rehearsal_network) + " is no network of a target platform",
                     "write `network:NAME`, `bridge:NAME`, `user` or `none`");
    rehearsal.RefuseOthers();
    RequireTarget(details, value->at, "rehearsal");
  }

  const Reader& reader_;
  const Vocabulary& vocabulary_;
  SiteModel& model_;
  std::string base_;
  std::set<std::string> names_;
};

std::map<std::string, std::string> ReadMapping(const Reader& reader, const std::vector<MapMember>& members,
                                               bool networks) {
  std::map<std::string, std::string> mapping;
  for (const MapMember& member : members) {
    const auto text = reader.Accept(member.value.at, ReadText(member.value, member.key));
    if (!text) continue;
    mapping[member.key] = member.value.text;
    if (networks && !IsNetworkMapping(member.value.text))
      reader.Report(member.value.at, Quoted(member.value.text) + " is no network of a target platform",
                    "write `network:NAME`, `bridge:NAME`, `user` or `none`");
  }
  return mapping;
}

void ReadPolicies(const Reader& reader, Fields& spec, SiteModel& model) {
  const std::filesystem::path folder = std::filesystem::path(reader.document.path()).parent_path();
  for (const Value& value : spec.List("policies"))
    if (reader.Accept(value.at, ReadItem(value, "policies")))
      model.policies.push_back({(folder / value.text).lexically_normal().string(), value.at});
}

void ReadSpec(const Reader& reader, const Vocabulary& vocabulary, Fields& spec, SiteModel& model) {
  const std::string base = FolderOf(reader.document);
  SystemsReader systems(reader, vocabulary, model, base);
  for (const MapMember& member : spec.Map("platforms")) systems.Read(member, true);
  for (const MapMember& member : spec.Map("services")) systems.Read(member, false);
  model.site.networks = ReadMapping(reader, spec.Map("networks"), true);
  model.site.storage = ReadMapping(reader, spec.Map("storage"), false);
  const Value* applications = spec.Find("applications");
  model.applications_known = spec.usable() && (applications == nullptr || applications->Is(Kind::kMap));
  CheckApplications(reader, spec.Map("applications"), model);
  spec.Map("defaults");
  const Value* defaults = spec.Find("defaults");
  model.defaults_known = defaults == nullptr || defaults->Is(Kind::kMap);
  model.defaults = model.defaults_known ? defaults : nullptr;
  ReadPolicies(reader, spec, model);
  if (const Value* journal = spec.Find("journal")) model.site.journal = ReadPath(reader, *journal, "journal", base);
  spec.RefuseOthers();
  CheckSiteParameters(reader, vocabulary, model);
}

}  // namespace

const SystemEntry* SiteModel::FindSystem(std::string_view name) const {
  const auto answers = [name](const SystemEntry& entry) {
    return entry.name == name || std::find(entry.aliases.begin(), entry.aliases.end(), name) != entry.aliases.end();
  };
  const auto entry = std::find_if(site.systems.begin(), site.systems.end(), answers);
  return entry == site.systems.end() ? nullptr : &*entry;
}

const SystemEntry* SiteModel::FindPlatform(std::string_view name) const {
  const SystemEntry* exact = FindSystem(name);
  const std::string_view field = FieldPlatform(name);
  if (exact != nullptr || field.empty()) return exact;
  const SystemEntry* found = nullptr;
  for (const SystemEntry& entry : site.systems) {
    const auto is_meant = [field](const std::string& known) { return FieldPlatform(known) == field; };
    const bool meant = is_meant(entry.name) || std::any_of(entry.aliases.begin(), entry.aliases.end(), is_meant);
    if (!entry.platform || !meant) continue;
    if (found != nullptr) return nullptr;  // which of them cannot be told
    found = &entry;
  }
  return found;
}

bool SiteModel::Serves(const SystemEntry& system, std::string_view role) const {
  const PluginKind* kind = details.at(system.name).kind;
  return kind == nullptr || role.empty() ||
         std::find(kind->roles.begin(), kind->roles.end(), role) != kind->roles.end();
}

std::vector<std::string> SiteModel::NamesServing(std::string_view role, bool platforms_only) const {
  std::vector<std::string> names;
  for (const SystemEntry& entry : site.systems) {
    if ((platforms_only && !entry.platform) || !Serves(entry, role)) continue;
    names.push_back(entry.name);
    names.insert(names.end(), entry.aliases.begin(), entry.aliases.end());
  }
  return names;
}

SiteModel CheckSite(const Reader& reader, const Vocabulary& vocabulary) {
  SiteModel model;
  model.document = &reader.document;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(reader.document.path(), error);
  model.site.path = error ? reader.document.path() : absolute.lexically_normal().string();
  model.site.digest = Sha256Hex(reader.document.text());
  const Value& root = reader.document.root();
  Fields fields(reader, root, "a Site", 0);
  model.site.name = ReadHeader(reader, fields, root, DocumentKind::kSite);
  if (const Value* value = fields.Require("spec")) {
    Fields spec(reader, *value, "`spec` of a Site", fields.PlaceOf("spec"));
    ReadSpec(reader, vocabulary, spec, model);
  }
  fields.RefuseOthers();
  return model;
}

}  // namespace vmferry
