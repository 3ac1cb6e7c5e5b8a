// SPDX-License-Identifier: Apache-2.0
//
// Role "source platform": where a workload runs today (vCenter, ESXi). Calls name goals; write calls may be repeated.
// A VM is named by its inventory path as the site writes it ("/DC0/vm/Team-A/web1"); a bare name is accepted when it
// is unique, else the call fails with kConflict listing the paths.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/call.h"

namespace vmferry {

struct PlatformQuery {};
struct PlatformFacts {
  std::string product;      // "VMware vCenter Server 8.0.1 build-..."
  std::string api_version;  // "8.0.1.0"
  std::string user;         // who we are there
};

struct VmQuery {
  std::string vm;
};

struct DiskFacts {
  std::string id;               // stable within the VM: the device key as text ("2000")
  std::string label;            // "Hard disk 1"
  std::string path;             // "[datastore1] web1/web1.vmdk"
  std::uint64_t capacity_bytes = 0;
  std::string controller;       // "pvscsi", "lsilogic", "lsilogicsas", "buslogic", "ahci", "ide", "nvme"
  int bus = 0;                  // controller's bus number
  int unit = 0;                 // unit on the controller
  std::string mode;             // "persistent", "independent_persistent", ...
  bool raw_device_mapping = false;
  bool shared = false;          // other VMs may have it open: sharing mode multi-writer, or a shared controller bus
};

struct NicFacts {
  std::string id;       // the device key as text ("4000")
  std::string label;    // "Network adapter 1"
  std::string adapter;  // "vmxnet3", "e1000", "e1000e", ...
  std::string mac;      // lower case, "00:50:56:..."
  std::string network;  // name of the network or port group
  bool connected = false;
  bool start_connected = false;  // connect at power-on
};

// A device of the host that the VM has to itself or a share of; what kind of device it is, the platform may not tell.
struct GpuFacts {
  std::string id;      // the device key as text ("13000")
  std::string label;   // "PCI device 0"
  std::string mode;    // "passthrough", "sriov", "vgpu", "mig"; "unknown" if the platform's answer does not tell
  std::string device;  // as the platform names it: a profile ("grid_a100-4c"), a PCI address; may be empty
};

struct VmFacts {
  std::string id;             // the platform's own id ("vm-42")
  std::string instance_uuid;
  std::string bios_uuid;
  std::string name;
  std::string path;           // full inventory path
  std::string host;           // where it runs or is registered
  std::string power;          // "on", "off", "suspended"
  std::string change_version;  // of the configuration that was read; guards writes
  std::string claim;          // extraConfig "vmferry.claim"; empty if unclaimed
  std::string migrated;       // extraConfig "vmferry.migrated": the run that moved this VM away; empty if none
  std::string fence;          // extraConfig "vmferry.fence": journaled NIC states of our fence; empty if none
  std::string tools;          // guest tools: "running", "not running", "not installed", "unknown"
  std::string firmware;       // "bios" or "efi"
  bool secure_boot = false;
  bool tpm = false;
  int cpus = 0;
  int cores_per_socket = 1;
  std::int64_t memory_mib = 0;
  std::string guest_id;       // "debian12_64Guest"
  std::vector<DiskFacts> disks;
  std::vector<NicFacts> nics;
  std::vector<std::string> snapshots;  // names, oldest first
  std::vector<GpuFacts> gpus;
};

// Claims the VM for a run: writes extraConfig "vmferry.claim" = claim, guarded by change_version.
// kConflict if another claim stands there or the configuration changed since. Repeating with the same claim is ok.
struct ClaimRequest {
  std::string vm;
  std::string claim;           // "run/application/workload"
  std::string change_version;  // as read
};
struct ClaimReply {
  std::string change_version;  // after the write
};
// Removes the claim if it is `claim` (another's: kConflict; none: ok). With `migrated` set, writes it as
// "vmferry.migrated" in the same reconfiguration.
struct ReleaseRequest {
  std::string vm;
  std::string claim;
  std::string migrated;
};
struct Done {};

// Power calls are asynchronous: they start a task, or look at `task` if given, and answer whether it is finished.
struct PowerRequest {
  std::string vm;
  std::string claim;  // must stand on the VM, else kConflict; empty: not checked
  std::string task;   // of an earlier answer; empty at first
};
struct PowerReply {
  bool done = false;
  std::string power;  // as read after the call
  std::string task;   // to ask again with; empty when done
};

// Sets "connect at power-on" of the NICs (and, when the VM is off, nothing else), with extraConfig "vmferry.fence" =
// fence (empty removes it) in the same reconfiguration. One reconfiguration, guarded by change_version when given.
struct NicStart {
  std::string id;
  bool start_connected = false;
};
struct SetNicStartRequest {
  std::string vm;
  std::string claim;  // must stand on the VM, else kConflict
  std::vector<NicStart> nics;
  std::string fence;
};

struct SnapshotRequest {
  std::string vm;
  std::string name;
  std::string key;  // our idempotency key, in the description: found again after a crash
};
struct SnapshotReply {
  std::string id;
};

// Export: the right to read the disks of a powered-off VM. Method "nfc" opens an NFC lease (which blocks power-on,
// cannot resume and expires without KeepExport), "folder" reads the datastore over HTTPS and needs no handle.
struct OpenExportRequest {
  std::string vm;
  std::string method;  // "nfc" or "folder"
};
struct ExportReply {
  std::string handle;  // journaled before use; empty for "folder"
};
struct KeepExportRequest {
  std::string handle;
  int percent = 0;
};
// Ends the export. Not there any more: ok.
struct CloseExportRequest {
  std::string handle;
  bool completed = false;  // false aborts
};
struct OpenDiskRequest {
  std::string vm;
  std::string disk;    // DiskFacts::id
  std::string method;
  std::string handle;
  std::uint64_t offset = 0;  // start here; "nfc" knows only 0
  // Key of a snapshot (SnapshotRequest) whose state of the disk is read, while the VM may run; "folder" only. Empty: the
  // disk of a powered-off VM. No such snapshot: kNotFound.
  std::string snapshot = "";
};
struct OpenDiskReply {
  std::uint64_t size = 0;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PlatformFacts, product, api_version, user)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VmQuery, vm)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DiskFacts, id, label, path, capacity_bytes, controller, bus, unit, mode,
                                                raw_device_mapping, shared)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NicFacts, id, label, adapter, mac, network, connected, start_connected)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(GpuFacts, id, label, mode, device)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VmFacts, id, instance_uuid, bios_uuid, name, path, host, power,
                                                change_version, claim, migrated, fence, tools, firmware, secure_boot,
                                                tpm, cpus, cores_per_socket, memory_mib, guest_id, disks, nics,
                                                snapshots, gpus)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ClaimRequest, vm, claim, change_version)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ClaimReply, change_version)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ReleaseRequest, vm, claim, migrated)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PowerRequest, vm, claim, task)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PowerReply, done, power, task)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NicStart, id, start_connected)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SetNicStartRequest, vm, claim, nics, fence)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SnapshotRequest, vm, name, key)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SnapshotReply, id)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(OpenExportRequest, vm, method)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ExportReply, handle)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(KeepExportRequest, handle, percent)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CloseExportRequest, handle, completed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(OpenDiskRequest, vm, disk, method, handle, offset, snapshot)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(OpenDiskReply, size)
