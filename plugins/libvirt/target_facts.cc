// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/target_facts.h"

#include <libvirt/virterror.h>

#include <algorithm>
#include <cstdlib>
#include <pugixml.hpp>
#include <set>
#include <string_view>
#include <vector>

namespace vmferry::libvirt {
namespace {

// Takes over an array libvirt allocated, element by element.
template <class Handle, class T>
std::vector<Handle> Adopt(T** array, int count) {
  std::vector<Handle> handles;
  for (int i = 0; i < count; ++i) handles.emplace_back(array[i]);
  std::free(array);
  return handles;
}

// libvirt packs versions as 1000000 * major + 1000 * minor + release.
std::string VersionText(unsigned long version) {
  return std::to_string(version / 1000000) + "." + std::to_string(version / 1000 % 1000) + "." +
         std::to_string(version % 1000);
}

std::string Product(virConnectPtr connect) {
  unsigned long hypervisor = 0;
  unsigned long library = 0;
  const char* type = virConnectGetType(connect);
  std::string text = type == nullptr ? "unknown hypervisor" : type;
  if (virConnectGetVersion(connect, &hypervisor) == 0 && hypervisor != 0) text += " " + VersionText(hypervisor);
  if (virConnectGetLibVersion(connect, &library) == 0) text += ", libvirt " + VersionText(library);
  return text;
}

std::string PoolType(virStoragePoolPtr pool) {
  const Text xml(virStoragePoolGetXMLDesc(pool, 0));
  pugi::xml_document document;
  if (!xml || !document.load_string(xml.str().c_str())) return "";
  return document.child("pool").attribute("type").value();
}

// What is promised: the capacity of the volumes that hold room. What cannot be counted is no room.
Result<std::uint64_t> Reserved(const Session& session, virStoragePoolPtr pool, const std::string& pool_name) {
  virStorageVolPtr* array = nullptr;
  const int count = virStoragePoolListAllVolumes(pool, &array, 0);
  std::uint64_t bytes = 0;
  if (count < 0) return session.Fail("pool " + pool_name, "its volumes cannot be listed");
  for (const VolumeHandle& volume : Adopt<VolumeHandle>(array, count)) {
    virStorageVolInfo info{};
    const char* name = virStorageVolGetName(volume.get());
    if (name == nullptr || !std::string_view(name).ends_with(kReserveSuffix)) continue;
    if (virStorageVolGetInfo(volume.get(), &info) == 0)
      bytes += info.capacity;
    else if (virGetLastErrorCode() != VIR_ERR_NO_STORAGE_VOL)  // gone since: it holds no room any more
      return session.Fail("volume " + std::string(name), "its size cannot be read");
  }
  return bytes;
}

Result<PoolFacts> DescribePool(const Session& session, virStoragePoolPtr pool) {
  PoolFacts facts{virStoragePoolGetName(pool), PoolType(pool), virStoragePoolIsActive(pool) == 1, 0, 0};
  virStoragePoolInfo info{};
  if (facts.active) virStoragePoolRefresh(pool, 0);  // refused while uploads are at work; then the last known sizes
  if (facts.active && virStoragePoolGetInfo(pool, &info) == 0) {
    facts.capacity_bytes = info.capacity;
    facts.available_bytes = info.available;
    const Result<std::uint64_t> reserved = Reserved(session, pool, facts.name);
    if (!reserved) return reserved.error();
    facts.reserved_bytes = *reserved;
  }
  return facts;
}

Result<std::vector<PoolFacts>> DescribePools(const Session& session) {
  virStoragePoolPtr* array = nullptr;
  const int count = virConnectListAllStoragePools(session.get(), &array, 0);
  if (count < 0) return session.Fail("", "its storage pools cannot be listed");
  std::vector<PoolFacts> pools;
  for (const PoolHandle& pool : Adopt<PoolHandle>(array, count)) {
    Result<PoolFacts> facts = DescribePool(session, pool.get());
    if (!facts) return facts.error();
    pools.push_back(*std::move(facts));
  }
  std::sort(pools.begin(), pools.end(), [](const PoolFacts& a, const PoolFacts& b) { return a.name < b.name; });
  return pools;
}

bool IsBridge(virInterfacePtr interface) {
  const Text xml(virInterfaceGetXMLDesc(interface, 0));
  pugi::xml_document document;
  return xml && document.load_string(xml.str().c_str()) &&
         std::string_view(document.child("interface").attribute("type").value()) == "bridge";
}

// Networks are libvirt's own; bridges come from the host's interfaces, which not every daemon can list.
std::vector<std::string> DescribeNetworks(virConnectPtr connect) {
  std::set<std::string> names;
  virNetworkPtr* networks = nullptr;
  const int network_count = virConnectListAllNetworks(connect, &networks, VIR_CONNECT_LIST_NETWORKS_ACTIVE);
  if (network_count >= 0)
    for (const NetworkHandle& network : Adopt<NetworkHandle>(networks, network_count))
      names.insert(std::string("network:") + virNetworkGetName(network.get()));
  virInterfacePtr* interfaces = nullptr;
  const int interface_count = virConnectListAllInterfaces(connect, &interfaces, 0);
  if (interface_count >= 0)
    for (const InterfaceHandle& interface : Adopt<InterfaceHandle>(interfaces, interface_count))
      if (IsBridge(interface.get())) names.insert(std::string("bridge:") + virInterfaceGetName(interface.get()));
  names.insert("user");
  virResetLastError();
  return {names.begin(), names.end()};
}

std::vector<std::string> UsableDomainTypes(const Session& session, const GuestSupport& guest) {
  std::vector<std::string> usable;
  for (const std::string& type : guest.domain_types)
    if (type != "kvm" || ReadMachineSupport(session, guest, type).known) usable.push_back(type);
  return usable;
}

MachineSupport ReadMachine(const Session& session, const GuestSupport& guest, const std::string& domain_type,
                           const char* machine) {
  const Text xml(
      virConnectGetDomainCapabilities(session.get(), nullptr, guest.arch.c_str(), machine, domain_type.c_str(), 0));
  virResetLastError();
  if (!xml) return {};
  MachineSupport support = ParseDomainCapabilities(xml.str());
  // The alias stays valid on every host; libvirt stores the version it resolves to at definition.
  if (machine != nullptr) support.machine = machine;
  return support;
}

}  // namespace

Result<GuestSupport> ReadGuestSupport(const Session& session) {
  const Text xml(virConnectGetCapabilities(session.get()));
  if (!xml) return session.Fail("", "its capabilities cannot be read");
  return GuestForWorkloads(ParseCapabilities(xml.str()));
}

MachineSupport ReadMachineSupport(const Session& session, const GuestSupport& guest, const std::string& domain_type) {
  for (const char* machine : {"q35", static_cast<const char*>(nullptr)})
    if (MachineSupport support = ReadMachine(session, guest, domain_type, machine); support.known) return support;
  return {};
}

Result<std::string> UsableDomainType(const Session& session, const GuestSupport& guest, const std::string& wanted) {
  GuestSupport usable = guest;
  if (wanted.empty() || wanted == "auto") usable.domain_types = UsableDomainTypes(session, guest);
  return ChooseDomainType(usable, wanted);
}

Result<TargetFacts> DescribeTarget(const Session& session) {
  virNodeInfo node{};
  if (virNodeGetInfo(session.get(), &node) < 0) return session.Fail("", "the host cannot be described");
  Result<std::vector<PoolFacts>> pools = DescribePools(session);
  if (!pools) return pools.error();
  Result<GuestSupport> guest = ReadGuestSupport(session);
  if (!guest) return guest.error();
  TargetFacts facts;
  facts.product = Product(session.get());
  facts.host = Text(virConnectGetHostname(session.get())).str();
  facts.cpus = static_cast<int>(node.cpus);
  facts.memory_mib = static_cast<std::int64_t>(node.memory / 1024);
  const unsigned long long free_bytes = virNodeGetFreeMemory(session.get());  // 0 when it does not tell
  facts.memory_free_mib = free_bytes == 0 ? -1 : static_cast<std::int64_t>(free_bytes / (1024 * 1024));
  facts.domain_types = UsableDomainTypes(session, *guest);
  if (!facts.domain_types.empty()) {
    const MachineSupport machine = ReadMachineSupport(session, *guest, facts.domain_types.front());
    facts.firmwares = machine.known ? machine.firmwares : std::vector<std::string>{"bios"};
  }
  facts.pools = std::move(*pools);
  facts.networks = DescribeNetworks(session.get());
  virResetLastError();
  return facts;
}

}  // namespace vmferry::libvirt
