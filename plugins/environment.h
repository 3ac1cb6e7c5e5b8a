// SPDX-License-Identifier: Apache-2.0
//
// Secrets for the environment of a program, from a setting of type "map": NAME: REFERENCE. Never in argv, where others
// on the machine could read them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "plugins/registry.h"

namespace vmferry {

// The variables of the setting `environment`, with the references resolved. kInvalid for a value that is no reference.
Result<std::vector<std::pair<std::string, std::string>>> SecretEnvironment(const PluginSetup& setup);

}  // namespace vmferry
