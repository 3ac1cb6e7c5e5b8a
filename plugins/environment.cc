// SPDX-License-Identifier: Apache-2.0
#include "plugins/environment.h"

namespace vmferry {

Result<std::vector<std::pair<std::string, std::string>>> SecretEnvironment(const PluginSetup& setup) {
  std::vector<std::pair<std::string, std::string>> environment;
  const Json given = setup.settings.value("environment", Json::object());
  for (const auto& [name, reference] : given.items()) {
    if (name.empty() || name.find('=') != std::string::npos || !reference.is_string())
      return Error{ErrorKind::kInvalid, setup.name, "setting environment", "\"" + name + "\" has no text as its value",
                   "write NAME: env:NAME, file:PATH or credential:NAME"};
    const Result<std::string> secret = setup.secrets(reference.get<std::string>());
    if (!secret) {
      Error error = secret.error();
      error.system = setup.name;
      return error;
    }
    environment.emplace_back(name, *secret);
  }
  return environment;
}

}  // namespace vmferry
