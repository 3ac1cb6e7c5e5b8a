// SPDX-License-Identifier: Apache-2.0
//
// Exports by NFC lease: opening one, keeping it alive, reading a disk under it, ending it.
// While a lease is open the VM cannot be powered on. It belongs to the session that opened it, cannot be resumed, and
// ends by itself some minutes after the last sign of life. So the handle, which is journaled before use, carries the
// lease, the VM and the platform's own task for the export: after a crash another session cannot reach the lease, but
// can cancel its task, or wait until it has ended.
//
// Threading: any. Closing may be repeated; opening a second lease while one is open is kUnavailable.
// Failure: a lease that ended is kNotFound. The ticket in a lease's URLs is a secret: URLs are in no Error.
// Source: vSphere Web Services API, HttpNfcLease; the host's certificate is in the lease since 9.0, before that in
// HostSystem.config.certificate.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "plugins/source_platform.h"
#include "plugins/stream.h"
#include "plugins/vsphere/devices.h"
#include "plugins/vsphere/session.h"

namespace vmferry::vsphere {

// What a handle holds; as text it is JSON.
struct LeaseHandle {
  std::string lease;
  std::string vm;    // its reference's value
  std::string task;  // empty when the platform showed none
};
std::string HandleText(const LeaseHandle& handle);
Result<LeaseHandle> ParseHandle(const std::string& text);

Result<ExportReply> OpenNfc(Session& session, const Moref& vm, Deadline& deadline);
Result<Done> KeepNfc(Session& session, const std::string& handle, int percent, Deadline& deadline);
Result<Done> CloseNfc(Session& session, const std::string& handle, bool completed, Deadline& deadline);

// Where a lease serves a disk.
struct DeviceUrl {
  std::string url;
  std::string certificate;  // PEM; empty before 9.0
};
// The URL for one of the VM's disks, told by controller, bus and unit: keys look like
// "/vm-42/ParaVirtualSCSIController0:1". kCorrupt when the lease has none, or it cannot be told which.
Result<DeviceUrl> ChooseDeviceUrl(pugi::xml_node lease_info, const std::vector<Disk>& disks, const std::string& id);

// A lease may name the host "*": then it is the one we talk to already.
Result<Url> ResolveDeviceUrl(const std::string& url, const Url& api);

// Waits until the lease is ready, then starts the download of one disk. `idle` bounds each wait in it.
Result<std::shared_ptr<DiskReader>> OpenNfcDisk(Session& session, const Moref& vm, const std::vector<Disk>& disks,
                                                const OpenDiskRequest& request, std::chrono::milliseconds idle,
                                                Deadline& deadline);

}  // namespace vmferry::vsphere
