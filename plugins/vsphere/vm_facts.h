// SPDX-License-Identifier: Apache-2.0
//
// What a VM is: VmFacts read over the API. Read-only. Any thread.
// Our marks live in the VM's extraConfig, since an ESXi host has no custom attributes and a change of extraConfig is
// atomic with the reconfiguration that makes it. Source: vSphere Web Services API, VirtualMachine.
#pragma once

#include <string>
#include <vector>

#include "plugins/source_platform.h"
#include "plugins/vsphere/devices.h"
#include "plugins/vsphere/property_collector.h"
#include "plugins/vsphere/session.h"

namespace vmferry::vsphere {

inline constexpr const char* kClaimKey = "vmferry.claim";
inline constexpr const char* kMigratedKey = "vmferry.migrated";
inline constexpr const char* kFenceKey = "vmferry.fence";

// The VM's configuration with what we need to change it, read in one answer.
struct VmConfig {
  Moref ref;
  Properties properties;  // owns `hardware`
  std::string change_version;
  std::string claim, migrated, fence;
  std::string power;  // "on", "off", "suspended"
  pugi::xml_node hardware;
};

// kUnavailable when the host is disconnected or the VM inaccessible and so has no readable configuration.
Result<VmConfig> ReadConfig(Session& session, const Moref& vm, Deadline& deadline);

Result<VmFacts> ReadFacts(Session& session, const Moref& vm, Deadline& deadline);

// "on", "off" or "suspended".
Result<std::string> ReadPower(Session& session, const Moref& vm, Deadline& deadline);

// kConflict unless `claim` stands on the VM. An empty `claim` is not checked.
Status CheckClaim(const Session& session, const VmConfig& config, const std::string& claim);

}  // namespace vmferry::vsphere
