// SPDX-License-Identifier: Apache-2.0
//
// Power of a VM. Judged by the VM's state, and by the platform's task while that lives: a call starts a task or looks
// at the one given, waits for it within its time, and answers with the task's id when it has not ended.
// Any thread; may be repeated. Source: vSphere Web Services API, VirtualMachine power operations.
#pragma once

#include "plugins/source_platform.h"
#include "plugins/vsphere/session.h"
#include "plugins/vsphere/soap.h"

namespace vmferry::vsphere {

Result<PowerReply> RequestShutdown(Session& session, const Moref& vm, const PowerRequest& request, Deadline& deadline);
Result<PowerReply> EnsurePoweredOff(Session& session, const Moref& vm, const PowerRequest& request, Deadline& deadline);
// kUnavailable while an export or another task holds the VM.
Result<PowerReply> EnsurePoweredOn(Session& session, const Moref& vm, const PowerRequest& request, Deadline& deadline);

}  // namespace vmferry::vsphere
