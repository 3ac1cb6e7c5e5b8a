// SPDX-License-Identifier: Apache-2.0
#include "tests/orchestrator/fake_run.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "plugins/fake/world_json.h"
#include "state/clock.h"
#include "tests/orchestrator/late_journal.h"

namespace vmferry {
namespace {

struct Names {
  const char* application;
  const char* vm;
  const char* pool;
};
constexpr std::array<Names, 3> kNames{{{"customer-analytics-api", "web1", "app"},
                                       {"billing", "billing1", "billing"},
                                       {"inventory", "inventory1", "inventory"}}};

std::string SiteText(int applications) {
  std::string text = R"(apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: test}
spec:
  platforms:
    vmware: {plugin: fake, aliases: [vmware-vsphere]}
    kvm: {plugin: fake}
  services:
    front: {plugin: fake}
    web: {plugin: fake}
  networks: {VM Network: user}
  storage: {datastore1: vmferry}
  defaults:
    quiesce_application: {onRefusal: rollBack, guestShutdownDeadline: 2s, drainDeadline: 1s, probe: web}
    smoke_test: {probe: web, deadline: 2s}
  applications:
)";
  for (int i = 0; i < applications; ++i) {
    const auto& [name, vm, pool] = kNames.at(static_cast<std::size_t>(i));
    text += std::string("    ") + name + ":\n      workloads: [{name: " + vm + ", vm: " + vm +
            "}]\n      loadBalancer: front\n      pool: " + pool +
            "\n      sourceServer: vmware\n      targetServer: kvm\n      sourceHealthUrl: http://" + vm +
            ".vmware.example/healthz\n      url: http://" + vm + ".kvm.example/healthz\n";
  }
  return text;
}

std::string RunbookText(const std::string& application) {
  return "application: " + application + R"(
sourcePlatform: vmware-vsphere
targetPlatform: kvm
rollbackWindowMinutes: 90
preChecks: [vm_exists, target_capacity, target_name_free]
cutoverSteps:
  - quiesce_application
  - final_data_sync
  - convert_image
  - power_on_target
  - smoke_test
  - update_load_balancer
)";
}

std::string WaveText(int applications, int at_once, int stop_after_failed) {
  std::string text =
      "apiVersion: vmferry.dev/v1\nkind: Wave\nmetadata: {name: test-wave}\nspec:\n  applicationsAtOnce: " +
      std::to_string(at_once) + "\n";
  if (stop_after_failed > 0) text += "  stopAfter: {failed: " + std::to_string(stop_after_failed) + "}\n";
  text += "  runbooks:\n";
  for (int i = 0; i < applications; ++i)
    text += std::string("    - ") + kNames.at(static_cast<std::size_t>(i)).application + ".yaml\n";
  return text;
}

// The documents, checked from files as the command line does it.
Checked CheckDocumentsAnew(int applications, int at_once, int stop_after_failed) {
  namespace fs = std::filesystem;
  std::string pattern = (fs::temp_directory_path() / "vmferry-test.XXXXXX").string();
  const fs::path folder = mkdtemp(pattern.data());
  std::ofstream(folder / "site.yaml") << SiteText(applications);
  std::ofstream(folder / "wave.yaml") << WaveText(applications, at_once, stop_after_failed);
  for (int i = 0; i < applications; ++i) {
    const std::string name = kNames.at(static_cast<std::size_t>(i)).application;
    std::ofstream(folder / (name + ".yaml")) << RunbookText(name);
  }
  Checked checked = CheckWave((folder / "wave.yaml").string(), (folder / "site.yaml").string());
  for (const Diagnostic& diagnostic : checked.diagnostics) ADD_FAILURE() << Render(diagnostic, false);
  fs::remove_all(folder);
  return checked;
}

// The example world with disks of 2 MiB instead of 64: most of a run's time went into their digests.
WorldData SmallWorld(int applications) {
  Json world = ExampleWorldJson(applications);
  for (Json& vm : world["vms"]) vm["disks_mib"] = Json::array({2, 2});
  world["bytes_per_second"] = 0;
  return std::move(WorldFromJson(world)).value();
}

struct ExampleWords {
  const char* application;
  const char* file;    // below runbooks/examples
  const char* target;  // the server's name, and the platform's
  std::vector<std::pair<const char*, const char*>> machines;  // VM and domain
};

