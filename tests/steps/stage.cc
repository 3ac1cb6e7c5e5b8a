// SPDX-License-Identifier: Apache-2.0
#include "stage.h"

#include <gtest/gtest.h>
#include <chrono>

#include <thread>

#include "plugins/fake/world_json.h"
#include "state/digest.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

Json WorldText() {
  const Json vmware{{"name", "vmware"},
                    {"address", "10.0.0.1:80"},
                    {"vm", "web1"},
                    {"sessions", 2},
                    {"instances", {{"lb1", {{"state", "ready"}, {"weight", 100}}}}}};
  const Json kvm{{"name", "kvm"},
                 {"address", "10.0.0.2:80"},
                 {"domain", "shop-web1"},
                 {"instances", {{"lb1", {{"state", "maint"}, {"weight", 50}}}}}};
  return Json{
      {"version", 1},
      {"pools", {{{"name", "images"}, {"capacity_bytes", std::uint64_t{1} << 30}}}},
      {"vms",
       {{{"name", "web1"}, {"disks_mib", {8, 4}}, {"records", {"order 1", "order 2"}}},
        {{"name", "db1"}, {"disks_mib", {4}}, {"records", {"row 1"}}}}},
      {"load_balancers", {{{"name", "shop"}, {"instances", {"lb1"}}, {"servers", {vmware, kvm}}}}},
      {"endpoints", {{"web1.vmware.example", {{"vm", "web1"}}}, {"web1.kvm.example", {{"domain", "shop-web1"}}}}}};
}

const Json& ParametersOf(const std::string& step) {
  static const std::map<std::string, Json> parameters = {
      {"target_capacity", {{"format", "qcow2"}}},
      {"quiesce_application",
       {{"onRefusal", "rollBack"},
        {"guestShutdownDeadline", 120000},
        {"loadBalancer", "edge"},
        {"pool", "shop"},
        {"sourceServer", "vmware"},
        {"drainDeadline", 30000},
        {"probe", "http"},
        {"sourceHealthUrl", "http://web1.vmware.example/healthz"}}},
      {"target_out_of_service", {{"loadBalancer", "edge"}, {"pool", "shop"}, {"targetServer", "kvm"}}},
      {"final_data_sync", {{"method", "nfc"}, {"parallelDisks", 2}}},
      {"convert_image", {{"format", "qcow2"}, {"diskBus", "virtio"}, {"nicModel", "virtio"}}},
      {"power_on_target", {{"stopDeadline", 30000}}},
      {"smoke_test",
       {{"probe", "http"}, {"url", "http://web1.kvm.example/"}, {"status", 200}, {"body", "QEMU"}, {"successes", 2}}},
      {"command", {{"service", "http"}, {"arguments", {"--quick"}}}},
      {"app_health_check_failure", {{"probe", "http"}, {"healthUrl", "http://web1.kvm.example/healthz"}, {"status", 200}}},
      {"update_load_balancer",
       {{"loadBalancer", "edge"}, {"pool", "shop"}, {"targetServer", "kvm"}, {"sourceServer", "vmware"}}}};
  static const Json none = Json::object();
  const auto entry = parameters.find(step);
  return entry == parameters.end() ? none : entry->second;
}

}  // namespace

WorldData TestWorld() {
  Result<WorldData> world = WorldFromJson(WorldText());
  EXPECT_TRUE(world) << Describe(world.error());
  for (FakeVm& vm : world->vms) vm.shutdown_polls = 3, vm.power_polls = 1;
  world->host.stop_polls = 2;
  world->host.merge_polls = 2;
  return std::move(*world);
}

class Stage::Site final : public Systems {
 public:
  Result<Plugin*> Find(const std::string& name) override {
    const auto entry = plugins.find(name);
    if (entry != plugins.end()) return entry->second.get();
    return Error{ErrorKind::kInvalid, name, "", "the site names no such system", ""};
  }
  std::map<std::string, std::shared_ptr<Plugin>> plugins;
};

