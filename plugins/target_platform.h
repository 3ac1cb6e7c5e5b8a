// SPDX-License-Identifier: Apache-2.0
//
// Role "target platform": where a workload will run (libvirt). Calls name goals; write calls may be repeated.
// Every domain and volume we make carries our key (the idempotency key of the step that made it): a domain in its
// libvirt metadata, a volume in its name and in the seal. Removing refuses what does not carry our key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/call.h"
#include "plugins/source_platform.h"

namespace vmferry {

// A volume whose name ends so holds room: it is thin, and its capacity is promised to somebody (PoolFacts).
inline constexpr std::string_view kReserveSuffix = ".reserve";

struct PoolFacts {
  std::string name;
  std::string type;  // "dir", "logical", ...
  bool active = false;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t available_bytes = 0;
  std::uint64_t reserved_bytes = 0;  // of what is available: the capacity of all volumes that hold room
};
struct TargetFacts {
  std::string product;  // "QEMU 7.2.22, libvirt 9.0.0"
  std::string host;
  int cpus = 0;
  std::int64_t memory_mib = 0;       // of the host
  std::int64_t memory_free_mib = 0;  // -1 when the platform does not tell
  std::vector<std::string> domain_types;  // usable: "kvm", "qemu"
  std::vector<std::string> firmwares;     // usable: "bios", "efi"
  std::vector<PoolFacts> pools;
  std::vector<std::string> networks;  // libvirt networks and host bridges known
};

struct DomainQuery {
  std::string domain;
};
struct DomainDisk {
  std::string target;   // "vda"
  std::string volume;   // path or volume name
  std::string format;
  std::string backing;  // first backing file; empty if none
  // As in DomainDiskSpec; empty where the definition leaves it to the hypervisor.
  std::string cache = "";
  std::string discard = "";
  std::string io = "";
};
struct DomainFacts {
  bool exists = false;
  std::string uuid;
  std::string state;  // "running", "off", "paused", "crashed", ...
  std::string key;    // our key in the metadata; empty if not ours
  std::vector<DomainDisk> disks;
  std::vector<std::string> macs;
  bool merging = false;  // MergeOverlays has begun and left something to do, if only to clean up: call it again
};

struct VolumeQuery {
  std::string pool;
  std::string volume;
};
struct VolumeFacts {
  bool exists = false;
  std::string path;
  std::string format;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t allocation_bytes = 0;
  std::string backing;  // backing file; empty if none
  std::string seal;     // JSON text of the seal; empty if not sealed
};

// Creates the volume unless one of the same name, capacity and format is there; another: kConflict.
// Pool full: kUnavailable is wrong (it will not get better by itself): kInvalid with sizes.
struct EnsureVolumeRequest {
  std::string pool;
  std::string volume;
  std::string format;  // "raw", "qcow2"
  std::uint64_t capacity_bytes = 0;
  std::string backing_volume;  // for an overlay: volume in the same pool; empty otherwise
  std::string backing_format;
};
struct VolumeReply {
  std::string path;
};
// Removes the volume (not there: ok). A sealed volume is refused with kConflict unless include_sealed.
struct RemoveVolumeRequest {
  std::string pool;
  std::string volume;
  bool include_sealed = false;
};
// Marks a finished copy: from now on failure paths leave it alone. `seal` is JSON text (source, digest, key, time).
struct SealVolumeRequest {
  std::string pool;
  std::string volume;
  std::string seal;
};
// Makes `to` a converted copy of `from`; long: blocks until finished. A half-made `to` (never sealed) is replaced.
struct ConvertVolumeRequest {
  std::string pool;
  std::string from;
  std::string to;
  std::string format;
};
// The reply carries a VolumeWriter that starts at `offset`.
struct WriteVolumeRequest {
  std::string pool;
  std::string volume;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // bytes that may follow from offset: capacity - offset
};

struct DomainDiskSpec {
  std::string pool;
  std::string volume;
  std::string format;  // of the volume: "qcow2", "raw"
  // How the hypervisor does its I/O; empty: as it likes. https://libvirt.org/formatdomain.html (disk, driver)
  std::string cache = "";         // "none", "writeback", "writethrough", "directsync", "unsafe"
  std::string discard = "unmap";  // "unmap", "ignore"
  std::string io = "";            // "native" (with cache none or directsync only), "threads", "io_uring"
};
struct DomainNicSpec {
  std::string mac;
  std::string network;  // how the site maps the source's network: "network:default", "bridge:br0", "user", "none"
  std::string model;    // "virtio", "e1000e"
  std::string filter = "";  // network filter that its traffic passes; empty: none
};
// A domain built from the source's hardware and the site's mappings.
struct DefineRequest {
  std::string domain;
  std::string key;
  std::string uuid;  // keep the source's BIOS uuid; empty: the platform chooses
  std::string description;
  int cpus = 0;
  int cores_per_socket = 1;
  std::int64_t memory_mib = 0;
  std::string firmware;  // "bios" or "efi"
  bool secure_boot = false;
  std::string disk_bus;  // "virtio", "sata", "scsi"
  std::vector<DomainDiskSpec> disks;
  std::vector<DomainNicSpec> nics;
  std::string domain_type;  // "kvm", "qemu", or "auto": kvm where usable
  std::string extra_xml;    // from the site; children of an <extra> root, merged into <domain>
  bool guest_agent = false;       // a channel for the QEMU guest agent
  std::string console_pool = "";  // where the serial console is recorded (target_boot.h); empty: it is not
};
struct DefineReply {
  std::string uuid;
  std::string xml;  // as the platform stored it
};
struct DomainRequest {
  std::string domain;
  std::string key;  // must match the domain's metadata, else kConflict
};
struct DomainReply {
  bool done = false;
  std::string state;
};
// Merges the running (or stopped) domain's overlays into the volumes below, live; then removes the overlays.
struct MergeReply {
  bool done = false;
  int percent = 0;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PoolFacts, name, type, active, capacity_bytes, available_bytes,
                                                reserved_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TargetFacts, product, host, cpus, memory_mib, memory_free_mib,
                                                domain_types, firmwares, pools, networks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DomainQuery, domain)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DomainDisk, target, volume, format, backing, cache, discard, io)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DomainFacts, exists, uuid, state, key, disks, macs, merging)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VolumeQuery, pool, volume)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VolumeFacts, exists, path, format, capacity_bytes, allocation_bytes,
                                                backing, seal)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EnsureVolumeRequest, pool, volume, format, capacity_bytes,
                                                backing_volume, backing_format)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VolumeReply, path)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RemoveVolumeRequest, pool, volume, include_sealed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SealVolumeRequest, pool, volume, seal)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ConvertVolumeRequest, pool, from, to, format)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(WriteVolumeRequest, pool, volume, offset, length)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DomainDiskSpec, pool, volume, format, cache, discard, io)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DomainNicSpec, mac, network, model, filter)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DefineRequest, domain, key, uuid, description, cpus, cores_per_socket,
                                                memory_mib, firmware, secure_boot, disk_bus, disks, nics, domain_type,
                                                extra_xml, guest_agent, console_pool)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DefineReply, uuid, xml)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DomainRequest, domain, key)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DomainReply, done, state)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MergeReply, done, percent)

