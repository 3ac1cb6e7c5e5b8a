// SPDX-License-Identifier: Apache-2.0
//
// What our user may do with a VM. vCenter tells; one ESXi host has no privileges of its own on single VMs worth asking
// for, and is not asked. Threading and failure: as session.h.
// Source: vSphere Web Services API, AuthorizationManager.HasPrivilegeOnEntities (since 5.5).
#pragma once

#include "plugins/source_privileges.h"
#include "plugins/vsphere/session.h"

namespace vmferry::vsphere {

// Those of README.md, "Least privileges", that ClaimVm, ReleaseVm, SetNicStart and the power calls need.
Result<PrivilegeFacts> DescribePrivileges(Session& session, const Moref& vm, const VmQuery& query, Deadline& deadline);

}  // namespace vmferry::vsphere
