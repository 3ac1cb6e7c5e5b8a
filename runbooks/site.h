// SPDX-License-Identifier: Apache-2.0
//
// Site: the systems of one place, and what the applications are there. Checked; paths absolute; secrets as references.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugins/call.h"

namespace vmferry {

struct SystemEntry {
  std::string name;                  // "vmware"
  bool platform = false;             // listed under `platforms` (else `services`)
  std::string plugin;                // "vsphere"
  std::vector<std::string> aliases;  // other names runbooks use: "vmware-vsphere"
  Json settings;                     // checked against the plugin's SettingSpecs
  std::string zone;                  // of a platform: where it is, for policies; empty: not said
};

struct Site {
  std::string name;
  std::string path;     // of the file
  std::string digest;   // SHA-256 of its text
  std::string journal;  // absolute path of the journal; empty: not given
  std::vector<SystemEntry> systems;
  std::map<std::string, std::string> networks;
  std::map<std::string, std::string> storage;
};

// For the run's first event: what `resume` needs to reach the systems again.
Json SiteToJson(const Site& site);
Result<Site> SiteFromJson(const Json& json);

}  // namespace vmferry
