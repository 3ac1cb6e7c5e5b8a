// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/vm_facts.h"

#include <algorithm>
#include <utility>

#include "plugins/vsphere/inventory.h"
#include "plugins/vsphere/snapshots.h"

namespace vmferry::vsphere {
namespace {

std::string PowerText(const std::string& state) {
  if (state == "poweredOn") return "on";
  if (state == "poweredOff") return "off";
  return state;
}

std::string ToolsText(const std::string& running, const std::string& version) {
  if (running == "guestToolsRunning" || running == "guestToolsExecutingScripts") return "running";
  if (version == "guestToolsNotInstalled") return "not installed";
  if (running == "guestToolsNotRunning") return "not running";
  return "unknown";
}

std::string ExtraConfig(pugi::xml_node extra_config, std::string_view key) {
  for (const pugi::xml_node option : extra_config.children())
    if (TextAt(option, "key") == key) return TextAt(option, "value");
  return "";
}

const Paths kConfigPaths{"name",
                         "config.changeVersion",
                         "config.extraConfig",
                         "config.hardware",
                         "runtime.powerState",
                         "runtime.connectionState"};

Paths FactPaths() {
  Paths paths = kConfigPaths;
  for (const char* path :
       {"config.uuid", "config.instanceUuid", "config.firmware", "config.guestId", "config.bootOptions", "runtime.host",
        "guest.toolsRunningStatus", "guest.toolsVersionStatus2", "snapshot", "network"})
    paths.emplace_back(path);
  return paths;
}

Result<VmConfig> ConfigFrom(const Session& session, Properties properties) {
  VmConfig config;
  config.ref = properties.object;
  config.change_version = properties.Text("config.changeVersion");
  config.hardware = properties.Find("config.hardware");
  config.power = PowerText(properties.Text("runtime.powerState"));
  const pugi::xml_node extra = properties.Find("config.extraConfig");
  config.claim = ExtraConfig(extra, kClaimKey);
  config.migrated = ExtraConfig(extra, kMigratedKey);
  config.fence = ExtraConfig(extra, kFenceKey);
  if (const SoapFault* refused = properties.Missing("config.hardware"))
    return session.Failed(Error{ErrorKind::kDenied, "", "VM " + config.ref.value,
                                "its configuration may not be read (" + refused->type + " " + refused->privilege + ")",
                                "grant System.Read on the VM to the user"});
  if (!config.hardware)
    return session.Failed(
        Error{ErrorKind::kUnavailable, "", "VM " + config.ref.value,
              "it has no readable configuration; its connection state is " + properties.Text("runtime.connectionState"),
              "check the VM's ESXi host and datastore"});
  config.properties = std::move(properties);
  return config;
}

// Best effort: a name that may not be read is left empty.
std::string NameOf(Session& session, const Moref& object, Deadline& deadline) {
  if (!object) return "";
  auto read = Read(session, object, {"name"}, deadline);
  return read ? read->Text("name") : "";
}

std::string OpaqueNetworkName(Session& session, pugi::xml_node networks, const std::string& id, Deadline& deadline) {
  std::vector<Moref> opaque;
  for (const pugi::xml_node network : networks.children())
    if (RefIn(network).type == "OpaqueNetwork") opaque.push_back(RefIn(network));
  auto read = ReadAll(session, opaque, {"name", "summary"}, deadline);
  if (read)
    for (const Properties& network : *read)
      if (TextAt(network.Find("summary"), "opaqueNetworkId") == id) return network.Text("name");
  return id;
}

std::vector<NicFacts> NicsWithNetworks(Session& session, const VmConfig& config, Deadline& deadline) {
  std::vector<NicFacts> facts;
  for (Nic& nic : NicsIn(config.hardware)) {
    if (!nic.backing.portgroup_key.empty()) {
      nic.facts.network = NameOf(session, {"DistributedVirtualPortgroup", nic.backing.portgroup_key}, deadline);
      if (nic.facts.network.empty()) nic.facts.network = nic.backing.portgroup_key;
    } else if (!nic.backing.opaque_id.empty()) {
      nic.facts.network =
          OpaqueNetworkName(session, config.properties.Find("network"), nic.backing.opaque_id, deadline);
    }
    nic.facts.network = PlainName(nic.facts.network);
    facts.push_back(std::move(nic.facts));
  }
  return facts;
}

}  // namespace

Result<VmConfig> ReadConfig(Session& session, const Moref& vm, Deadline& deadline) {
  auto properties = Read(session, vm, kConfigPaths, deadline);
  if (!properties) return properties.error();
  return ConfigFrom(session, *std::move(properties));
}

Result<std::string> ReadPower(Session& session, const Moref& vm, Deadline& deadline) {
  auto properties = Read(session, vm, {"runtime.powerState"}, deadline);
  if (!properties) return properties.error();
  return PowerText(properties->Text("runtime.powerState"));
}

Status CheckClaim(const Session& session, const VmConfig& config, const std::string& claim) {
  if (claim.empty() || config.claim == claim) return Ok();
  const std::string holder = config.claim.empty() ? "nobody" : "'" + config.claim + "'";
  return session.Failed(Error{ErrorKind::kConflict, "", "VM " + config.ref.value,
                              "it is claimed by " + holder + ", not by '" + claim + "'",
                              "find out which run holds the VM before going on"});
}

Result<VmFacts> ReadFacts(Session& session, const Moref& vm, Deadline& deadline) {
  auto properties = Read(session, vm, FactPaths(), deadline);
  if (!properties) return properties.error();
  auto config = ConfigFrom(session, *std::move(properties));
  if (!config) return config.error();
  auto ancestors = AncestorsOf(session, vm, deadline);
  if (!ancestors) return ancestors.error();
  const Properties& read = config->properties;
  VmFacts facts;
  facts.id = vm.value;
  facts.name = PlainName(read.Text("name"));
  facts.path = PathOf(*ancestors);
  facts.host = NameOf(session, RefIn(read.Find("runtime.host")), deadline);
  facts.instance_uuid = read.Text("config.instanceUuid");
  facts.bios_uuid = read.Text("config.uuid");
  facts.power = config->power;
  facts.change_version = config->change_version;
  facts.claim = config->claim;
  facts.migrated = config->migrated;
  facts.fence = config->fence;
  facts.tools = ToolsText(read.Text("guest.toolsRunningStatus"), read.Text("guest.toolsVersionStatus2"));
  facts.firmware = read.Text("config.firmware") == "efi" ? "efi" : "bios";
  facts.secure_boot = FlagAt(read.Find("config.bootOptions"), "efiSecureBootEnabled");
  facts.tpm = HasTpm(config->hardware);
  facts.cpus = static_cast<int>(NumberAt(config->hardware, "numCPU"));
  facts.cores_per_socket =
      static_cast<int>(std::max<std::int64_t>(1, NumberAt(config->hardware, "numCoresPerSocket", 1)));
  facts.memory_mib = NumberAt(config->hardware, "memoryMB");
  facts.guest_id = read.Text("config.guestId");
  for (Disk& disk : DisksIn(config->hardware)) facts.disks.push_back(std::move(disk.facts));
  facts.gpus = GpusIn(config->hardware);
  facts.nics = NicsWithNetworks(session, *config, deadline);
  for (const Snapshot& snapshot : SnapshotsIn(read.Find("snapshot"))) facts.snapshots.push_back(snapshot.name);
  return facts;
}

}  // namespace vmferry::vsphere
