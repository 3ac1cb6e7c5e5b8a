// SPDX-License-Identifier: Apache-2.0
#include "stage.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "plugins/fake/world_json.h"
#include "state/digest.h"
#include "steps/undo_proof.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

Json Sample(const std::string& value) {
  return Json::array({{{"labels", {{"job", "shop"}}}, {"value", value}}});
}

// A metrics server that knows the shop, two rules, and a receiver of alerts.
Json MonitoringText() {
  const std::int64_t now_ms = 1767225600000;
  const Json node{{"job", "node"}, {"instance", "kvm:9100"}, {"health", "up"}, {"last_scrape_ms", now_ms - 5000}};
  const Json shop{
      {"job", "shop"}, {"instance", "10.0.0.2:80"}, {"health", "down"}, {"last_error", "connection refused"}};
  const Json down{{"facts", {{"name", "ShopDown"}, {"group", "shop"}, {"health", "ok"}}}};
  const Json trial{{"facts", {{"name", "ShopTrial"}, {"group", "shop"}, {"health", "ok"}}},
                   {"metric", "vmferry_alert_trial"},
                   {"labels", {{"severity", "page"}}},
                   {"pending_polls", 2}};
  return Json{{"now_ms", now_ms},
              {"targets", {node, shop}},
              {"rules", {down, trial}},
              {"answers",
               {{"p95", Sample("0.12")},
                {"quantile_over_time(0.5, ((p95) >= 0)[1800s:30s])", Sample("0.1")},
                {"count_over_time(((p95) >= 0)[1800s:30s])", Sample("60")},
                {"errors", Sample("0.001")},
                {"requests", Sample("500")},
                {"http_requests_total", Sample("812")}}}};
}

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
      {"vault",
       {{"polls", 2},
        {"backups",
         {{{"age_ms", 3600000},
           {"facts",
            {{"id", "b1"}, {"size_bytes", 73400320}, {"host", "shop-vm"}, {"paths", {"/srv"}}, {"tags", {"daily"}}}}}}}}},
      {"host",
       {{"filters", {{{"name", "shop"}, {"rules", {"in accept tcp 80 from 10.0.0.0/8", "in drop all"}}}}},
        {"flows", {{"10.0.0.2:80", "connected"}, {"10.0.0.2:22", "filtered"}, {"10.0.0.2:5432", "filtered"}}}}},
      {"load_balancers", {{{"name", "shop"}, {"instances", {"lb1"}}, {"servers", {vmware, kvm}}}}},
      {"monitoring", MonitoringText()},
      {"programs",
       {{"known",
         {{"stop-app", {{"polls", 2}, {"effect", "stops"}, {"output", "stopped"}}},
          {"start-app", {{"polls", 2}, {"effect", "starts"}, {"output", "started"}}}}}}},
      {"dns",
       {{"zones", {"example.com"}},
        {"lag_polls", 1},
        {"records",
         {{{"name", "shop.example.com"}, {"type", "A"}, {"ttl", 120}, {"values", {"10.0.0.1"}}},
          {{"name", "shop.example.com"}, {"type", "AAAA"}, {"ttl", 90}, {"values", {"fd00::1"}}},
          {{"name", "www.example.com"}, {"type", "CNAME"}, {"ttl", 30}, {"values", {"shop.example.com."}}}}}}},
      {"endpoints",
       {{"web1.vmware.example", {{"vm", "web1"}}},
        {"web1.kvm.example", {{"domain", "shop-web1"}}},
        {"receiver.example", {{"receiver", true}}}}}};
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
        {"sourceHealthUrl", "http://web1.vmware.example/healthz"},
        {"stopCommand", "stop-app"},
        {"startCommand", "start-app"},
        {"commandDeadline", 60000},
        {"guestShutdown", "yes"}}},
      {"target_out_of_service", {{"loadBalancer", "edge"}, {"pool", "shop"}, {"targetServer", "kvm"}}},
      {"source_measured",
       {{"measurements",
         {{{"for", "sustained_latency_regression"},
           {"metricsService", "watch"},
           {"query", "p95"},
           {"windowMs", 1800000},
           {"everyMs", 30000},
           {"minSamples", 20}}}}}},
      {"final_data_sync", {{"method", "nfc"}, {"parallelDisks", 2}}},
      {"convert_image", {{"format", "qcow2"}, {"diskBus", "virtio"}, {"nicModel", "virtio"}}},
      {"target_network_policy_validated",
       {{"filters", {"shop"}},
        {"rules", {"in accept tcp 80 from 10.1.2.3/8", "in drop all"}},
        {"allow", {"tcp 10.0.0.2:80"}},
        {"deny", {"tcp 10.0.0.2:22", "10.0.0.2:5432", "tcp 10.0.0.2:111", "tcp 10.0.0.2:112"}},
        {"flowProbe", "http"}}},
      {"attach_target_storage_profile",
       {{"storagePools", {"images"}},
        {"cache", "none"},
        {"discard", "unmap"},
        {"io", "native"},
        {"reservePercent", 50}}},
      {"validate_guest_tools_and_drivers",
       {{"inspector", "http"}, {"whenUnknown", "fail"}, {"guestAgent", "required"}}},
      {"power_on_target",
       {{"stopDeadline", 30000},
        {"bootProof", "console"},
        {"consolePattern", "^GUEST-READY nic=(eth|ens)[0-9]+"},
        {"bootDeadline", 60000}}},
      {"smoke_test",
       {{"probe", "http"}, {"url", "http://web1.kvm.example/"}, {"status", 200}, {"body", "QEMU"}, {"successes", 2}}},
      {"policy_validated", {{"policy", "regulated"}, {"allowModes", {"vgpu"}}, {"overridden", false}}},
      {"target_monitoring_ready",
       {{"metricsService", "watch"}, {"targets", {"node/kvm:9100"}},
        {"maxScrapeAge", 60000},
        {"plannedTargets", {"shop"}},
        {"metrics", {"http_requests_total"}},
        {"alertRules", {"ShopDown", "ShopTrial"}},
        {"baselines", {"p95 = p95", "errors = errors"}},
        {"baselineSamplesQuery", "requests"}, {"baselineMinSamples", 100}}},
      {"p95_latency_within_slo",
       {{"metricsService", "watch"},
        {"query", "p95"}, {"samplesQuery", "requests"},
        {"minSamples", 100}, {"window", 300000},
        {"slo", 300}}},
      {"error_rate_below_threshold",
       {{"metricsService", "watch"},
        {"query", "errors"},
        {"samplesQuery", "requests"},
        {"minSamples", 100},
        {"window", 300000},
        {"threshold", "1%"}}},
      {"alerting_signals_present",
       {{"metricsService", "watch"},
        {"alertsService", "watch"},
        {"signalService", "watch"},
        {"probe", "http"},
        {"alertName", "ShopTrial"},
        {"signalMetric", "vmferry_alert_trial"},
        {"receiverUrl", "http://receiver.example/"}}},
      {"command", {{"service", "http"}, {"arguments", {"--quick"}}}},
      {"command_failure", {{"service", "http"}, {"arguments", {"--quick"}}, {"inconclusiveCode", 2}, {"noDataCode", 3}}},
      {"load_balancer_server_failure", {{"loadBalancer", "edge"}, {"pool", "shop"}, {"targetServer", "kvm"}}},
      {"app_health_check_failure", {{"probe", "http"}, {"healthUrl", "http://web1.kvm.example/healthz"}, {"status", 200}}},
      {"dns_ttl_lowered",
       {{"dns", "names"},
        {"records", {"Shop.Example.Com.", "shop.example.com/AAAA", "www.example.com/CNAME"}},
        {"maxTtl", 60000},
        {"mode", "lower"}}},
      {"update_dns",
       {{"dns", "names"},
        {"records", {"shop.example.com", "shop.example.com/AAAA"}},
        {"targetAddresses", {"10.0.0.2", "FD00::2"}}}},
      {"backup_success_last_24h",
       {{"backup", "http"},
        {"sourceHost", "shop-vm"},
        {"sourcePaths", {"/srv"}},
        {"sourceTags", {"daily"}},
        {"maxAge", 86400000},
        {"integrity", "checksum"}}},
      {"sustained_latency_regression",
       {{"metricsService", "watch"}, {"query", "p95"}, {"samplesQuery", "requests"}, {"minSamples", 100}, {"slo", 300}}},
      {"target_backup_failure",
       {{"backup", "http"}, {"targetHost", "shop-kvm"}, {"targetPaths", {"/images/shop"}}, {"maxAge", 86400000}}},
      {"backup_job_succeeds",
       {{"backup", "http"}, {"targetHost", "shop-kvm"}, {"targetPaths", {"/images/shop"}}, {"verify", "restore"}}},
      {"update_load_balancer",
       {{"loadBalancer", "edge"}, {"pool", "shop"}, {"targetServer", "kvm"}, {"sourceServer", "vmware"}}}};
  static const Json none = Json::object();
  const auto entry = parameters.find(step);
  return entry == parameters.end() ? none : entry->second;
}

