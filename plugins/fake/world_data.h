// SPDX-License-Identifier: Apache-2.0
//
// WorldData: everything there is in the fake world, as plain values, and a history of every effect. Nothing depends on
// a clock or on chance: what takes time on a real system takes a number of looks here ("polls"). Threading: owned by a
// World, under its mutex.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plugins/dns.h"
#include "plugins/fake/monitoring.h"
#include "plugins/fake/programs.h"
#include "plugins/fake/sparse_bytes.h"
#include "plugins/fake/vault.h"
#include "plugins/load_balancer.h"
#include "plugins/source_platform.h"
#include "plugins/target_platform.h"

namespace vmferry {

// One effect, recorded where it happens and only when something really changed; checkers judge runs by these.
//   effect         object        detail
//   source-on/-off VM path       on_network: a NIC is connected
//   shutdown-asked, claimed, released, fence, snapshot, no-snapshot, export-open, export-closed: VM path
//   volume-created, -removed (was_sealed, in_use), -written (offset, finished), -sealed, -converted: "pool/volume"
//   domain-defined, -undefined, merged, stop-asked: domain;  target-on/-off: domain (on_network)
//   lb             "pool/server" instance, state, weight, machine, machine_on
//   dns            "name/type"   values, ttl;  signal, no-signal: metric (labels, value)
//   backup-begun, backup-stopped, restore-begun: key;  command-begun (arguments), command-stopped: service
struct Fact {
  std::uint64_t seq = 0;
  std::int64_t at_ms = 0;  // wall time, to be held against a journal's; 0: a file of before it was noted
  std::string call;        // "source.EnsurePoweredOff"
  std::string effect;
  std::string object;
  Json detail = Json::object();
};

struct FakeDisk {
  DiskFacts facts;
  SparseBytes content;
};
struct FakeSnapshot {
  std::string id, name, key;
  std::vector<FakeDisk> disks;  // as they were
};
struct FakeVm {
  VmFacts facts;  // its disks, snapshots and change_version stay empty: they are below
  std::vector<FakeDisk> disks;
  std::vector<FakeSnapshot> snapshots;
  std::int64_t version = 1;
  bool deaf = false;                 // ignores shutdown requests
  int shutdown_polls = 0;            // looks until a requested shutdown took effect
  int shutdown_left = -1;            // of the request under way; -1: none
  int power_polls = 0;               // looks until a power task is finished
  std::int64_t cut_reads_after = 0;  // bytes of a disk after which a reader's connection is cut ...
  int cut_reads = 0;                 // ... this many times
  std::vector<std::string> lacking;  // privileges that we have not; told, not enforced
};
struct FakeTask {
  std::string id, vm, goal;  // goal: "on" or "off"
  int left = 0;
};
// An NFC lease. Unattended it expires: every call it stands in the way of takes one from its patience.
struct FakeLease {
  std::string id, vm;
  int patience = 3;
};

struct FakeVolume {
  std::string name, format;
  std::uint64_t capacity_bytes = 0;
  std::string backing, backing_format;  // backing: a volume of the same pool
  std::string seal;
  bool complete = false;            // a writer or a conversion finished
  std::uint64_t durable_bytes = 0;  // of an incomplete volume: so much from its start survives a power loss
  SparseBytes content;
};
struct FakePool {
  std::string name, type = "dir";
  std::uint64_t capacity_bytes = 0;
  std::uint64_t others_use_bytes = 0;   // taken by somebody else
  std::uint64_t others_fill_after = 0;  // somebody else takes all the rest once so much was written; 0: never
  std::uint64_t written_bytes = 0;
  std::vector<FakeVolume> volumes;
};
struct FakeDomain {
  DefineRequest spec;
  std::string uuid;
  std::string state = "off";
  bool deaf = false;
  int stop_polls = 0;
  int stop_left = -1;
  int merge_polls = 0, merge_done = 0;
  int boot_looks = 0;  // since it was started, as far as the boot takes
};
// A network filter; rules as FilterRuleText writes them.
struct FakeFilter {
  std::string name;
  std::vector<std::string> rules;
};
struct FakeHost {
  int cpus = 16;
  std::int64_t memory_mib = 65536;
  std::vector<std::string> domain_types{"qemu"};
  std::vector<std::string> firmwares{"bios", "efi"};
  std::vector<std::string> networks{"default"};
  std::vector<std::string> inactive_networks;  // of networks
  std::vector<FakeFilter> filters;
  std::map<std::string, std::string> flows;  // "HOST:PORT" -> FlowReply::outcome; others are filtered
  std::string inspection;  // what a look into disks finds: "nothing", "windows", "no drivers"; else all that is needed
  int stop_polls = 0, merge_polls = 0;  // of new domains
  std::string boot;        // how guests boot: "hangs", "stops", "no agent"; else well
  int boot_polls = 0;      // looks until they have
};

struct FakeServerState {
  std::string state = "ready";
  int weight = 100;
};
struct FakeServer {
  std::string name, address;
  std::string vm, domain;  // the machine behind it: one of the two
  bool check = true;
  int sessions = 0;            // one leaves at every look while the server is not ready
  bool sessions_stay = false;  // they never leave
  std::map<std::string, FakeServerState> instances;
};
struct FakeLbPool {
  std::string name;
  std::vector<std::string> instances{"lb1"};
  std::vector<std::string> unreachable;  // of the instances
  bool read_only = false;                // changes are refused
  std::vector<FakeServer> servers;
};

struct FakeRecords {
  std::string name, type;
  RecordSet set;  // never empty
};
// Name servers dns1, the primary, and dns2, which follows it.
struct FakeDns {
  std::vector<std::string> zones;
  std::vector<FakeRecords> records;
  bool read_only = false;  // updates are refused
  int lag_polls = 0;       // looks until dns2 has followed a change
  int lag_left = 0;
  bool silent = false;         // dns2 cannot be asked
  std::int64_t other_ttl = 0;  // that dns2 tells until the next change; 0: the same as dns1
};

// What a probe's host name leads to: one of them.
struct FakeEndpoint {
  std::string vm, domain, pool;
  bool receiver = false;  // what the receiver of the alerts recorded
};
// How the application of a guest (named in its disks' headers) behaves.
struct FakeGuest {
  bool sick_on_source = false;
  bool sick_on_target = false;
  int latency_ms = 1;
};

struct WorldData {
  std::vector<FakeVm> vms;
  std::vector<FakeTask> tasks;
  std::vector<FakeLease> leases;
  FakeHost host;
  std::vector<FakePool> pools;
  std::vector<FakeDomain> domains;
  std::vector<FakeLbPool> load_balancers;
  FakeDns dns;
  std::map<std::string, FakeEndpoint> endpoints;
  std::map<std::string, FakeGuest> guests;
  FakeMonitoring monitoring;
  FakeVault vault;
  FakePrograms programs;
  std::int64_t bytes_per_second = 0;  // of a disk reader, counted in logical bytes; 0: as fast as it goes
  std::string password;               // if set, plugins must know it

