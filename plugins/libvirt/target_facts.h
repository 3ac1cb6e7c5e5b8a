// SPDX-License-Identifier: Apache-2.0
//
// What the target host is and has, read live. Nothing here changes anything; a pool is told to look at its files
// again (virStoragePoolRefresh), so that its sizes are today's.
#pragma once

#include <string>

#include "plugins/libvirt/capabilities.h"
#include "plugins/libvirt/connection.h"
#include "plugins/target_platform.h"

namespace vmferry::libvirt {

// TargetFacts::networks are written as a site's mapping writes them: "network:NAME", "bridge:NAME", "user".
// TargetFacts::domain_types and firmwares are usable ones only. A part the platform does not tell is left empty.
Result<TargetFacts> DescribeTarget(const Session& session);

Result<GuestSupport> ReadGuestSupport(const Session& session);
// The machine a workload gets: q35 where there is one, else the platform's default. `known` is false when the
// platform does not answer (the test driver).
MachineSupport ReadMachineSupport(const Session& session, const GuestSupport& guest, const std::string& domain_type);
// ChooseDomainType, but "auto" takes kvm only if the platform can also describe a machine for it.
Result<std::string> UsableDomainType(const Session& session, const GuestSupport& guest, const std::string& wanted);

}  // namespace vmferry::libvirt
