// SPDX-License-Identifier: Apache-2.0
//
// Role "source platform", continued: what we may do with a VM there.
#pragma once

#include <string>
#include <vector>

#include "plugins/call.h"
#include "plugins/source_platform.h"

namespace vmferry {

struct PrivilegeFacts {
  std::vector<std::string> missing;  // of those that claiming, fencing and power need, in the platform's words
  std::string unproven;              // why the platform cannot tell; empty: it did
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PrivilegeFacts, missing, unproven)

namespace source {
// A platform that cannot tell is a reply (`unproven`), since everything else may still go well.
inline constexpr Call<VmQuery, PrivilegeFacts> kDescribePrivileges{{"source", "DescribePrivileges", Access::kRead}};
}  // namespace source

}  // namespace vmferry