  std::vector<Fact> history;
  std::size_t history_limit = 100000;  // older facts are dropped
  std::uint64_t revision = 0;          // rises with every change
};

// Notes a change without a fact (a poll counted down).
inline void Touch(WorldData& world) {
  ++world.revision;
}
void Record(WorldData& world, std::string_view call, std::string effect, std::string object,
            Json detail = Json::object());

FakePool* FindPool(WorldData& world, const std::string& name);
FakeSnapshot* FindSnapshot(FakeVm& vm, const std::string& key);
FakeVolume* FindVolume(WorldData& world, const std::string& pool, const std::string& name);
FakeDomain* FindDomain(WorldData& world, const std::string& name);
FakeLease* FindLease(WorldData& world, const std::string& id);
FakeLease* LeaseOf(WorldData& world, const FakeVm& vm);
FakeVm* FindVmByPath(WorldData& world, const std::string& path_or_name);
const FakeVolume* FindVolume(const WorldData& world, const std::string& pool, const std::string& name);
const FakeDomain* FindDomain(const WorldData& world, const std::string& name);
const FakeVm* FindVmByPath(const WorldData& world, const std::string& path_or_name);

// What a power loss does to the target: volumes whose writer did not finish lose what it wrote. For crash tests in
// memory; a world with a file forgets it by itself.
void LoseUnfinished(WorldData& world);

// Allocated by us and taken by others; at most its capacity.
std::uint64_t UsedBytes(const FakePool& pool);
std::string VolumePath(const std::string& pool, const std::string& volume);
// The volume's content as a guest sees it: its own blocks over its backing's. kCorrupt if part of the chain is missing.
Result<SparseBytes> ReadThroughChain(const WorldData& world, const std::string& pool, const std::string& volume);

bool OnNetwork(const FakeVm& vm);
bool OnNetwork(const FakeDomain& domain);

}  // namespace vmferry
