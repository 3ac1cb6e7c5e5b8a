// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/capabilities.h"

#include <algorithm>
#include <pugixml.hpp>
#include <string_view>

namespace vmferry::libvirt {
namespace {

bool Has(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string Join(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& item : list) text += (text.empty() ? "" : ", ") + item;
  return text.empty() ? "none" : text;
}

std::vector<std::string> EnumValues(const pugi::xml_node& parent, const char* name) {
  std::vector<std::string> values;
  for (const pugi::xml_node value : parent.find_child_by_attribute("enum", "name", name).children("value"))
    values.emplace_back(value.child_value());
  return values;
}

Error Invalid(const std::string& message, const std::string& advice) {
  return Error{ErrorKind::kInvalid, "", "", message, advice};
}

// Host CPUs reach a KVM guest unchanged; TCG emulates, and its default model is too old for current distributions.
std::string ChooseCpuMode(const MachineSupport& machine, const std::string& domain_type) {
  using Modes = std::vector<const char*>;
  const Modes order = domain_type == "kvm" ? Modes{"host-passthrough", "host-model"} : Modes{"maximum"};
  for (const char* mode : order)
    if (Has(machine.cpu_modes, mode)) return mode;
  return "";
}

}  // namespace

std::vector<GuestSupport> ParseCapabilities(const std::string& xml) {
  pugi::xml_document document;
  std::vector<GuestSupport> guests;
  if (!document.load_string(xml.c_str())) return guests;
  for (const pugi::xml_node guest : document.child("capabilities").children("guest")) {
    GuestSupport support{guest.child("arch").attribute("name").value(), guest.child("os_type").child_value(), {}};
    for (const pugi::xml_node domain : guest.child("arch").children("domain"))
      support.domain_types.emplace_back(domain.attribute("type").value());
    guests.push_back(std::move(support));
  }
  return guests;
}

GuestSupport GuestForWorkloads(const std::vector<GuestSupport>& guests) {
  for (const GuestSupport& guest : guests)
    if (guest.arch == "x86_64" && guest.os_type == "hvm") return guest;
  return guests.empty() ? GuestSupport{} : guests.front();
}

MachineSupport ParseDomainCapabilities(const std::string& xml) {
  MachineSupport support;
  pugi::xml_document document;
  if (!document.load_string(xml.c_str())) return support;
  const pugi::xml_node root = document.child("domainCapabilities");
  if (!root) return support;
  support.known = true;
  support.machine = root.child("machine").child_value();
  support.max_cpus = root.child("vcpu").attribute("max").as_int();
  const pugi::xml_node os = root.child("os");
  support.firmwares.emplace_back("bios");  // every x86 machine type of QEMU carries SeaBIOS
  if (Has(EnumValues(os, "firmware"), "efi")) support.firmwares.emplace_back("efi");
  support.secure_boot = Has(EnumValues(os.child("loader"), "secure"), "yes");
  for (const pugi::xml_node mode : root.child("cpu").children("mode"))
    if (std::string_view(mode.attribute("supported").value()) == "yes")
      support.cpu_modes.emplace_back(mode.attribute("name").value());
  support.disk_buses = EnumValues(root.child("devices").child("disk"), "bus");
  return support;
}

Result<std::string> ChooseDomainType(const GuestSupport& guest, const std::string& wanted) {
  const std::vector<std::string>& usable = guest.domain_types;
  if (!wanted.empty() && wanted != "auto") {
    if (Has(usable, wanted)) return wanted;
    return Invalid("domain type '" + wanted + "' is not usable there; usable: " + Join(usable),
                   wanted == "kvm" ? "check virtualisation in the firmware and /dev/kvm on the target host"
                                   : "set domainType in the site to one of these");
  }
  for (const char* type : {"kvm", "qemu"})
    if (Has(usable, type)) return std::string(type);
  if (!usable.empty()) return usable.front();
  return Invalid("the platform names no usable domain type", "check `virsh capabilities` on the target host");
}

Result<HostChoice> ChooseHost(const DefineRequest& request, const GuestSupport& guest, const std::string& domain_type,
                              const MachineSupport& machine) {
  if (request.firmware == "efi" && !Has(machine.firmwares, "efi"))
    return Invalid("the workload boots by EFI, for which the target has no firmware",
                   "install the OVMF package on the target host (Debian: ovmf)");
  if (request.secure_boot && request.firmware != "efi")
    return Invalid("secure boot needs EFI firmware, the workload has " + request.firmware, "");
  if (request.secure_boot && !machine.secure_boot)
    return Invalid("the workload uses secure boot, for which the target has no firmware",
                   "install an OVMF build with secure boot on the target host");
  if (machine.known && machine.max_cpus > 0 && request.cpus > machine.max_cpus)
    return Invalid("the workload has " + std::to_string(request.cpus) + " CPUs, machine " + machine.machine +
                       " takes at most " + std::to_string(machine.max_cpus),
                   "");
  if (machine.known && !machine.disk_buses.empty() && !Has(machine.disk_buses, request.disk_bus))
    return Invalid("disk bus '" + request.disk_bus + "' is not usable there; usable: " + Join(machine.disk_buses), "");
  return HostChoice{domain_type, guest.arch, guest.os_type, machine.machine, ChooseCpuMode(machine, domain_type)};
}

}  // namespace vmferry::libvirt