Stage::Stage(WorldData data)
    : world_(std::make_shared<World>(std::move(data))),
      site_(std::make_unique<Site>()),
      read_only_(std::make_unique<Site>()),
      workers_(std::make_unique<Workers>()) {
  application.name = "shop";
  application.source = "vmware";
  application.target = "kvm";
  application.workloads = {{"web1", "/DC0/vm/web1", "shop-web1", ""}, {"db1", "/DC0/vm/db1", "shop-db1", ""}};
  application.networks = {{"VM Network", "network:default"}};
  application.storage = {{"datastore1", "images"}};
  application.domain_type = "auto";
  const FaultPicker pick = [this](const CallSpec& call, const Json&) {
    if (hook_) hook_(call);
    if (++calls_ != fail_at_) return Fault{};
    fault_happened_ = true;
    return Fault{fault_kind_, ErrorKind::kUnavailable};
  };
  for (const char* name : {"vmware", "kvm", "edge", "http"}) {
    const std::shared_ptr<Plugin> plugin = Faulty(MakeFake(name, world_), pick);
    site_->plugins[name] = plugin;
    read_only_->plugins[name] = ReadOnly(plugin);
  }
}

Stage::~Stage() = default;

void Stage::Crash() {
  workers_ = std::make_unique<Workers>();
}

Life Stage::LifeOf(const Step& step, const std::string& workload, int generation) const {
  Life life;
  life.workload = workload;
  life.parameters = ParametersOf(step.spec().name);
  life.key = Sha256Hex(run + step.spec().name + workload + std::to_string(generation));
  return life;
}

StepContext Stage::Context(const Life& life, bool read_only) {
  StepContext context;
  context.run = run;
  context.application = &application;
  for (const Workload& workload : application.workloads)
    if (workload.name == life.workload) context.workload = &workload;
  context.parameters = life.parameters;
  context.key = life.key;
  context.before = life.before;
  context.handle = life.handle;
  context.facts = life.facts;
  context.elapsed = life.elapsed;
  context.target_served = life.target_served;
  context.earlier = [this](std::string_view step, std::string_view workload) {
    const auto facts = earlier_.find({std::string(step), std::string(workload)});
    return facts == earlier_.end() ? Json() : facts->second;
  };
  context.systems = read_only ? read_only_.get() : site_.get();
  context.workers = workers_.get();
  return context;
}

Result<Observation> Stage::Observe(const Step& step, const Life& life) {
  Life seen = life;
  seen.before = Json();
  return step.Observe(Context(seen, true));
}

Result<Forecast> Stage::Predict(const Step& step, const Life& life) {
  Stage before_any(Look());  // a dry run knows no earlier facts
  before_any.application = application;
  return step.Predict(before_any.Context(life, true));
}

Result<Progress> Stage::Round(const Step& step, Life& life, bool undo) {
  if (life.before.is_null()) {
    const Result<Observation> seen = Observe(step, life);
    if (!seen) return seen.error();
    life.before = seen->before;
  }
  const StepContext context = Context(life, !step.spec().effect);
  Result<Progress> progress = undo ? step.Undo(context) : step.Apply(context);
  if (!progress) return progress;
  if (!progress->handle.is_null()) life.handle = progress->handle;
  if (!progress->facts.is_null()) life.facts = progress->facts;
  life.elapsed += progress->after;
  return progress;
}

Result<Progress> Stage::Finish(const Step& step, Life& life, bool undo) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (std::chrono::steady_clock::now() < give_up) {
    Result<Progress> progress = Round(step, life, undo);
    if (!progress && progress.error().kind == ErrorKind::kUnknownOutcome) {
      const Result<Observation> seen = Observe(step, life);
      if (!seen && !SafeToRetry(seen.error())) return seen.error();
      life.elapsed += milliseconds(1000);
      continue;
    }
    if (!progress && SafeToRetry(progress.error())) {
      life.elapsed += milliseconds(1000);
      continue;
    }
    if (!progress) return progress;
    if (progress->state == Progress::State::kDone && !undo) earlier_[{step.spec().name, life.workload}] = life.facts;
    if (progress->state != Progress::State::kNotYet) return progress;
    if (progress->meter.unit == "bytes" || progress->after > milliseconds(0)) std::this_thread::yield();
  }
  return Error{ErrorKind::kInternal, "stage", step.spec().name, "the step never ended", ""};
}

