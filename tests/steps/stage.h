// SPDX-License-Identifier: Apache-2.0
//
// Stage: one application in a fake world, and a small stand-in for the engine that drives single steps as the engine
// does: it journals before-image, handle and facts, repeats what is safe to repeat, observes after an unknown outcome
// and lets time pass as steps ask for it (no test waits for a clock). One thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugins/fake/fake.h"
#include "plugins/filters.h"
#include "steps/step.h"
#include "steps/workers.h"

namespace vmferry {

// Application "shop": VMs web1 (8 and 4 MiB) and db1 (4 MiB) on "vmware", both on; a load balancer "edge" with pool
// "shop" and servers "vmware" (ready) and "kvm" (maint); a probe "http"; name servers "names" of zone example.com; pool
// "images" on the target "kvm". Monitoring "watch" has the rules ShopDown and ShopTrial; receiver.example shows the
// alerts. Everything that takes time on a real system takes a few looks.
WorldData TestWorld();

// What the journal holds of one step.
struct Life {
  std::string workload;  // empty for application-scoped steps
  Json parameters = Json::object();
  std::string key;
  Json before, handle, facts;
  std::chrono::milliseconds elapsed{0};
  bool target_served = false;
};

class Stage {
 public:
  explicit Stage(WorldData data = TestWorld());
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // The parameters a runbook would give the step, and a key of this generation.
  Life LifeOf(const Step& step, const std::string& workload = "", int generation = 0) const;

  StepContext Context(const Life& life, bool read_only = false);
  // With read-only plugins.
  Result<Observation> Observe(const Step& step, const Life& life);
  Result<Forecast> Predict(const Step& step, const Life& life);
  // Whether the step, whose effect stands or not, could be undone.
  Result<UndoProof> ProveUndo(const Step& step, const Life& life) { return step.ProveUndo(Context(life, true)); }
  // One round of Apply or Undo, journaled into `life`; observes first if nothing is journaled yet.
  Result<Progress> Round(const Step& step, Life& life, bool undo = false);
  // Rounds until an end: done, hold, roll back, or an error that must not be repeated. A done step's facts are then
  // known as earlier facts.
  Result<Progress> Finish(const Step& step, Life& life, bool undo = false);

  // Runs the main job's steps up to, without, `name`.
  void PlayUntil(const std::string& name);
  // All steps of the main job in order, each with its workload.
  static const std::vector<std::pair<std::string, std::string>>& Script();

  // The process dies: workers are gone. What is journaled stays.
  void Crash();
  // The `number`-th call of a plugin from now on goes wrong.
  void FailCall(int number, Fault::Kind kind);
  bool fault_happened() const { return fault_happened_; }
  // Called before each call of a plugin; may change the world.
  void BeforeCalls(std::function<void(const CallSpec&)> hook) { hook_ = std::move(hook); }

  void Change(const std::function<void(WorldData&)>& act) { (void)world_->Change(act); }
  WorldData Look() { return world_->Copy(); }
  FakeVm Vm(const std::string& name);
  FakeServerState Server(const std::string& name);
  Workers& workers() { return *workers_; }
  Json& earlier(const std::string& step, const std::string& workload = "") { return earlier_[{step, workload}]; }
  // Takes over world and earlier facts of another stage.
  void Resume(Stage& from);

  Application application;
  std::string run = "r-20260301-7f3a9c";

 private:
  class Site;
  std::shared_ptr<World> world_;
  std::unique_ptr<Site> site_, read_only_;
  std::unique_ptr<Workers> workers_;
  std::map<std::pair<std::string, std::string>, Json> earlier_;
  std::atomic<int> calls_{0};
  std::atomic<int> fail_at_{0};
  std::atomic<bool> fault_happened_{false};
  Fault::Kind fault_kind_ = Fault::Kind::kNone;
  std::function<void(const CallSpec&)> hook_;
};

// Everything that matters of a world, for comparing: power, claims, fences, NICs, volumes, domains, servers, leases.
// With `unsealed_only`, finished copies (and overlays kept as a delta) are left out.
Json Picture(WorldData world, bool unsealed_only = false);

}  // namespace vmferry
