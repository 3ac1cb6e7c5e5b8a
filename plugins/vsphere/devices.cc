// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/devices.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>
#include <string_view>

namespace vmferry::vsphere {
namespace {

struct ControllerName {
  std::string_view type, name;
};
constexpr std::array kControllers{
    ControllerName{"ParaVirtualSCSIController", "pvscsi"},
    ControllerName{"VirtualLsiLogicController", "lsilogic"},
    ControllerName{"VirtualLsiLogicSASController", "lsilogicsas"},
    ControllerName{"VirtualBusLogicController", "buslogic"},
    ControllerName{"VirtualAHCIController", "ahci"},
    ControllerName{"VirtualSATAController", "ahci"},
    ControllerName{"VirtualIDEController", "ide"},
    ControllerName{"VirtualNVMEController", "nvme"},
};

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string ControllerText(const std::string& type) {
  for (const ControllerName& one : kControllers)
    if (one.type == type) return std::string(one.name);
  return type;
}

Disk ReadDisk(pugi::xml_node device, pugi::xml_node hardware) {
  Disk disk;
  disk.facts.id = TextAt(device, "key");
  disk.facts.label = TextAt(device, "deviceInfo.label");
  disk.facts.path = TextAt(device, "backing.fileName");
  disk.facts.mode = TextAt(device, "backing.diskMode");
  const std::int64_t bytes = NumberAt(device, "capacityInBytes");
  disk.facts.capacity_bytes = static_cast<std::uint64_t>(bytes > 0 ? bytes : NumberAt(device, "capacityInKB") * 1024);
  disk.facts.unit = static_cast<int>(NumberAt(device, "unitNumber"));
  disk.facts.raw_device_mapping = TypeIn(Child(device, "backing")).find("RawDisk") != std::string::npos;
  const pugi::xml_node controller = DeviceByKey(hardware, TextAt(device, "controllerKey"));
  disk.controller_type = TypeIn(controller);
  disk.facts.controller = ControllerText(disk.controller_type);
  disk.facts.bus = static_cast<int>(NumberAt(controller, "busNumber"));
  return disk;
}

Nic ReadNic(pugi::xml_node device) {
  Nic nic;
  std::string type = TypeIn(device);
  if (type.starts_with("Virtual")) type.erase(0, 7);
  nic.facts.id = TextAt(device, "key");
  nic.facts.label = TextAt(device, "deviceInfo.label");
  nic.facts.adapter = Lower(type);
  nic.facts.mac = Lower(TextAt(device, "macAddress"));
  nic.facts.connected = FlagAt(device, "connectable.connected");
  nic.facts.start_connected = FlagAt(device, "connectable.startConnected");
  nic.backing.portgroup_key = TextAt(device, "backing.port.portgroupKey");
  nic.backing.opaque_id = TextAt(device, "backing.opaqueNetworkId");
  nic.backing.name = TextAt(device, "backing.deviceName");
  nic.facts.network = nic.backing.name;
  return nic;
}

// NVIDIA names a share of a GPU instance by GPU, slices and memory ("grid_a100-1-5c"), one of a whole GPU by GPU and
// memory ("grid_a100-4c"). Source: NVIDIA Virtual GPU Software User Guide, virtual GPU types.
bool IsGpuInstance(const std::string& profile) {
  static const std::regex kInstance("-[0-9]+-[0-9]+[a-z]+$");
  return std::regex_search(profile, kInstance);
}

GpuFacts ReadGpu(pugi::xml_node device) {
  GpuFacts gpu{TextAt(device, "key"), TextAt(device, "deviceInfo.label"), "unknown", ""};
  const std::string backing = TypeIn(Child(device, "backing"));
  if (backing == "VirtualPCIPassthroughVmiopBackingInfo") {
    gpu.device = TextAt(device, "backing.vgpu");
    gpu.mode = IsGpuInstance(Lower(gpu.device)) ? "mig" : "vgpu";
  } else if (backing == "VirtualPCIPassthroughDeviceBackingInfo") {
    gpu.device = TextAt(device, "backing.id");
    gpu.mode = "passthrough";
  } else if (backing == "VirtualPCIPassthroughDynamicBackingInfo") {
    gpu.device = TextAt(device, "backing.assignedId");
    gpu.mode = "passthrough";
  }
  return gpu;
}

}  // namespace

pugi::xml_node DeviceByKey(pugi::xml_node hardware, const std::string& key) {
  for (const pugi::xml_node device : Children(hardware, "device"))
    if (TextAt(device, "key") == key) return device;
  return {};
}

std::vector<Disk> DisksIn(pugi::xml_node hardware) {
  std::vector<Disk> disks;
  for (const pugi::xml_node device : Children(hardware, "device"))
    if (TypeIn(device) == "VirtualDisk") disks.push_back(ReadDisk(device, hardware));
  return disks;
}

std::vector<Nic> NicsIn(pugi::xml_node hardware) {
  std::vector<Nic> nics;
  // Every kind of network card has a MAC address, also those that a later release adds.
  for (const pugi::xml_node device : Children(hardware, "device"))
    if (Child(device, "macAddress")) nics.push_back(ReadNic(device));
  return nics;
}

std::vector<GpuFacts> GpusIn(pugi::xml_node hardware) {
  std::vector<GpuFacts> gpus;
  for (const pugi::xml_node device : Children(hardware, "device"))
    if (TypeIn(device) == "VirtualPCIPassthrough") gpus.push_back(ReadGpu(device));
  return gpus;
}

bool HasTpm(pugi::xml_node hardware) {
  for (const pugi::xml_node device : Children(hardware, "device"))
    if (TypeIn(device) == "VirtualTPM") return true;
  return false;
}

}  // namespace vmferry::vsphere
