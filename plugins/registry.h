// SPDX-License-Identifier: Apache-2.0
//
// The list of plugins: from a site's entry (`plugin: NAME` and its settings) to a Plugin. registry.cc is the one
// explicit list; a plugin is added there and nowhere else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugins/call.h"

namespace vmferry {

// One setting a plugin takes in the site file.
struct SettingSpec {
  std::string name;
  std::string type;  // "text", "path", "secret", "list", "map", "integer", "duration", "boolean"
  bool required = false;
  std::string purpose;
};

// Resolves a credential reference (`env:NAME`, `file:PATH`, `credential:NAME`) to its value. Never logged.
using SecretResolver = std::function<Result<std::string>(const std::string& reference)>;

struct PluginSetup {
  std::string name;      // the site's name of this entry: "vmware"
  Json settings;         // the site's settings, checked against SettingSpecs; paths absolute; secrets as references
  SecretResolver secrets;
};

struct PluginKind {
  std::string name;                 // "vsphere"
  std::string purpose;              // one line
  std::vector<std::string> roles;   // "source", "target", "load_balancer", "probe"
  std::vector<SettingSpec> settings;
  // Cheap: connects lazily, at the first call.
  std::function<Result<std::shared_ptr<Plugin>>(const PluginSetup&)> make;
};

const std::vector<PluginKind>& AllPluginKinds();
const PluginKind* FindPluginKind(std::string_view name);

// `env:`, `file:` (first line, without the newline; a file readable by others is refused) and `credential:NAME`
// (a file of that name in $CREDENTIALS_DIRECTORY, as systemd sets it).
Result<std::string> ResolveSecret(const std::string& reference);

}  // namespace vmferry
