// SPDX-License-Identifier: Apache-2.0
//
// What crosses what: a decision, a sample or a hold that comes between two events of the engine's own.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <thread>

#include "orchestrator/exit_code.h"
#include "orchestrator/report.h"
#include "steps/step.h"
#include "tests/orchestrator/watched.h"

namespace vmferry {
namespace {

Decision By(const char* who, const char* kind, std::vector<std::string> applications = {}) {
  return {kind, std::move(applications), who, "it is time", "", ""};
}

// An application that came to its rest still waits until its last append is stored. What was decided in that time was
// journaled and then done by nobody.
TEST(Crossing, ADecisionWhileTheLastAppendIsStoredIsCarriedOut) {
  for (const char* kind : {"rollback", "commit"}) {
    Watched watched;
    watched.plan().rollback_window_minutes = 60;
    watched.After(3, [](Engine& engine) { engine.RequestStop("enough seen"); });
    ASSERT_TRUE(watched.run.Run());
    ASSERT_EQ(watched.state().phase, Phase::kSoak);
    bool decided = false;
    watched.then = [&](const Event& event, Engine& engine) {
      if (event.kind != EventKind::kWatch || std::exchange(decided, true)) return;
      EXPECT_TRUE(engine.DecideFor(watched.run.run_id, By("anna", kind)));
    };
    ASSERT_TRUE(watched.run.Decide("resume", {}));
    EXPECT_TRUE(IsEnding(watched.state().phase)) << kind << ": " << Name(watched.state().activity);
  }
}

// A sample behind a resume tripped while the driver waited for the watch's beginning, or for an earlier sample, to be
// stored: the run ended "rolling back", with nobody at it.
TEST(Crossing, ATripWhileTheLastAppendIsStoredGoesBack) {
  for (const int good : {0, 2, 5, 10, 20, 40}) {
    Watched watched;
    watched.plan().rollback_window_minutes = 60;
    watched.plan().criteria[0].parameters["trip"] = {{"consecutive", 1}};
    watched.After(3, [](Engine& engine) { engine.RequestStop("enough seen"); });
    ASSERT_TRUE(watched.run.Run());
    watched.then = nullptr;
    std::atomic<int> left = good;
    watched.run.fault = [&](const CallSpec& call, const Json&) {
      if (call.name == "Probe" && --left == -1) watched.Sicken();
      return Fault{};
    };
    watched.run.store_delay = [] { return std::chrono::milliseconds(5); };
    ASSERT_TRUE(watched.run.Decide("resume", {}));
    EXPECT_EQ(watched.state().phase, Phase::kRolledBack) << good << " good: " << Name(watched.state().activity);
  }
}

// quiesce_application, which holds when it is asked to act; `during` comes before.
std::function<void()> during;
class Holds final : public Step {
 public:
  const StepSpec& spec() const override { return Real().spec(); }
  Result<Observation> Observe(const StepContext& context) const override { return Real().Observe(context); }
  Result<Progress> Apply(const StepContext&) const override {
    during();
    return Progress::Hold("its guest refuses");
  }
  Result<Progress> Undo(const StepContext& context) const override { return Real().Undo(context); }
  Result<Forecast> Predict(const StepContext& context) const override { return Real().Predict(context); }