// As the checker gives them to undo_proven.
Json EffectsOfScript() {
  Json effects = Json::array();
  for (const auto& [name, workload] : Stage::Script()) {
    const StepSpec& spec = FindStep(name)->spec();
    if (spec.effect && !spec.point_of_no_return)
      effects.push_back({{"name", name}, {"workload", workload}, {"parameters", ParametersOf(name)}});
  }
  return UndoProofParameters(std::move(effects), std::chrono::minutes(90));
}

}  // namespace

WorldData TestWorld() {
  Result<WorldData> world = WorldFromJson(WorldText());
  EXPECT_TRUE(world) << Describe(world.error());
  for (FakeVm& vm : world->vms) vm.shutdown_polls = 3, vm.power_polls = 1;
  world->host.stop_polls = 2;
  world->host.merge_polls = 2;
  world->host.boot_polls = 3;
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
  for (const char* name : {"vmware", "kvm", "edge", "names", "http", "watch", "stop-app", "start-app"}) {
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
  life.parameters = step.spec().name == kUndoProven ? EffectsOfScript() : ParametersOf(step.spec().name);
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
      {"policy_validated", "web1"},
      {"policy_validated", "db1"},
      {"vm_exists", "web1"},
      {"vm_exists", "db1"},
      {"target_capacity", "web1"},
      {"target_capacity", "db1"},
      {"target_name_free", "web1"},
      {"target_name_free", "db1"},
      {"backup_success_last_24h", ""},
      {"target_monitoring_ready", ""},
      {"target_network_policy_validated", ""},
      {"target_out_of_service", ""},
      {"rehearsal_fingerprint", ""},
      {"claim_source", "web1"},
      {"claim_source", "db1"},
      {"dns_ttl_lowered", ""},
      {"source_measured", ""},
      {"undo_proven", ""},
      {"quiesce_application", ""},
      {"final_data_sync", ""},
      {"convert_image", ""},
      {"attach_target_storage_profile", "web1"},
      {"attach_target_storage_profile", "db1"},
      {"validate_guest_tools_and_drivers", "web1"},
      {"validate_guest_tools_and_drivers", "db1"},
      {"power_on_target", ""},
      {"smoke_test", ""},
      {"update_load_balancer", ""},
      {"update_dns", ""},
      {"p95_latency_within_slo", ""},
      {"error_rate_below_threshold", ""},
      {"backup_job_succeeds", ""},
      {"alerting_signals_present", ""},
      {"command", ""},
      {"app_health_check_failure", ""},
      {"sustained_latency_regression", ""},
      {"target_backup_failure", ""},
      {"load_balancer_server_failure", ""},
      {"guest_agent_failure", ""},
      {"command_failure", ""},
      {"merge_overlay", "web1"},
      {"merge_overlay", "db1"},
      {"release_source", "web1"},
      {"release_source", "db1"},
      {"retire_source", "web1"},
      {"retire_source", "db1"},
  };
  return script;
}

void Stage::PlayUntil(const std::string& name) {
  for (const auto& [step_name, workload] : Script()) {
    // As if power_on_target had been asked for the agent's proof, and not for the console's.
    if (step_name == "guest_agent_failure")
      Change([](WorldData& world) {
        for (FakeDomain& domain : world.domains) domain.spec.guest_agent = true;
      });
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
  Json picture = {{"leases", world.leases.size()},
                  {"signals", world.monitoring.signals.size()},
                  {"application stopped", world.programs.application_stopped},
                  {"program runs", world.programs.runs.size()}};
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
  for (const FakeRecords& entry : world.dns.records) picture["dns"][entry.name + "/" + entry.type] = InWords(entry.set);
  for (const FakeBackupWork& work : world.vault.works) {
    const bool changes = work.what == "backup" || work.what == "restore";  // the others only read
    if (changes) picture["backup works"].push_back(work.key + " " + work.what);
  }
  for (const FakeBackup& backup : world.vault.backups)
    if (!unsealed_only && backup.age_ms == 0)  // made by a run; its undo leaves it
      picture["backups"].push_back(backup.facts.id);
  return picture;
}

}  // namespace vmferry
