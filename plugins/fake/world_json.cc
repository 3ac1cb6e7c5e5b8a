// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/world_json.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "plugins/fake/guest_disk.h"

namespace vmferry {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Fact, seq, at_ms, call, effect, object, detail)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeDisk, facts, content)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeSnapshot, id, name, key, disks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeVm, facts, disks, snapshots, version, deaf, shutdown_polls,
                                                shutdown_left, power_polls, cut_reads_after, cut_reads, lacking)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeTask, id, vm, goal, left)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeLease, id, vm, patience)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeVolume, name, format, capacity_bytes, backing, backing_format, seal,
                                                complete, durable_bytes, content)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakePool, name, type, capacity_bytes, others_use_bytes,
                                                others_fill_after, written_bytes, volumes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeDomain, spec, uuid, state, deaf, stop_polls, stop_left, merge_polls,
                                                merge_done, boot_looks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeFilter, name, rules)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeHost, cpus, memory_mib, domain_types, firmwares, networks,
                                                inactive_networks, filters, flows, inspection, stop_polls, merge_polls,
                                                boot, boot_polls)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeServerState, state, weight)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeServer, name, address, vm, domain, check, sessions, sessions_stay,
                                                instances)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeLbPool, name, instances, unreachable, read_only, servers)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeEndpoint, vm, domain, pool, receiver)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeSignal, metric, labels, value, looks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeRule, facts, metric, labels, drops_labels, pending_polls)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeMonitoring, answers, refusals, targets, rules, now_ms, signals,
                                                routed, suppressed, delivered, received)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeGuest, sick_on_source, sick_on_target, latency_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeBackup, facts, age_ms, damaged)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeBackupWork, key, what, backup, scope, left, fails)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeProgram, polls, exit_code, output, fate, effect)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeProgramRun, service, key, left)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakePrograms, known, runs, application_stopped)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FakeVault, reachable, structure_good, polls, run_fails, run_damages,
                                                backups, works)

namespace {

// A site file's scalars are text, a world file's numbers are numbers.
std::int64_t Number(const Json& json) {
  return json.is_string() ? std::stoll(json.get<std::string>()) : json.get<std::int64_t>();
}

std::string Text(const Json& json, const char* key, const std::string& otherwise) {
  return json.contains(key) ? json.at(key).get<std::string>() : otherwise;
}

std::string FormatText(const char* format, std::size_t number) {
  char text[64];
  std::snprintf(text, sizeof text, format, static_cast<unsigned>(number));
  return text;
}

VmFacts ShortFacts(const Json& json, std::size_t ordinal) {
  VmFacts facts;
  facts.name = json.at("name").get<std::string>();
  facts.path = Text(json, "path", "/DC0/vm/" + facts.name);
  facts.id = "vm-" + std::to_string(ordinal + 1);
  facts.host = "esx1.example";
  facts.instance_uuid = FormatText("50000000-0000-4000-8000-%012x", ordinal + 1);
  facts.bios_uuid = FormatText("42000000-0000-4000-8000-%012x", ordinal + 1);
  facts.power = Text(json, "power", "on");
  facts.tools = Text(json, "tools", "running");
  facts.firmware = Text(json, "firmware", "bios");
  facts.cpus = 1;
  facts.memory_mib = 256;
  facts.guest_id = "otherLinux64Guest";
  const bool on = facts.power == "on";
  facts.nics.push_back({"4000", "Network adapter 1", "vmxnet3",
                        Text(json, "mac", FormatText("00:50:56:00:00:%02x", ordinal + 1)), "VM Network", on, true});
  return facts;
}

DiskFacts ShortDisk(const std::string& vm, int number, std::uint64_t capacity_bytes) {
  const std::string suffix = number == 1 ? "" : "_" + std::to_string(number - 1);
  DiskFacts facts;
  facts.id = std::to_string(1999 + number);
  facts.label = "Hard disk " + std::to_string(number);
  facts.path = "[datastore1] " + vm + "/" + vm + suffix + ".vmdk";
  facts.capacity_bytes = capacity_bytes;
  facts.controller = "pvscsi";
  facts.unit = number - 1;
  facts.mode = "persistent";
  return facts;
}

Json DnsToJson(const FakeDns& dns) {
  Json records = Json::array();
  for (const FakeRecords& entry : dns.records)
    records.push_back(
        {{"name", entry.name}, {"type", entry.type}, {"ttl", entry.set.ttl}, {"values", entry.set.values}});
  return Json{{"zones", dns.zones},         {"records", records},         {"read_only", dns.read_only},
              {"lag_polls", dns.lag_polls}, {"lag_left", dns.lag_left},   {"silent", dns.silent},
              {"other_ttl", dns.other_ttl}};
}

FakeDns DnsFromJson(const Json& json) {
  FakeDns dns;
  dns.zones = json.value("zones", dns.zones);
  for (const Json& entry : json.value("records", Json::array())) {
    FakeRecords records{entry.at("name").get<std::string>(), Text(entry, "type", "A"), {}};
    records.set.values = entry.at("values").get<std::vector<std::string>>();
    records.set.ttl = Number(entry.at("ttl"));
    std::sort(records.set.values.begin(), records.set.values.end());
    if (records.set.values.empty()) throw std::invalid_argument("record " + records.name + " has no values");
    dns.records.push_back(std::move(records));
  }
  dns.read_only = json.value("read_only", dns.read_only);
  dns.lag_polls = json.value("lag_polls", dns.lag_polls);
  dns.lag_left = json.value("lag_left", dns.lag_left);
  dns.silent = json.value("silent", dns.silent);
  dns.other_ttl = json.value("other_ttl", dns.other_ttl);
  return dns;
}

}  // namespace

