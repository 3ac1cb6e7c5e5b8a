// SPDX-License-Identifier: Apache-2.0
//
// FakeRun: an engine over the fake world and a journal in memory, for tests. One object is one set of platforms with
// its journal; Restart makes a new engine on them, as a new process would.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "orchestrator/engine.h"
#include "plugins/fake/example_world.h"
#include "plugins/fake/fake.h"
#include "plugins/filters.h"
#include "state/memory_journal.h"
#include "tests/orchestrator/checkers.h"

namespace vmferry {

// Time passes whenever somebody looks: 20 ms, or as told while nothing works and deadlines of hours must pass.
class TickingClock final : public Clock {
 public:
  Instant Now() const override {
    const std::int64_t now = now_ms_ += tick_ms;
    return {1772330400000 + now, now};
  }
  std::atomic<int> tick_ms{20};

 private:
  mutable std::atomic<std::int64_t> now_ms_{0};
};

// A runbook of runbooks/examples, on a world made for it.
enum class Example { kEmbedded, kTwoMachines, kPartnerPortal, kInFull };
std::string NameOf(Example example);  // "TwoMachines"
// What waits some seconds for caches and windows shall not look hundreds of times meanwhile.
constexpr int TickOf(Example example) {
  return example == Example::kInFull ? 100 : 20;
}
inline constexpr std::array kExamples{Example::kEmbedded, Example::kTwoMachines, Example::kPartnerPortal,
                                     Example::kInFull};

class FakeRun {
 public:
  explicit FakeRun(int applications, int at_once = 1, int stop_after_failed = 0);
  explicit FakeRun(Example example);

  // Decides the fate of a plugin call before it is made (plugins/filters.h).
  FaultPicker fault;
  // Called for every durable event, on the engine's thread.
  std::function<void(const Event&, Engine&)> on_event;
  // What else lives on the engine's loop while it runs; made after the order, gone after the run.
  std::function<std::shared_ptr<void>(Loop&, Engine&)> beside;

  // If set, appends are acknowledged only after so long, by real time.
  std::function<std::chrono::microseconds()> store_delay;

  // Waiting costs nothing from now on; `clock` outlives this.
  void UseClock(const Clock& clock) {
    this->clock = &clock;
    options.longest_wait = std::chrono::milliseconds(0);
  }
  // Journals the run; its engine ends before anything begins.
  Status Submit();
  // Each runs an engine until everything rests.
  Status Run();
  // With `site`, as with --site.
  Status Decide(const std::string& kind, const std::vector<std::string>& applications, const Site* site = nullptr);
  Status Assume(const std::string& step, const std::string& assume);  // "done" or "not-done"
  // What the last engine's run came to, folded anew from the journal.
  RunState State() const;
  const ApplicationState& Application(const std::string& name);
  std::vector<Event> Events() const;
  std::size_t machines() const { return world->Copy().vms.size(); }
  std::string Picture() const { return vmferry::Picture(world->Copy()); }

  std::shared_ptr<World> world;
  MemoryJournal journal;
  std::string run_id;
  EngineOptions options;
  std::size_t threads = 4;  // for step calls
  std::vector<std::weak_ptr<SystemSet>> made_systems;
  const Clock* clock = nullptr;  // the system's by default
  Submission submission;

 private:
  Status Decide(const Decision& decision, const Site* site = nullptr);
  Status WithEngine(const std::function<Status(Engine&)>& order);
  RunState folded_;
};

}  // namespace vmferry
