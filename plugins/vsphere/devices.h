// SPDX-License-Identifier: Apache-2.0
//
// The virtual hardware of a VM as config.hardware.device lists it: disks with their controllers, and NICs.
// Pure reading of XML. Types we do not know are named as the server names them.
// Source: vSphere Web Services API, VirtualDevice and what extends it.
#pragma once

#include <string>
#include <vector>

#include "plugins/source_platform.h"
#include "plugins/vsphere/soap.h"

namespace vmferry::vsphere {

struct Disk {
  DiskFacts facts;
  std::string controller_type;  // "ParaVirtualSCSIController": what a lease's device key begins with
};

// How a NIC's backing names its network; a name has to be looked up for all but the first.
struct NetworkBacking {
  std::string name;
  std::string portgroup_key;  // of a distributed switch
  std::string opaque_id;      // of NSX
};
struct Nic {
  NicFacts facts;  // network still empty unless the backing carries the name
  NetworkBacking backing;
};

std::vector<Disk> DisksIn(pugi::xml_node hardware);
std::vector<Nic> NicsIn(pugi::xml_node hardware);
bool HasTpm(pugi::xml_node hardware);
// PCI devices passed through and shared graphics. A virtual function that is passed through is a PCI device like any
// other to this API, so its mode is "passthrough".
std::vector<GpuFacts> GpusIn(pugi::xml_node hardware);
// The device with that key, or nothing.
pugi::xml_node DeviceByKey(pugi::xml_node hardware, const std::string& key);

}  // namespace vmferry::vsphere
