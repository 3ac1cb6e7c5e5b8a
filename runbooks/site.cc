// SPDX-License-Identifier: Apache-2.0
#include "runbooks/site.h"

#include <utility>

namespace vmferry {
namespace {

Json SystemToJson(const SystemEntry& system) {
  Json json{{"name", system.name},
            {"platform", system.platform},
            {"plugin", system.plugin},
            {"aliases", system.aliases},
            {"settings", system.settings}};
  if (!system.zone.empty()) json["zone"] = system.zone;
  return json;
}

SystemEntry SystemFromJson(const Json& json) {
  return SystemEntry{json.at("name").get<std::string>(), json.at("platform").get<bool>(),
                     json.at("plugin").get<std::string>(), json.at("aliases").get<std::vector<std::string>>(),
                     json.at("settings"), json.value("zone", "")};
}

}  // namespace

Json SiteToJson(const Site& site) {
  Json systems = Json::array();
  for (const SystemEntry& system : site.systems) systems.push_back(SystemToJson(system));
  return Json{
      {"name", site.name},         {"path", site.path},       {"digest", site.digest},        {"journal", site.journal},
      {"networks", site.networks}, {"storage", site.storage}, {"systems", std::move(systems)}};
}

Result<Site> SiteFromJson(const Json& json) {
  try {
    Site site;
    site.name = json.at("name").get<std::string>();
    site.path = json.at("path").get<std::string>();
    site.digest = json.at("digest").get<std::string>();
    site.journal = json.at("journal").get<std::string>();
    json.at("networks").get_to(site.networks);
    json.at("storage").get_to(site.storage);
    for (const Json& system : json.at("systems")) site.systems.push_back(SystemFromJson(system));
    return site;
  } catch (const Json::exception& e) {
    return Error{ErrorKind::kCorrupt, "", "site", e.what(),
                 "it was not written by this version of vmferry, or changed"};
  }
}

}  // namespace vmferry
