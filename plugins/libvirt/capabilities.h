// SPDX-License-Identifier: Apache-2.0
//
// What a host can run, as libvirt tells it: pure functions from two XML documents to facts, and from facts and a
// request to the choices a domain is built with.
//
// Documents: https://libvirt.org/formatcaps.html (virConnectGetCapabilities) and
// https://libvirt.org/formatdomaincaps.html (virConnectGetDomainCapabilities).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugins/target_platform.h"
#include "state/result.h"

namespace vmferry::libvirt {

// One kind of guest the host runs: an element <guest> of the capabilities.
struct GuestSupport {
  std::string arch;     // "x86_64"
  std::string os_type;  // "hvm"
  std::vector<std::string> domain_types;
};
std::vector<GuestSupport> ParseCapabilities(const std::string& xml);
// The one our workloads need: x86_64 fully virtualised, else (test driver) whatever comes first.
GuestSupport GuestForWorkloads(const std::vector<GuestSupport>& guests);

// What one domain type and machine can do.
struct MachineSupport {
  bool known = false;  // false: the platform does not tell, so nothing is promised or refused
  std::string machine;
  int max_cpus = 0;
  std::vector<std::string> firmwares;  // "bios" and, where found, "efi"
  bool secure_boot = false;
  std::vector<std::string> cpu_modes;  // supported: "host-passthrough", "maximum", ...
  std::vector<std::string> disk_buses;
};
MachineSupport ParseDomainCapabilities(const std::string& xml);

// The choices left to us.
struct HostChoice {
  std::string domain_type;
  std::string arch;
  std::string os_type;
  std::string machine;   // empty: the platform's default
  std::string cpu_mode;  // empty: the platform's default
};
// "auto" is kvm where usable, else qemu, else what there is. kInvalid names what is usable.
Result<std::string> ChooseDomainType(const GuestSupport& guest, const std::string& wanted);
// Checks firmware, CPUs and bus of `request` against `machine` before anything is defined.
Result<HostChoice> ChooseHost(const DefineRequest& request, const GuestSupport& guest, const std::string& domain_type,
                              const MachineSupport& machine);

}  // namespace vmferry::libvirt