 private:
  static const Step& Real() { return *FindStep("quiesce_application"); }
};

const Step* FindHolding(std::string_view name) {
  static const Holds holds;
  return name == "quiesce_application" ? &holds : FindStep(name);
}

// The hold stood behind the decision to go back, and ended it: the application stayed out of service.
TEST(Crossing, AStepsHoldDoesNotEndAWayBack) {
  FakeRun run(1);
  TickingClock clock;
  run.UseClock(clock);
  run.options.find_step = FindHolding;
  Loop* loop = nullptr;
  Engine* engine = nullptr;
  run.beside = [&](Loop& its_loop, Engine& its_engine) -> std::shared_ptr<void> {
    loop = &its_loop;
    engine = &its_engine;
    return nullptr;
  };
  ASSERT_TRUE(run.Submit());
  during = [&] {
    std::atomic<bool> told = false;
    boost::asio::post(loop->io(), [&] {
      EXPECT_TRUE(engine->DecideFor(run.run_id, By("anna", "rollback")));
      told = true;
    });
    while (!told) std::this_thread::yield();
  };
  ASSERT_TRUE(run.Decide("resume", {}));
  during = nullptr;
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << Name(run.Application(kApi).activity);
}

// The watch that was ending sampled on with what was left of it: one of two criteria was not seen in the whole commit.
TEST(Crossing, ACommitWhileAWatchEndsIsWatchedWhole) {
  Watched watched;
  watched.plan().criteria.push_back(watched.plan().criteria[0]);
  watched.plan().criteria[1].parameters["healthUrl"] = "http://web1.kvm.example/healthz?two";
  watched.run.options.max_attempts = 100000;
  for (PlannedStep& step : watched.plan().steps) step.deadline = std::chrono::hours(1000);
  std::atomic<bool> hangs = false, committing = false, seen = false;
  watched.run.fault = [&](const CallSpec& call, const Json& request) {
    const bool second = call.name == "Probe" && request.dump().find("two") != std::string::npos;
    if (second && hangs.exchange(false))
      while (!committing) std::this_thread::yield();
    const bool waits = call.name == "MergeOverlays" && !seen;
    return waits ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  std::array<int, 2> samples{};
  int begun = 0;
  watched.then = [&](const Event& event, Engine& engine) {
    const std::string state = event.payload.value("state", "");
    if (event.kind == EventKind::kSample && watched.samples == 12) hangs = true;
    if (event.kind == EventKind::kWatch && state == "over") {
      EXPECT_TRUE(engine.DecideFor(watched.run.run_id, By("anna", "commit")));
    }
    if (event.kind == EventKind::kPhase && event.payload.value("phase", "") == "commit") committing = true;
    if (!committing) return;
    begun += event.kind == EventKind::kWatch && state == "begun";
    if (event.kind == EventKind::kSample) ++samples.at(event.payload.value("criterion", std::size_t{0}));
    seen = seen || (samples[0] > 2 && samples[1] > 2) || samples[0] + samples[1] > 200;
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kCommitted);
  EXPECT_EQ(begun, 1);
  EXPECT_GT(samples[0], 2);
  EXPECT_GT(samples[1], 2);
}

// A wave that stopped after a failure journaled a hold behind the ending of what was rolled back before its turn.
TEST(Crossing, WhatIsRolledBackBeforeItsTurnIsNotHeldByTheWave) {
  FakeRun run(2, 1, 1);
  TickingClock clock;
  run.UseClock(clock);
  for (Plan& plan : run.submission.wave.plans) {
    plan.policy.in_force.push_back({"strict", std::string(64, '0')});
    plan.policy.approval = {"strict"};
  }
  ASSERT_TRUE(run.Run());
  bool decided = false;
  run.on_event = [&](const Event& event, Engine& engine) {
    const bool cutover = event.kind == EventKind::kPhase && event.payload.value("phase", "") == "cutover";
    if (event.application != kApi || !cutover || std::exchange(decided, true)) return;
    EXPECT_TRUE(engine.DecideFor(run.run_id, By("anna", "rollback", {"billing"})));
  };
  ASSERT_TRUE(run.Decide("approve", {}));
  ASSERT_TRUE(decided);
  bool ended = false;
  for (const Event& event : run.Events()) {
    if (event.application != "billing") continue;
    EXPECT_FALSE(ended) << Name(event.kind) << " behind the ending";
    const auto phase = PhaseFromName(event.payload.value("phase", ""));
    ended = event.kind == EventKind::kPhase && phase && IsEnding(*phase);
  }
  EXPECT_TRUE(ended);
  EXPECT_EQ(run.Application("billing").reason, "it is time");
}

// The point of no return was passed without a word while a criterion failed.
TEST(Crossing, ACommitAgainstACriterionNeedsAReason) {
  Watched watched;
  watched.plan().rollback_window_minutes = 60;
  watched.plan().criteria[0].parameters["onTrip"] = "notify";
  bool refused = false;
  watched.then = [&](const Event& event, Engine& engine) {
    if (event.kind == EventKind::kSample && watched.samples == 3) watched.Sicken();
    if (event.kind != EventKind::kVerdict || std::exchange(refused, true)) return;
    Decision commit = By("anna", "commit");
    commit.reason.clear();
    const Status plain = engine.DecideFor(watched.run.run_id, commit);
    ASSERT_FALSE(plain);
    EXPECT_NE(plain.error().message.find("not every criterion is green"), std::string::npos) << Describe(plain.error());
    commit.reason = "the page lies";
    EXPECT_TRUE(engine.DecideFor(watched.run.run_id, commit));
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_TRUE(refused);
  EXPECT_EQ(watched.state().phase, Phase::kCommitted);
}

// With a source of samples that is gone for good each resume came to the same hold, in which a commit was refused.
TEST(Crossing, AHeldSoakCanBeCommittedWithAReason) {
  Watched watched;
  watched.plan().criteria[0].parameters["trip"] = {{"consecutive", 1}};
  watched.plan().criteria[0].parameters["onTrip"] = "hold";
  Decision commit = By("anna", "commit");
  watched.then = [&](const Event& event, Engine& engine) {
    if (event.kind == EventKind::kSample && watched.samples == 3) watched.Sicken();
    if (event.kind != EventKind::kHold) return;
    commit.reason.clear();
    EXPECT_FALSE(engine.DecideFor(watched.run.run_id, commit));
    commit.reason = "the page is gone for good";
    EXPECT_TRUE(engine.DecideFor(watched.run.run_id, commit));
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.Count(EventKind::kHold), 1);
  EXPECT_EQ(watched.state().phase, Phase::kCommitted);
}

// A person who goes on after a hold gets a soak of fresh samples: what the commit was decided upon is no more.
TEST(Crossing, AHeldCommitIsDecidedAnew) {
  ApplicationState state;
  state.phase = Phase::kSoak;
  const auto fold = [&state](EventKind kind, const Json& payload) {
    Event event;
    event.kind = kind;
    event.payload = payload;
    Fold(state, event);
  };
  fold(EventKind::kDecision, {{"kind", "commit"}});
  fold(EventKind::kDecision, {{"kind", "resume"}});
  EXPECT_TRUE(state.commit_requested) << "after a crash it goes on";
  fold(EventKind::kHold, {{"activity", "needs operator"}, {"why", "a criterion tripped"}});
  EXPECT_TRUE(state.commit_requested);
  fold(EventKind::kDecision, {{"kind", "resume"}});
  EXPECT_FALSE(state.commit_requested);
  EXPECT_EQ(state.activity, Activity::kWorking);
}

// A sample that was under way when a person resumed was counted as the first behind the resume.
TEST(Crossing, ASampleBegunBeforeAResumeTellsNothing) {
  Watched watched;
  watched.plan().rollback_window_minutes = 60;
  watched.plan().criteria[0].parameters["trip"] = {{"consecutive", 1}};
  watched.plan().criteria[0].parameters["onTrip"] = "hold";
  Loop* loop = nullptr;
  Engine* engine = nullptr;
  watched.run.beside = [&](Loop& its_loop, Engine& its_engine) -> std::shared_ptr<void> {
    loop = &its_loop;
    engine = &its_engine;
    return nullptr;
  };
  std::atomic<bool> ill = false;
  watched.run.fault = [&](const CallSpec& call, const Json&) {
    if (call.name != "Probe" || !ill.exchange(false)) return Fault{};
    std::atomic<bool> told = false;
    boost::asio::post(loop->io(), [&] {
      EXPECT_TRUE(engine->DecideFor(watched.run.run_id, By("anna", "resume")));
      told = true;
    });
    while (!told) std::this_thread::yield();
    return Fault{Fault::Kind::kBefore, ErrorKind::kDenied};
  };
  watched.plan().criteria[0].parameters["errors"] = {{"consecutive", 1}, {"then", "hold"}};
  watched.then = [&](const Event& event, Engine& its_engine) {
    if (event.kind != EventKind::kSample) return;
    if (watched.samples == 5) ill = true;
    if (watched.samples == 12) its_engine.RequestStop("enough seen");
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_GE(watched.samples, 12);
  EXPECT_EQ(watched.Count(EventKind::kHold), 0);
  EXPECT_EQ(watched.Count(EventKind::kSample, "verdict", "error"), 0);
}

// Wall time jumps once.
class SleepingClock final : public Clock {
 public:
  Instant Now() const override {
    Instant now = beneath_.Now();
    now.wall_ms += slept_ms;
    return now;
  }
  std::atomic<std::int64_t> slept_ms{0};

 private:
  TickingClock beneath_;
};

// A machine that slept through the rest of the window woke up and found it over, with samples from before.
TEST(Crossing, ATimeThatTheMachineSleptLengthensTheWindow) {
  Watched watched;
  SleepingClock clock;
  watched.run.UseClock(clock);
  watched.run.options.longest_wait = std::chrono::milliseconds(1);
  watched.plan().rollback_window_minutes = 60;
  watched.plan().commit_at_window_end = true;
  const std::int64_t night = std::chrono::milliseconds(std::chrono::hours(8)).count();
  watched.then = [&](const Event& event, Engine& engine) {
    if (event.kind != EventKind::kSample) return;
    if (watched.samples == 5) clock.slept_ms = night;
    if (watched.samples == 15) engine.RequestStop("enough seen");
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kSoak);
  EXPECT_EQ(watched.Count(EventKind::kWatch, "state", "begun"), 2);
  EXPECT_NEAR(static_cast<double>(watched.state().watch.away_ms), static_cast<double>(night), 60000);
}

// After a crash between the decision to commit and its phase, `status` said that a resume watches the soak: it commits.
TEST(Crossing, StatusSaysThatACommitIsDecided) {
  Watched watched;
  watched.plan().rollback_window_minutes = 60;
  watched.After(3, [&](Engine& engine) {
    EXPECT_TRUE(engine.DecideFor(watched.run.run_id, By("anna", "commit")));
    watched.run.journal.FailAt(watched.run.journal.appends() + 1, MemoryJournal::Fault::kBeforeStoring);
  });
  static_cast<void>(watched.run.Run());
  watched.run.journal.Restart();
  ASSERT_TRUE(watched.state().commit_requested);
  ASSERT_EQ(watched.state().phase, Phase::kSoak);
  const std::string details = RunDetails(watched.run.State(), Style());
  EXPECT_NE(details.find("the commit is decided"), std::string::npos) << details;
  EXPECT_EQ(details.find("soaks until"), std::string::npos) << details;
}

}  // namespace
}  // namespace vmferry
