// SPDX-License-Identifier: Apache-2.0
//
// Domain XML, written and read: pure functions. Format: https://libvirt.org/formatdomain.html.
//
// What we write of our own, in <metadata> (README.md has the contract):
//   <vmferry:workload xmlns:vmferry="https://vmferry.dev/xmlns/1">
//     <vmferry:key>KEY</vmferry:key>                      the idempotency key of the step that made the domain
//     <vmferry:disk>vda</vmferry:disk>...                 the disks we attached, in order; only these are ever merged
//     <vmferry:console pool="POOL">NAME</vmferry:console>  the volume that the serial console is recorded in
//   </vmferry:workload>
#pragma once

#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/libvirt/capabilities.h"
#include "plugins/target_platform.h"
#include "state/result.h"

namespace vmferry::libvirt {

inline constexpr std::string_view kMetadataNamespaceRoot = "https://vmferry.dev/xmlns/";
inline constexpr const char* kWorkloadNamespace = "https://vmferry.dev/xmlns/1";
inline constexpr const char* kMergeNamespace = "https://vmferry.dev/xmlns/merge/1";

// Where a disk's bytes are.
struct DiskSource {
  std::string path;
  bool block = false;  // a block device, not a file
  std::string format;
};

// Where the serial console is recorded; an empty path: nowhere.
struct ConsoleRecord {
  std::string pool;
  std::string volume;
  std::string path;
};

// The document to define. REQUIRES: sources match request.disks. Errors (kInvalid) come from the request's extra XML,
// network mappings and bus.
Result<std::string> BuildDomainXml(const DefineRequest& request, const HostChoice& host,
                                   const std::vector<DiskSource>& sources, const ConsoleRecord& console = {});

// "vda", ..., "vdz", "vdaa" for virtio; "sda" for sata and scsi.
std::string DiskTarget(const std::string& bus, std::size_t index);

// What a domain's XML says of itself.
struct DomainDocument {
  std::string name;
  std::string uuid;
  std::string key;                     // empty if not ours
  std::vector<std::string> our_disks;  // targets
  std::vector<DomainDisk> disks;       // volume is the path
  std::vector<std::string> macs;
  bool has_nvram = false;
  ConsoleRecord console;  // as our metadata says it, without the path
};
DomainDocument ReadDomain(const pugi::xml_document& document);

// The child of <metadata> in the namespace, whatever prefix it has; empty if there is none.
pugi::xml_node MetadataElement(const pugi::xml_node& domain, std::string_view xml_namespace);
// The source of a <disk>, <backingStore> or <mirror>: file, block device, or what else there is; empty if none.
std::string SourcePath(const pugi::xml_node& disk);
std::string Print(const pugi::xml_node& node);
// A name without its prefix: "key" of "vmferry:key".
std::string_view LocalName(const pugi::xml_node& node);

}  // namespace vmferry::libvirt