namespace target {
inline constexpr Call<PlatformQuery, TargetFacts> kDescribeTarget{{"target", "DescribeTarget", Access::kRead}};
inline constexpr Call<DomainQuery, DomainFacts> kDescribeDomain{{"target", "DescribeDomain", Access::kRead}};
inline constexpr Call<VolumeQuery, VolumeFacts> kDescribeVolume{{"target", "DescribeVolume", Access::kRead}};
inline constexpr Call<EnsureVolumeRequest, VolumeReply> kEnsureVolume{{"target", "EnsureVolume", Access::kWrite}};
inline constexpr Call<RemoveVolumeRequest, Done> kEnsureNoVolume{{"target", "EnsureNoVolume", Access::kWrite}};
inline constexpr Call<SealVolumeRequest, Done> kSealVolume{{"target", "SealVolume", Access::kWrite}};
inline constexpr Call<ConvertVolumeRequest, VolumeReply> kConvertVolume{{"target", "ConvertVolume", Access::kWrite}};
inline constexpr Call<WriteVolumeRequest, VolumeReply> kWriteVolume{{"target", "WriteVolume", Access::kWrite}};
inline constexpr Call<DefineRequest, DefineReply> kEnsureDefined{{"target", "EnsureDefined", Access::kWrite}};
inline constexpr Call<DomainRequest, Done> kEnsureUndefined{{"target", "EnsureUndefined", Access::kWrite}};
inline constexpr Call<DomainRequest, DomainReply> kEnsureRunning{{"target", "EnsureRunning", Access::kWrite}};
// Asks the guest to shut down (ACPI) and returns at once.
inline constexpr Call<DomainRequest, DomainReply> kRequestStop{{"target", "RequestStop", Access::kWrite}};
// Destroys the domain's process; the definition stays. Not running or not there: ok.
inline constexpr Call<DomainRequest, DomainReply> kEnsureStopped{{"target", "EnsureStopped", Access::kWrite}};
inline constexpr Call<DomainRequest, MergeReply> kMergeOverlays{{"target", "MergeOverlays", Access::kWrite}};
}  // namespace target

}  // namespace vmferry
