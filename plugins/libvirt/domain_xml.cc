// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/domain_xml.h"

#include <algorithm>
#include <sstream>

#include "plugins/libvirt/extra_xml.h"

namespace vmferry::libvirt {
namespace {

void AddText(pugi::xml_node parent, const char* name, const std::string& text) {
  parent.append_child(name).text().set(text.c_str());
}

void AddMetadata(pugi::xml_node domain, const DefineRequest& request, const ConsoleRecord& record) {
  pugi::xml_node ours = domain.append_child("metadata").append_child("vmferry:workload");
  ours.append_attribute("xmlns:vmferry") = kWorkloadNamespace;
  AddText(ours, "vmferry:key", request.key);
  for (std::size_t i = 0; i < request.disks.size(); ++i) AddText(ours, "vmferry:disk", DiskTarget(request.disk_bus, i));
  if (record.path.empty()) return;
  pugi::xml_node console = ours.append_child("vmferry:console");
  console.append_attribute("pool") = record.pool.c_str();
  console.text().set(record.volume.c_str());
}

void AddCpus(pugi::xml_node domain, const DefineRequest& request, const HostChoice& host) {
  pugi::xml_node vcpu = domain.append_child("vcpu");
  vcpu.append_attribute("placement") = "static";
  vcpu.text().set(request.cpus);
  const int cores = std::max(1, request.cores_per_socket);
  const bool whole_sockets = request.cpus % cores == 0;
  if (host.cpu_mode.empty() && !whole_sockets) return;
  pugi::xml_node cpu = domain.append_child("cpu");
  if (!host.cpu_mode.empty()) {
    cpu.append_attribute("mode") = host.cpu_mode.c_str();
    cpu.append_attribute("check") = "none";
  }
  if (!whole_sockets) return;
  pugi::xml_node topology = cpu.append_child("topology");
  topology.append_attribute("sockets") = request.cpus / cores;
  topology.append_attribute("cores") = cores;
  topology.append_attribute("threads") = 1;
}

void AddFirmwareFeature(pugi::xml_node firmware, const char* name, bool enabled) {
  pugi::xml_node feature = firmware.append_child("feature");
  feature.append_attribute("enabled") = enabled ? "yes" : "no";
  feature.append_attribute("name") = name;
}

// EFI is found by libvirt's firmware autoselection, so no path of the target host is needed.
void AddFirmware(pugi::xml_node domain, const DefineRequest& request, const HostChoice& host) {
  const bool efi = request.firmware == "efi";
  pugi::xml_node os = domain.append_child("os");
  if (efi) os.append_attribute("firmware") = "efi";
  pugi::xml_node type = os.append_child("type");
  if (!host.arch.empty()) type.append_attribute("arch") = host.arch.c_str();
  if (!host.machine.empty()) type.append_attribute("machine") = host.machine.c_str();
  type.text().set(host.os_type.c_str());
  if (efi) {
    pugi::xml_node firmware = os.append_child("firmware");
    AddFirmwareFeature(firmware, "secure-boot", request.secure_boot);
    if (request.secure_boot) AddFirmwareFeature(firmware, "enrolled-keys", true);
  }
  os.append_child("boot").append_attribute("dev") = "hd";
  pugi::xml_node features = domain.append_child("features");
  features.append_child("acpi");  // the power button of RequestStop needs it
  features.append_child("apic");
  if (request.secure_boot) features.append_child("smm").append_attribute("state") = "on";
}

// A guest that crashed is ended, not kept: its core would hold the disks against a rollback, and libvirt still
// reports the reason. It is not restarted either: the post-checks must see that it fell.
void AddLifeCycle(pugi::xml_node domain) {
  domain.append_child("clock").append_attribute("offset") = "utc";
  AddText(domain, "on_poweroff", "destroy");
  AddText(domain, "on_reboot", "restart");
  AddText(domain, "on_crash", "destroy");
}

void AddWish(pugi::xml_node driver, const char* name, const std::string& value) {
  if (!value.empty()) driver.append_attribute(name) = value.c_str();
}

void AddDisk(pugi::xml_node devices, const DiskSource& source, const DomainDiskSpec& spec, const std::string& bus,
             std::size_t index) {
  pugi::xml_node disk = devices.append_child("disk");
  disk.append_attribute("type") = source.block ? "block" : "file";
  disk.append_attribute("device") = "disk";
  pugi::xml_node driver = disk.append_child("driver");
  driver.append_attribute("name") = "qemu";
  driver.append_attribute("type") = source.format.c_str();
  AddWish(driver, "cache", spec.cache);
  AddWish(driver, "io", spec.io);
  AddWish(driver, "discard", spec.discard);
  disk.append_child("source").append_attribute(source.block ? "dev" : "file") = source.path.c_str();
  pugi::xml_node target = disk.append_child("target");
  target.append_attribute("dev") = DiskTarget(bus, index).c_str();
  target.append_attribute("bus") = bus.c_str();
}

Status AddNic(pugi::xml_node devices, const DomainNicSpec& nic) {
  if (nic.network == "none") return Ok();
  const auto colon = nic.network.find(':');
  const std::string type = nic.network.substr(0, colon);
  const std::string name = colon == std::string::npos ? "" : nic.network.substr(colon + 1);
  const bool named = (type == "network" || type == "bridge") && !name.empty();
  if (!named && nic.network != "user")
    return Error{ErrorKind::kInvalid, "", "", "NIC " + nic.mac + ": unknown network mapping '" + nic.network + "'",
                 "use network:NAME, bridge:NAME, user or none"};
  pugi::xml_node element = devices.append_child("interface");
  element.append_attribute("type") = type.c_str();
  if (!nic.mac.empty()) element.append_child("mac").append_attribute("address") = nic.mac.c_str();
  if (named) element.append_child("source").append_attribute(type.c_str()) = name.c_str();
  element.append_child("model").append_attribute("type") = nic.model.empty() ? "virtio" : nic.model.c_str();
  if (!nic.filter.empty() && !named)
    return Error{ErrorKind::kInvalid, "", "", "NIC " + nic.mac + ": user-mode networking passes no network filter",
                 "map its network to network:NAME or bridge:NAME, or take the filter away"};
  if (!nic.filter.empty()) element.append_child("filterref").append_attribute("filter") = nic.filter.c_str();
  return Ok();
}

// What the guest writes goes to the terminal and, beside it, into the record.
void AddConsole(pugi::xml_node devices, const std::string& record) {
  pugi::xml_node serial = devices.append_child("serial");
  serial.append_attribute("type") = "pty";
  if (!record.empty()) {
    pugi::xml_node log = serial.append_child("log");
    log.append_attribute("file") = record.c_str();
    log.append_attribute("append") = "off";  // each start begins anew
  }
  pugi::xml_node console = devices.append_child("console");
  console.append_attribute("type") = "pty";
  pugi::xml_node target = console.append_child("target");
  target.append_attribute("type") = "serial";
  target.append_attribute("port") = 0;
  devices.append_child("video").append_child("model").append_attribute("type") = "vga";
  pugi::xml_node random = devices.append_child("rng");
  random.append_attribute("model") = "virtio";
  pugi::xml_node backend = random.append_child("backend");
  backend.append_attribute("model") = "random";
  backend.text().set("/dev/urandom");
}

constexpr const char* kAgentChannel = "org.qemu.guest_agent.0";

// Unless the site's extra XML brings one. https://libvirt.org/formatdomain.html#channel
void AddAgentChannel(pugi::xml_node devices) {
  for (const pugi::xml_node channel : devices.children("channel"))
    if (std::string_view(channel.child("target").attribute("name").value()) == kAgentChannel) return;
  pugi::xml_node channel = devices.append_child("channel");
  channel.append_attribute("type") = "unix";
  pugi::xml_node target = channel.append_child("target");
  target.append_attribute("type") = "virtio";
  target.append_attribute("name") = kAgentChannel;
}

Status AddDevices(pugi::xml_node domain, const DefineRequest& request, const std::vector<DiskSource>& sources,
                  const std::string& console_record) {
  pugi::xml_node devices = domain.append_child("devices");
  if (request.disk_bus == "scsi") {
    pugi::xml_node controller = devices.append_child("controller");
    controller.append_attribute("type") = "scsi";
    controller.append_attribute("index") = 0;
    controller.append_attribute("model") = "virtio-scsi";
  }
  for (std::size_t i = 0; i < sources.size(); ++i) AddDisk(devices, sources[i], request.disks[i], request.disk_bus, i);
  for (const DomainNicSpec& nic : request.nics)
    if (Status added = AddNic(devices, nic); !added) return added;
  AddConsole(devices, console_record);
  return Ok();
}

}  // namespace

Result<std::string> BuildDomainXml(const DefineRequest& request, const HostChoice& host,
                                   const std::vector<DiskSource>& sources, const ConsoleRecord& console) {
  if (request.disk_bus != "virtio" && request.disk_bus != "sata" && request.disk_bus != "scsi")
    return Error{ErrorKind::kInvalid, "", "", "unknown disk bus '" + request.disk_bus + "'",
                 "use virtio, sata or scsi"};
  pugi::xml_document document;
  pugi::xml_node domain = document.append_child("domain");
  domain.append_attribute("type") = host.domain_type.c_str();
  AddText(domain, "name", request.domain);
  if (!request.uuid.empty()) AddText(domain, "uuid", request.uuid);
  if (!request.description.empty()) AddText(domain, "description", request.description);
  AddMetadata(domain, request, console);
  pugi::xml_node memory = domain.append_child("memory");
  memory.append_attribute("unit") = "MiB";
  memory.text().set(static_cast<long long>(request.memory_mib));
  AddCpus(domain, request, host);
  AddFirmware(domain, request, host);
  AddLifeCycle(domain);
  if (Status devices = AddDevices(domain, request, sources, console.path); !devices) return devices.error();
  if (Status extra = MergeExtraXml(domain, request.extra_xml); !extra) return extra.error();
  if (request.guest_agent) AddAgentChannel(domain.child("devices"));
  return Print(domain);
}

std::string DiskTarget(const std::string& bus, std::size_t index) {
  std::string letters;
  for (std::size_t rest = index + 1; rest > 0; rest = (rest - 1) / 26)
    letters.insert(letters.begin(), static_cast<char>('a' + (rest - 1) % 26));
  return (bus == "virtio" ? "vd" : "sd") + letters;
}

std::string Print(const pugi::xml_node& node) {
  std::ostringstream out;
  node.print(out, "  ");
  return out.str();
}

}  // namespace vmferry::libvirt
