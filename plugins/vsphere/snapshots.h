// SPDX-License-Identifier: Apache-2.0
//
// Snapshots that carry our key in their description: made once, found again after a crash, removed without touching
// anybody else's. Any thread; both calls may be repeated.
// Source: vSphere Web Services API, VirtualMachine.CreateSnapshot_Task, VirtualMachineSnapshot.RemoveSnapshot_Task.
#pragma once

#include <string>
#include <vector>

#include "plugins/source_platform.h"
#include "plugins/vsphere/session.h"
#include "plugins/vsphere/soap.h"

namespace vmferry::vsphere {

struct Snapshot {
  Moref ref;
  std::string name;
  std::string description;
  std::string created;  // "2026-03-01T02:00:00Z"
};

// All of a VM's `snapshot` property, oldest first.
std::vector<Snapshot> SnapshotsIn(pugi::xml_node snapshot_info);

// The snapshot with our key; an empty reference if there is none.
Result<Moref> FindSnapshot(Session& session, const Moref& vm, const std::string& key, Deadline& deadline);

Result<SnapshotReply> EnsureSnapshot(Session& session, const Moref& vm, const SnapshotRequest& request,
                                     Deadline& deadline);
Result<Done> EnsureNoSnapshot(Session& session, const Moref& vm, const SnapshotRequest& request, Deadline& deadline);

}  // namespace vmferry::vsphere
