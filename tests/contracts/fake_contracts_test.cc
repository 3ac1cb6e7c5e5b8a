// SPDX-License-Identifier: Apache-2.0
//
// The contract suites on the fake.
#include "plugins/fake/example_world.h"
#include "plugins/fake/fake.h"
#include "plugins/fake/guest_disk.h"
#include "plugins/fake/world_json.h"
#include "tests/contracts/backup_contract.h"
#include "tests/contracts/dns_contract.h"
#include "tests/contracts/flow_contract.h"
#include "tests/contracts/load_balancer_contract.h"
#include "tests/contracts/probe_contract.h"
#include "tests/contracts/source_contract.h"
#include "tests/contracts/target_contract.h"

namespace vmferry::contracts {
namespace {

// What the harnesses share: a world and a plugin on it.
class FakeSystem {
 public:
  explicit FakeSystem(WorldData data)
      : world_(std::make_shared<World>(std::move(data))), plugin_(MakeFake("fake", world_)) {}

  template <class T>
  T See(const std::function<T(WorldData&)>& look) {
    T seen{};
    EXPECT_TRUE(world_->Change([&](WorldData& world) { seen = look(world); }).ok());
    return seen;
  }

  const std::shared_ptr<World> world_;
  const std::shared_ptr<Plugin> plugin_;
};

constexpr char kVm[] = "/DC0/vm/web1";

// `polls`: looks a power task or a shutdown takes.
class FakeSource final : public SourceHarness, FakeSystem {
 public:
  explicit FakeSource(int polls) : FakeSystem(Make(polls)) {}
  Plugin& plugin() override { return *plugin_; }
  std::string vm() override { return kVm; }
  std::string ambiguous_name() override { return "twin"; }
  bool PoweredOn() override {
    return See<bool>([](WorldData& world) { return FindVmByPath(world, kVm)->facts.power == "on"; });
  }
  int OpenLeases() override {
    return See<int>([](WorldData& world) { return static_cast<int>(world.leases.size()); });
  }
  int SnapshotCount() override {
    return See<int>([](WorldData& world) { return static_cast<int>(FindVmByPath(world, kVm)->snapshots.size()); });
  }
  std::string DiskBytes(const DiskFacts& disk) override {
    return See<std::string>([&](WorldData& world) {
      for (const FakeDisk& entry : FindVmByPath(world, kVm)->disks)
        if (entry.facts.id == disk.id) return entry.content.Read(0, entry.facts.capacity_bytes);
      return std::string();
    });
  }
  void Reconfigure() override {
    See<bool>([](WorldData& world) { return ++FindVmByPath(world, kVm)->version != 0; });
  }
  bool StopTools() override {
    See<bool>([](WorldData& world) {
      FindVmByPath(world, kVm)->facts.tools = "not running";
      return true;
    });
    return true;
  }

 private:
  static WorldData Make(int polls) {
    WorldData world = ExampleWorld(1);
    world.vms.push_back(VmFromJson({{"name", "twin"}, {"path", "/DC0/vm/a/twin"}}, 1));
    world.vms.push_back(VmFromJson({{"name", "twin"}, {"path", "/DC0/vm/b/twin"}}, 2));
    FakeVm* vm = FindVmByPath(world, kVm);
    vm->shutdown_polls = polls;
    vm->power_polls = polls;
    return world;
  }
};

class FakeTarget final : public TargetHarness, FakeSystem {
 public:
  explicit FakeTarget(int polls) : FakeSystem(Make(polls)) {}
  Plugin& plugin() override { return *plugin_; }
  std::string pool() override { return "vmferry"; }
  std::string full_pool() override { return "full"; }
  std::string FreshName() override { return "fresh" + std::to_string(++names_); }
  std::string GuestView(const std::string& volume) override {
    return See<std::string>([&](WorldData& world) {
      const Result<SparseBytes> content = ReadThroughChain(world, "vmferry", volume);
      EXPECT_TRUE(content.ok()) << Text(content);
      const FakeVolume* found = FindVolume(world, "vmferry", volume);
      return content ? content->Read(0, found->capacity_bytes) : std::string();
    });
  }
  bool VolumeThere(const std::string& volume) override {
    return See<bool>([&](WorldData& world) { return FindVolume(world, "vmferry", volume) != nullptr; });
  }
  bool DomainThere(const std::string& domain) override {
    return See<bool>([&](WorldData& world) { return FindDomain(world, domain) != nullptr; });
  }
  bool DomainRuns(const std::string& domain) override {
    return See<bool>([&](WorldData& world) {
      const FakeDomain* found = FindDomain(world, domain);
      return found != nullptr && found->state == "running";
    });
  }
  void DefineForeign(const std::string& domain) override {
    See<bool>([&](WorldData& world) {
      world.domains.emplace_back();
      world.domains.back().spec.domain = domain;
      world.domains.back().uuid = "f0000000-0000-4000-8000-000000000001";
      return true;
    });
  }