FakeVm VmFromJson(const Json& json, std::size_t ordinal) {
  if (json.contains("facts")) return json.get<FakeVm>();
  FakeVm vm;
  vm.facts = ShortFacts(json, ordinal);
  const Json sizes = json.value("disks_mib", Json::array({64}));
  for (const Json& mib : sizes) {
    const int number = static_cast<int>(vm.disks.size()) + 1;
    const std::uint64_t capacity = static_cast<std::uint64_t>(Number(mib)) << 20;
    vm.disks.push_back({ShortDisk(vm.facts.name, number, capacity),
                        FormatGuestDisk(vm.facts.name, number, static_cast<int>(sizes.size()), capacity)});
  }
  if (vm.disks.empty()) throw std::invalid_argument("VM " + vm.facts.name + " has no disks");
  for (const Json& record : json.value("records", Json::array()))
    AppendRecord(vm.disks[0].content, record.get<std::string>());
  for (const Json& mode : json.value("gpus", Json::array())) {
    const std::string number = std::to_string(vm.facts.gpus.size());
    vm.facts.gpus.push_back({"1300" + number, "PCI device " + number, mode.get<std::string>(), "fake GPU"});
  }
  vm.deaf = json.contains("deaf") && (json.at("deaf") == true || json.at("deaf") == "true");
  if (json.contains("shutdown_polls")) vm.shutdown_polls = static_cast<int>(Number(json.at("shutdown_polls")));
  vm.lacking = json.value("lacking", vm.lacking);
  if (json.contains("power_polls")) vm.power_polls = static_cast<int>(Number(json.at("power_polls")));
  return vm;
}

Json WorldToJson(const WorldData& world) {
  return Json{{"version", 1},
              {"vms", world.vms},
              {"tasks", world.tasks},
              {"leases", world.leases},
              {"host", world.host},
              {"pools", world.pools},
              {"domains", world.domains},
              {"load_balancers", world.load_balancers},
              {"dns", DnsToJson(world.dns)},
              {"endpoints", world.endpoints},
              {"guests", world.guests},
              {"monitoring", world.monitoring},
              {"vault", world.vault},
              {"programs", world.programs},
              {"bytes_per_second", world.bytes_per_second},
              {"password", world.password},
              {"history", world.history},
              {"history_limit", world.history_limit},
              {"revision", world.revision}};
}

Result<WorldData> WorldFromJson(const Json& json) {
  WorldData world;
  try {
    if (json.value("version", 1) != 1) throw std::invalid_argument("its version is not 1");
    for (const Json& vm : json.value("vms", Json::array())) world.vms.push_back(VmFromJson(vm, world.vms.size()));
    world.tasks = json.value("tasks", world.tasks);
    world.leases = json.value("leases", world.leases);
    world.host = json.value("host", world.host);
    world.pools = json.value("pools", world.pools);
    world.domains = json.value("domains", world.domains);
    world.load_balancers = json.value("load_balancers", world.load_balancers);
    world.dns = DnsFromJson(json.value("dns", Json::object()));
    world.endpoints = json.value("endpoints", world.endpoints);
    world.guests = json.value("guests", world.guests);
    world.monitoring = json.value("monitoring", world.monitoring);
    world.vault = json.value("vault", world.vault);
    world.programs = json.value("programs", world.programs);
    world.bytes_per_second = json.value("bytes_per_second", world.bytes_per_second);
    world.password = json.value("password", world.password);
    world.history = json.value("history", world.history);
    world.history_limit = json.value("history_limit", world.history_limit);
    world.revision = json.value("revision", world.revision);
  } catch (const std::exception& e) {
    return Error{ErrorKind::kInvalid, "", "", std::string("not a world: ") + e.what(), ""};
  }
  for (FakePool& pool : world.pools)
    for (FakeVolume& volume : pool.volumes) volume.content.KeepZeros(!volume.backing.empty());
  return world;
}

}  // namespace vmferry