const ExampleWords& WordsOf(Example example) {
  static const std::array<ExampleWords, 3> words{
      ExampleWords{"customer-analytics-api", "embedded/customer-analytics-api.yaml", "kvm", {{"web1", "web1"}}},
      ExampleWords{"customer-analytics-api",
                   "customer-analytics-api.yaml",
                   "pextra",
                   {{"api-1", "analytics-api"}, {"db-1", "analytics-db"}}},
      ExampleWords{"partner-portal", "partner-portal.yaml", "pextra", {{"portal-1", "portal"}}}};
  return words.at(static_cast<std::size_t>(example));
}

std::string ExampleSite(const ExampleWords& words) {
  std::string text = SiteText(0);
  text.replace(text.find("kvm: {plugin: fake}"), 19,
               std::string(words.target) + ": {plugin: fake, aliases: [pextra-cloud]}");
  text += std::string("    ") + words.application + ":\n      workloads:\n";
  for (const auto& [vm, domain] : words.machines)
    text += std::string("        - {name: ") + domain + ", vm: " + vm + ", domain: " + domain + "}\n";
  const std::string target = words.target;
  return text + "      loadBalancer: front\n      pool: app\n      sourceServer: vmware\n      targetServer: " + target +
         "\n      sourceHealthUrl: http://vmware.example/healthz\n      url: http://" + target + ".example/healthz\n";
}

WorldData ExampleWorldOf(Example example) {
  if (example == Example::kInFull) {
    WorldData full = SmallWorld(1);
    full.vault.polls = 3;  // a backup is still under way when a new process has looked for it
    return full;
  }
  const ExampleWords& words = WordsOf(example);
  Json world = ExampleWorldJson(1);
  world["bytes_per_second"] = 0;
  world["vms"] = Json::array();
  for (const auto& [vm, domain] : words.machines)
    world["vms"].push_back({{"name", vm}, {"disks_mib", {2, 2}}, {"records", {"a record"}}});
  const auto& [vm, domain] = words.machines.front();
  Json& servers = world["load_balancers"][0]["servers"];
  servers[0]["vm"] = vm;
  servers[1]["domain"] = domain;
  servers[1]["name"] = words.target;
  world["endpoints"] = {{"vmware.example", {{"vm", vm}}},
                        {std::string(words.target) + ".example", {{"domain", domain}}}};
  return std::move(WorldFromJson(world)).value();
}

// The one whose steps need all of the example's own site.
Checked CheckInFull() {
  const std::string folder = std::string(VMFERRY_SOURCE_DIR) + "/runbooks/examples/embedded/";
  Checked checked = CheckWave(folder + "customer-analytics-api-in-full.yaml", folder + "site.yaml");
  for (const Diagnostic& diagnostic : checked.diagnostics) ADD_FAILURE() << Render(diagnostic, false);
  return checked;
}

Checked CheckExampleAnew(Example example) {
  if (example == Example::kInFull) return CheckInFull();
  namespace fs = std::filesystem;
  std::string pattern = (fs::temp_directory_path() / "vmferry-test.XXXXXX").string();
  const fs::path folder = mkdtemp(pattern.data());
  std::ofstream(folder / "site.yaml") << ExampleSite(WordsOf(example));
  const fs::path runbook = fs::path(VMFERRY_SOURCE_DIR) / "runbooks/examples" / WordsOf(example).file;
  Checked checked = CheckWave(runbook.string(), (folder / "site.yaml").string());
  for (const Diagnostic& diagnostic : checked.diagnostics) ADD_FAILURE() << Render(diagnostic, false);
  fs::remove_all(folder);
  return checked;
}

const Checked& CheckExample(Example example) {
  static std::map<Example, Checked> all;
  const auto found = all.find(example);
  if (found != all.end()) return found->second;
  return all.emplace(example, CheckExampleAnew(example)).first->second;
}

// Checked once for each kind of wave.
const Checked& CheckDocuments(int applications, int at_once, int stop_after_failed) {
  static std::map<std::array<int, 3>, Checked> all;
  const std::array<int, 3> key{applications, at_once, stop_after_failed};
  const auto found = all.find(key);
  if (found != all.end()) return found->second;
  return all.emplace(key, CheckDocumentsAnew(applications, at_once, stop_after_failed)).first->second;
}

// The fake world behind every name of the site, faults in front of it.
class FakeSystems final : public SystemSet {
 public:
  FakeSystems(const Site& site, const std::shared_ptr<World>& world, const FaultPicker& fault) {
    for (const SystemEntry& entry : site.systems) {
      std::shared_ptr<Plugin> plugin = MakeFake(entry.name, world);
      if (fault) plugin = Faulty(plugin, fault);
      writing_.plugins[entry.name] = plugin;
      reading_.plugins[entry.name] = ReadOnly(plugin);
    }
  }
  Systems& writing() override { return writing_; }
  Systems& reading() override { return reading_; }