 private:
  static WorldData Make(int polls) {
    WorldData world = ExampleWorld(1);
    world.host.stop_polls = polls;
    world.host.merge_polls = polls;
    FakePool full;
    full.name = "full";
    full.capacity_bytes = full.others_use_bytes = std::uint64_t{1} << 30;
    world.pools.push_back(full);
    return world;
  }
  int names_ = 0;
};

class FakeLoadBalancer final : public LoadBalancerHarness, FakeSystem {
 public:
  FakeLoadBalancer() : FakeSystem(Make()) {}
  Plugin& plugin() override { return *plugin_; }
  std::string pool() override { return "app"; }
  std::string ready_server() override { return "vmware"; }
  std::string idle_server() override { return "kvm"; }
  int instances() override { return 2; }
  std::string StateOn(int instance, const std::string& server) override { return At(instance, server).state; }
  int WeightOn(int instance, const std::string& server) override { return At(instance, server).weight; }
  void SetStateOn(int instance, const std::string& server, const std::string& state) override {
    See<bool>([&](WorldData& world) {
      Find(world, instance, server).state = state;
      return true;
    });
  }

 private:
  static WorldData Make() {
    WorldData world = ExampleWorld(1);
    FakeLbPool& pool = world.load_balancers.at(0);
    pool.instances.push_back("lb2");
    for (FakeServer& server : pool.servers) server.instances["lb2"] = server.instances["lb1"];
    return world;
  }
  static FakeServerState& Find(WorldData& world, int instance, const std::string& name) {
    FakeLbPool& pool = world.load_balancers.at(0);
    FakeServer& server = pool.servers.at(pool.servers.at(0).name == name ? 0 : 1);
    return server.instances[pool.instances.at(static_cast<std::size_t>(instance))];
  }
  FakeServerState At(int instance, const std::string& server) {
    return See<FakeServerState>([&](WorldData& world) { return Find(world, instance, server); });
  }
};

class FakeDnsServers final : public DnsHarness, FakeSystem {
 public:
  FakeDnsServers() : FakeSystem(Make()) {}
  Plugin& plugin() override { return *plugin_; }
  std::string zone() override { return "example.com"; }
  RecordSet Truth(const std::string& name, const std::string& type) override {
    return See<RecordSet>([&](WorldData& world) {
      for (const FakeRecords& entry : world.dns.records)
        if (entry.name == name && entry.type == type) return entry.set;
      return RecordSet{};
    });
  }
  int Changes() override {
    return See<int>([](WorldData& world) { return static_cast<int>(world.history.size()); });
  }
  void SomebodySets(const std::string& name, const std::string& type, const RecordSet& records) override {
    See<bool>([&](WorldData& world) {
      std::erase_if(world.dns.records,
                    [&](const FakeRecords& entry) { return entry.name == name && entry.type == type; });
      if (!records.values.empty()) world.dns.records.push_back({name, type, records});
      return true;
    });
  }

 private:
  static WorldData Make() {
    WorldData world = ExampleWorld(1);
    world.dns.zones = {"example.com"};
    world.dns.lag_polls = 2;
    return world;
  }
};

class FakeProbe final : public ProbeHarness, FakeSystem {
 public:
  FakeProbe() : FakeSystem(Make()) {}
  Plugin& plugin() override { return *plugin_; }
  std::string healthy_url() override { return "http://customer-analytics-api.example/healthz"; }
  std::string healthy_text() override { return "answered by VMware (web1)"; }
  std::string sick_url() override { return "http://billing1.vmware.example:8080/healthz"; }
  std::string closed_url() override { return "http://web1.kvm.example/healthz"; }
  std::string long_url() override { return "fake://vm/web1/records"; }

