// SPDX-License-Identifier: Apache-2.0
//
// Role "source platform", the call that ends a migrated VM's time there. May be repeated; a VM that is not there is
// kNotFound.
#pragma once

#include <string>

#include "plugins/source_platform.h"

namespace vmferry {

// Takes the VM out of the inventory; its files and disks stay where they are, and it can be registered again. kConflict
// unless it carries the mark `migrated`, and unless it is off.
// Source: vSphere Web Services API, VirtualMachine.UnregisterVM.
struct UnregisterRequest {
  std::string vm;
  std::string migrated;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(UnregisterRequest, vm, migrated)

namespace source {
inline constexpr Call<UnregisterRequest, Done> kUnregisterVm{{"source", "UnregisterVm", Access::kWrite}};
}  // namespace source

}  // namespace vmferry
