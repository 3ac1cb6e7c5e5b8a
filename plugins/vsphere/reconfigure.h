// SPDX-License-Identifier: Apache-2.0
//
// Changes of a VM's configuration: the claim, the marker of a finished migration, and the fence (which NICs connect at
// power-on). Each is one ReconfigVM_Task guarded by the changeVersion that was read, so that it happens as a whole and
// only if nobody changed the VM in between (kConflict). Any thread; each may be repeated.
// Source: vSphere Web Services API, VirtualMachine.ReconfigVM_Task.
#pragma once

#include "plugins/source_platform.h"
#include "plugins/source_retire.h"
#include "plugins/vsphere/session.h"
#include "plugins/vsphere/soap.h"

namespace vmferry::vsphere {

Result<ClaimReply> Claim(Session& session, const Moref& vm, const ClaimRequest& request, Deadline& deadline);
Result<Done> Release(Session& session, const Moref& vm, const ReleaseRequest& request, Deadline& deadline);
Result<Done> Unregister(Session& session, const Moref& vm, const UnregisterRequest& request, Deadline& deadline);
Result<Done> SetNicStart(Session& session, const Moref& vm, const SetNicStartRequest& request, Deadline& deadline);

}  // namespace vmferry::vsphere