const std::vector<std::pair<std::string, std::string>>& Stage::Script() {
  static const std::vector<std::pair<std::string, std::string>> script = {
      {"vm_exists", "web1"},         {"vm_exists", "db1"},         {"target_capacity", "web1"},
      {"target_capacity", "db1"},    {"target_name_free", "web1"}, {"target_name_free", "db1"},
      {"target_out_of_service", ""}, {"claim_source", "web1"},     {"claim_source", "db1"},
      {"quiesce_application", ""},   {"final_data_sync", ""},      {"convert_image", ""},
      {"power_on_target", ""},       {"smoke_test", ""},           {"update_load_balancer", ""},
      {"command", ""},               {"app_health_check_failure", ""},
      {"merge_overlay", "web1"},     {"merge_overlay", "db1"},     {"release_source", "web1"},
      {"release_source", "db1"},
  };
  return script;
}

void Stage::PlayUntil(const std::string& name) {
  for (const auto& [step_name, workload] : Script()) {
    if (step_name == name) return;
    const Step* step = FindStep(step_name);
    ASSERT_NE(step, nullptr) << step_name;
    Life life = LifeOf(*step, workload);
    const Result<Progress> progress = Finish(*step, life);
    ASSERT_TRUE(progress) << step_name << ": " << Describe(progress.error());
    ASSERT_EQ(progress->state, Progress::State::kDone) << step_name << ": " << progress->why;
  }
}

void Stage::FailCall(int number, Fault::Kind kind) {
  fault_happened_ = false;
  fault_kind_ = kind;
  fail_at_ = calls_ + number;
}

FakeVm Stage::Vm(const std::string& name) {
  WorldData world = Look();
  return *FindVmByPath(world, "/DC0/vm/" + name);
}

FakeServerState Stage::Server(const std::string& name) {
  WorldData world = Look();
  for (FakeServer& server : world.load_balancers.front().servers)
    if (server.name == name) return server.instances["lb1"];
  return {};
}

void Stage::Resume(Stage& from) {
  const WorldData data = from.Look();
  Change([&](WorldData& world) { world = data; });
  earlier_ = from.earlier_;
  application = from.application;
}

Json Picture(WorldData world, bool unsealed_only) {
  Json picture = {{"leases", world.leases.size()}};
  for (const FakeVm& vm : world.vms) {
    Json& entry = picture["vms"][vm.facts.path];
    entry = {{"power", vm.facts.power},
             {"claim", vm.facts.claim},
             {"migrated", vm.facts.migrated},
             {"fence", vm.facts.fence}};
    for (const NicFacts& nic : vm.facts.nics) entry["nics"][nic.id] = nic.start_connected;
  }
  for (const FakePool& pool : world.pools)
    for (const FakeVolume& volume : pool.volumes) {
      if (unsealed_only && !volume.seal.empty()) continue;
      picture["volumes"][pool.name + "/" + volume.name] = {{"format", volume.format},
                                                           {"backing", volume.backing},
                                                           {"sealed", !volume.seal.empty()},
                                                           {"content", volume.content.DigestFrom(0)}};
    }
  for (const FakeDomain& domain : world.domains)
    picture["domains"][domain.spec.domain] = {{"state", domain.state}, {"key", domain.spec.key}};
  for (const FakeLbPool& pool : world.load_balancers)
    for (const FakeServer& server : pool.servers)
      for (const auto& [instance, at] : server.instances)
        picture["servers"][server.name + "@" + instance] = {{"state", at.state}, {"weight", at.weight}};
  return picture;
}

}  // namespace vmferry
