// SPDX-License-Identifier: Apache-2.0
//
// What a site says of its name servers. Private to this folder. Values; pure.
#pragma once

#include <string>
#include <vector>

#include "plugins/registry.h"
#include "plugins/url.h"

namespace vmferry {

struct Rfc2136Settings {
  std::string name;
  std::vector<Url> servers;        // the primary first
  std::vector<std::string> zones;  // normal names
  std::string key_name, algorithm, key_secret;
  SecretResolver secrets;
};

// The secret stays a reference. kInvalid for what cannot be; the caller fills in Error::system.
Result<Rfc2136Settings> ReadRfc2136Settings(const PluginSetup& setup);

}  // namespace vmferry
