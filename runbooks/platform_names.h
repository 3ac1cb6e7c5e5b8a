// SPDX-License-Identifier: Apache-2.0
//
// Platforms as the field calls them: `vmware-vsphere` and `vmware` are one platform, `pextra-cloud` and `pextra` are,
// so that a runbook or a policy need not spell a platform as the site does. Pure functions.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runbooks/site.h"

namespace vmferry {

// "vmware" for "vmware-vsphere" (and for "vmware"); empty for what is no name of the field.
std::string_view FieldPlatform(std::string_view name);

// The names that policies use.
const std::vector<std::string>& FieldPlatforms();

// Everything a platform of the site answers to: its name, its aliases, and the field's names among them; if there is
// none of the field's, that of what its plugin talks to.
std::set<std::string, std::less<>> NamesOf(const SystemEntry& platform);

}  // namespace vmferry
