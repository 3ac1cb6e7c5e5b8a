// SPDX-License-Identifier: Apache-2.0
//
// steps, plugins: what this vmferry can do, from the same lists that the engine uses.
#include <algorithm>
#include <cstdio>

#include "orchestrator/commands.h"
#include "plugins/registry.h"
#include "runbooks/suggest.h"
#include "steps/catalogue_text.h"

namespace vmferry {
namespace {

Json SettingToJson(const SettingSpec& setting) {
  return {{"name", setting.name}, {"type", setting.type}, {"required", setting.required},
          {"purpose", setting.purpose}};
}

Json PluginToJson(const PluginKind& kind) {
  Json settings = Json::array();
  for (const SettingSpec& setting : kind.settings) settings.push_back(SettingToJson(setting));
  return {{"plugin", kind.name}, {"purpose", kind.purpose}, {"roles", kind.roles}, {"settings", settings}};
}

// The width of a column that holds all names.
template <class Items, class NameOf>
std::size_t Widest(const Items& items, NameOf name_of) {
  std::size_t width = 0;
  for (const auto& item : items) width = std::max(width, name_of(item).size());
  return width;
}

void PrintPlugin(const PluginKind& kind, const Style& style) {
  std::printf("%s: %s\n", style.Bold(kind.name).c_str(), kind.purpose.c_str());
  std::string roles;
  for (const std::string& role : kind.roles) roles += (roles.empty() ? "" : ", ") + role;
  std::printf("roles: %s\nsettings in the site file:\n", roles.c_str());
  const std::size_t width = Widest(kind.settings, [](const SettingSpec& setting) { return setting.name; });
  for (const SettingSpec& setting : kind.settings)
    std::printf("  %s  %s  %s\n", Padded(setting.name, width).c_str(),
                Padded(setting.type + (setting.required ? ", required" : ""), 20).c_str(), setting.purpose.c_str());
}

template <class Items, class NameOf>
Error Unknown(const std::string& what, const std::string& name, const Items& items, NameOf name_of) {
  std::vector<std::string> names;
  for (const auto& item : items) names.push_back(name_of(item));
  return {ErrorKind::kNotFound, "", "", "unknown " + what + " `" + name + "`",
          SuggestHint(name, names, "`vmferry " + what + "s` lists them")};
}

std::string_view KindOf(const StepSpec& spec) {
  if (spec.implicit) return "implicit";
  if (spec.criterion) return "criterion";
  return spec.effect ? "effect" : "check";
}

}  // namespace

ExitCode StepsCommand(const Common& common, const std::string& name) {
  Begin(common);
  const Style style = Output::ForStdout(common.json).style;
  if (!name.empty()) {
    const Step* step = FindStep(name);
    if (!step) {
      Fail(common, Unknown("step", name, AllSteps(), [](const Step* item) { return item->spec().name; }));
      return ExitCode::kUsage;
    }
    if (common.json)
      PrintJson(StepToJson(step->spec()));
    else
      std::fputs(StepText(step->spec()).c_str(), stdout);
    return ExitCode::kDone;
  }
  const std::size_t width = Widest(AllSteps(), [](const Step* step) { return step->spec().name; });
  for (const Step* step : AllSteps()) {
    const StepSpec& spec = step->spec();
    if (common.json)
      PrintJson(StepToJson(spec));
    else
      std::printf("%s  %s  %s\n", style.Bold(Padded(spec.name, width)).c_str(), Padded(KindOf(spec), 9).c_str(),
                  spec.purpose.c_str());
  }
  return ExitCode::kDone;
}

ExitCode PluginsCommand(const Common& common, const std::string& name) {
  Begin(common);
  const Style style = Output::ForStdout(common.json).style;
  if (!name.empty() && !FindPluginKind(name)) {
    Fail(common, Unknown("plugin", name, AllPluginKinds(), [](const PluginKind& item) { return item.name; }));
    return ExitCode::kUsage;
  }
  const std::size_t width = Widest(AllPluginKinds(), [](const PluginKind& kind) { return kind.name; });
  for (const PluginKind& kind : AllPluginKinds()) {
    if (!name.empty() && kind.name != name) continue;
    if (common.json)
      PrintJson(PluginToJson(kind));
    else if (!name.empty())
      PrintPlugin(kind, style);
    else
      std::printf("%s  %s\n", style.Bold(Padded(kind.name, width)).c_str(), kind.purpose.c_str());
  }
  return ExitCode::kDone;
}

}  // namespace vmferry