inline void to_json(Json& json, const PlatformQuery&) { json = Json::object(); }
inline void from_json(const Json&, PlatformQuery&) {}
inline void to_json(Json& json, const Done&) { json = Json::object(); }
inline void from_json(const Json&, Done&) {}

namespace source {
inline constexpr Call<PlatformQuery, PlatformFacts> kDescribePlatform{{"source", "DescribePlatform", Access::kRead}};
inline constexpr Call<VmQuery, VmFacts> kDescribeVm{{"source", "DescribeVm", Access::kRead}};
inline constexpr Call<ClaimRequest, ClaimReply> kClaimVm{{"source", "ClaimVm", Access::kWrite}};
inline constexpr Call<ReleaseRequest, Done> kReleaseVm{{"source", "ReleaseVm", Access::kWrite}};
// Asks the guest to shut down and returns at once; kInvalid-free if already off. Needs guest tools on vSphere:
// without them kUnavailable is wrong (it will not get better), so kInvalid with the platform's words.
inline constexpr Call<PowerRequest, PowerReply> kRequestShutdown{{"source", "RequestShutdown", Access::kWrite}};
inline constexpr Call<PowerRequest, PowerReply> kEnsurePoweredOff{{"source", "EnsurePoweredOff", Access::kWrite}};
inline constexpr Call<PowerRequest, PowerReply> kEnsurePoweredOn{{"source", "EnsurePoweredOn", Access::kWrite}};
inline constexpr Call<SetNicStartRequest, Done> kSetNicStart{{"source", "SetNicStart", Access::kWrite}};
inline constexpr Call<SnapshotRequest, SnapshotReply> kEnsureSnapshot{{"source", "EnsureSnapshot", Access::kWrite}};
inline constexpr Call<SnapshotRequest, Done> kEnsureNoSnapshot{{"source", "EnsureNoSnapshot", Access::kWrite}};
inline constexpr Call<OpenExportRequest, ExportReply> kOpenExport{{"source", "OpenExport", Access::kWrite}};
inline constexpr Call<KeepExportRequest, Done> kKeepExport{{"source", "KeepExport", Access::kWrite}};
inline constexpr Call<CloseExportRequest, Done> kCloseExport{{"source", "CloseExport", Access::kWrite}};
// The reply carries a DiskReader.
inline constexpr Call<OpenDiskRequest, OpenDiskReply> kOpenDisk{{"source", "OpenDisk", Access::kRead}};
}  // namespace source

}  // namespace vmferry