 private:
  struct View final : Systems {
    Result<Plugin*> Find(const std::string& name) override {
      const auto found = plugins.find(name);
      if (found == plugins.end()) return Error{ErrorKind::kNotFound, name, "", "no such system", ""};
      return found->second.get();
    }
    std::map<std::string, std::shared_ptr<Plugin>> plugins;
  };
  View writing_;
  View reading_;
};

// Passes durable events on.
class Listener final : public Watcher {
 public:
  Listener(Engine& engine, const std::function<void(const Event&, Engine&)>& sink) : engine_(engine), sink_(sink) {}
  void OnEvent(const Event& event, const RunState&) override {
    if (sink_) sink_(event, engine_);
  }
  void OnMeter(const std::string&, const std::string&, int, const Meter&) override {}

 private:
  Engine& engine_;
  const std::function<void(const Event&, Engine&)>& sink_;
};

}  // namespace

FakeRun::FakeRun(int applications, int at_once, int stop_after_failed)
    : world(std::make_shared<World>(SmallWorld(applications))) {
  const Checked& checked = CheckDocuments(applications, at_once, stop_after_failed);
  submission.wave = checked.wave.value();
  submission.site = checked.site.value();
  submission.actor = "tester";
  options.longest_wait = std::chrono::milliseconds(1);
}

std::string NameOf(Example example) {
  constexpr std::array<const char*, 4> kExampleNames{"Embedded", "TwoMachines", "PartnerPortal", "InFull"};
  return kExampleNames.at(static_cast<std::size_t>(example));
}

FakeRun::FakeRun(Example example) : world(std::make_shared<World>(ExampleWorldOf(example))) {
  const Checked& checked = CheckExample(example);
  submission.wave = checked.wave.value();
  submission.site = checked.site.value();
  submission.actor = "tester";
  options.longest_wait = std::chrono::milliseconds(1);
  // Samples go on beside the steps, so that no call would have the same number twice; watch_test.cc is about them.
  for (Plan& plan : submission.wave.plans) plan.criteria.clear();
}

Status FakeRun::WithEngine(const std::function<Status(Engine&)>& order) {
  const SystemClock system_clock;
  Loop loop(threads);
  auto systems = [this](const Site& site) {
    auto made = std::make_shared<FakeSystems>(site, world, fault);
    made_systems.push_back(made);
    return made;
  };
  LateJournal late(loop.io(), journal, store_delay);
  Journal& its_journal = store_delay ? static_cast<Journal&>(late) : journal;
  Engine engine(loop, its_journal, clock ? *clock : system_clock, systems, options);
  Listener listener(engine, on_event);
  engine.AddWatcher(&listener);
  if (const Status ordered = order(engine); !ordered) return ordered;
  const std::shared_ptr<void> kept = beside ? beside(loop, engine) : nullptr;
  return engine.Run();
}

Status FakeRun::Submit() {
  const Error ends{ErrorKind::kUnavailable, "", "", "the engine ends", ""};
  const Status ended = WithEngine([&](Engine& engine) -> Status {
    const Result<std::string> run = engine.Submit(submission);
    if (!run) return run.error();
    run_id = *run;
    return ends;
  });
  return ended.error().message == ends.message ? Ok() : ended;
}

Status FakeRun::Run() {
  return WithEngine([this](Engine& engine) -> Status {
    const Result<std::string> run = engine.Submit(submission);
    if (!run) return run.error();
    run_id = *run;
    return Ok();
  });
}

Status FakeRun::Decide(const std::string& kind, const std::vector<std::string>& applications, const Site* site) {
  return Decide(Decision{kind, applications, "tester", "because the test says so", "", ""}, site);
}

Status FakeRun::Assume(const std::string& step, const std::string& assume) {
  return Decide(Decision{"resume", {}, "tester", "seen with own eyes", assume, step});
}

Status FakeRun::Decide(const Decision& decision, const Site* site) {
  return WithEngine([&](Engine& engine) -> Status {
    if (const Status adopted = engine.Adopt(run_id, site); !adopted) return adopted;
    return engine.DecideFor(run_id, decision);
  });
}

std::vector<Event> FakeRun::Events() const {
  return journal.Read(run_id).value();
}
RunState FakeRun::State() const {
  return journal.State(run_id).value();
}
const ApplicationState& FakeRun::Application(const std::string& name) {
  folded_ = State();
  return folded_.applications[name];
}

}  // namespace vmferry
