// SPDX-License-Identifier: Apache-2.0
//
// The engine and calls that do not come back: what they may hold up, and what must outlive them.
#include "orchestrator/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/orchestrator/fake_run.h"

namespace vmferry {
namespace {

// Until `condition`, or for so long that only a condition that never comes true takes it.
template <class Condition>
bool WaitFor(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// A resume with another site replaced the systems that a call which had been given up was still using.
TEST(EngineCalls, TheSystemsOfAReplacedSiteLiveAsLongAsTheEngine) {
  FakeRun run(1);
  int rests = 0;
  run.beside = [&](Loop&, Engine& engine) -> std::shared_ptr<void> {
    engine.on_rest = [&] {
      if (rests++ > 0) return;
      Site other = run.submission.site;
      other.name = "another";
      ASSERT_TRUE(engine.Adopt(run.run_id, &other));
      ASSERT_EQ(run.made_systems.size(), 2U);
      EXPECT_FALSE(run.made_systems.front().expired());
    };
    return nullptr;
  };
  ASSERT_TRUE(run.Run());
  ASSERT_EQ(rests, 1);
  for (const auto& systems : run.made_systems) EXPECT_TRUE(systems.expired()) << "kept beyond the engine's end";
}

// Looks at a step in doubt were sent after the call that hung, each to hang too, until no thread was left for others.
TEST(EngineCalls, NothingElseIsAskedForAnApplicationWhileACallHangs) {
  // Counts how often the engine looks at the time: it does so again and again while it waits.
  class CountingClock final : public Clock {
   public:
    Instant Now() const override {
      ++looks;
      return inner_.Now();
    }
    mutable std::atomic<int> looks{0};

   private:
    TickingClock inner_;
  };
  const CountingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  run.options.longest_wait = std::chrono::milliseconds(1);
  run.options.attempt_timeout = std::chrono::milliseconds(200);
  run.options.grace = std::chrono::milliseconds(100);
  std::atomic<bool> hung = false;
  std::atomic<bool> hangs = false;
  std::atomic<int> meanwhile = 0;
  run.fault = [&](const CallSpec& call, const Json&) {
    if (hangs) ++meanwhile;
    if (call.name != "ClaimVm" || hung.exchange(true)) return Fault{};
    const int looks = clock.looks;
    hangs = true;
    EXPECT_TRUE(WaitFor([&] { return meanwhile > 0 || clock.looks > looks + 100; }));
    hangs = false;
    return Fault{};
  };
  ASSERT_TRUE(run.Run());
  EXPECT_TRUE(hung);
  EXPECT_EQ(meanwhile, 0);
  EXPECT_EQ(run.Application("customer-analytics-api").phase, Phase::kSoak)
      << run.Application("customer-analytics-api").reason;
}

// Plans were read on the pool of the step calls: with all its threads in calls that hung, no other application began.
TEST(EngineCalls, AnApplicationBeginsThoughEveryThreadForCallsHangs) {
  FakeRun run(2, 2);
  ASSERT_TRUE(run.Submit());
  std::atomic<bool> begun = false;
  run.on_event = [&](const Event& event, Engine&) {
    if (event.application == "billing" && event.kind == EventKind::kPhase) begun = true;
  };
  Loop* loop = nullptr;
  Engine* engine = nullptr;
  run.beside = [&](Loop& its_loop, Engine& its_engine) -> std::shared_ptr<void> {
    loop = &its_loop;
    engine = &its_engine;
    return nullptr;
  };
  std::atomic<bool> hung = false;
  run.fault = [&](const CallSpec&, const Json&) {
    if (hung.exchange(true)) return Fault{};
    boost::asio::post(loop->io(), [&] {
      EXPECT_TRUE(engine->DecideFor(run.run_id, Decision{"resume", {"billing"}, "tester", "", "", ""}));
    });
    EXPECT_TRUE(WaitFor([&] { return begun.load(); }));
    return Fault{};
  };
  run.threads = 1;
  ASSERT_TRUE(run.Decide("resume", {"customer-analytics-api"}));
  EXPECT_TRUE(begun);
}

}  // namespace
}  // namespace vmferry