 private:
  static WorldData Make() {
    WorldData world = ExampleWorld(2);
    world.guests["billing1"].sick_on_source = true;
    AppendRecord(world.vms.at(0).disks.at(0).content, std::string(300, 'r'));
    return world;
  }
};

class FakeBackupProduct final : public BackupHarness, FakeSystem {
 public:
  explicit FakeBackupProduct(int polls) : FakeSystem(Make(polls)) {}
  Plugin& plugin() override { return *plugin_; }
  std::string existing_path() override { return "/srv"; }
  int Kept() override {
    return See<int>([](WorldData& world) { return static_cast<int>(world.vault.backups.size()); });
  }
  void Damage() override {
    See<bool>([](WorldData& world) { return world.vault.backups.back().damaged = true; });
  }
  bool WorksLeft() override {
    return See<bool>([](WorldData& world) { return !world.vault.works.empty(); });
  }

 private:
  static WorldData Make(int polls) {
    WorldData world = ExampleWorld(1);
    world.vault.backups.clear();
    world.vault.polls = polls;
    return world;
  }
};

class FakeFlow final : public FlowHarness, FakeSystem {
 public:
  FakeFlow() : FakeSystem(Make()) {}
  Plugin& plugin() override { return *plugin_; }
  FlowRequest open() override { return {"web1", 80, 1000}; }
  FlowRequest closed() override { return {"web1", 81, 1000}; }
  FlowRequest unresolvable() override { return {"nowhere.invalid", 80, 1000}; }

 private:
  static WorldData Make() {
    WorldData world = ExampleWorld(1);
    world.host.flows = {{"web1:80", "connected"}, {"web1:81", "refused"}, {"nowhere.invalid:80", "unresolved"}};
    return world;
  }
};

INSTANTIATE_TEST_SUITE_P(
    Fake, BackupContract,
    ::testing::Values(Maker<BackupHarness>{"quick", [] { return std::make_unique<FakeBackupProduct>(0); }},
                      Maker<BackupHarness>{"slow", [] { return std::make_unique<FakeBackupProduct>(3); }}),
    MakerName());
INSTANTIATE_TEST_SUITE_P(
    Fake, SourceContract,
    ::testing::Values(Maker<SourceHarness>{"quick", [] { return std::make_unique<FakeSource>(0); }},
                      Maker<SourceHarness>{"slow", [] { return std::make_unique<FakeSource>(3); }}),
    MakerName());
INSTANTIATE_TEST_SUITE_P(
    Fake, TargetContract,
    ::testing::Values(Maker<TargetHarness>{"quick", [] { return std::make_unique<FakeTarget>(0); }},
                      Maker<TargetHarness>{"slow", [] { return std::make_unique<FakeTarget>(3); }}),
    MakerName());
INSTANTIATE_TEST_SUITE_P(Fake, LoadBalancerContract,
                         ::testing::Values(Maker<LoadBalancerHarness>{
                             "two_instances", [] { return std::make_unique<FakeLoadBalancer>(); }}),
                         MakerName());
INSTANTIATE_TEST_SUITE_P(Fake, DnsContract, ::testing::Values(Maker<DnsHarness>{"world", [] {
                           return std::make_unique<FakeDnsServers>();
                         }}), MakerName());
INSTANTIATE_TEST_SUITE_P(Fake, FlowContract,
                         ::testing::Values(Maker<FlowHarness>{"world", [] { return std::make_unique<FakeFlow>(); }}),
                         MakerName());
INSTANTIATE_TEST_SUITE_P(Fake, ProbeContract,
                         ::testing::Values(Maker<ProbeHarness>{"world", [] { return std::make_unique<FakeProbe>(); }}),
                         MakerName());

}  // namespace
}  // namespace vmferry::contracts
