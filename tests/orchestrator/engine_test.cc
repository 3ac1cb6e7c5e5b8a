// SPDX-License-Identifier: Apache-2.0
//
// The engine on the fake world: the main job, and what it does when the world or the process fails.
#include "orchestrator/engine.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "orchestrator/exit_code.h"
#include "orchestrator/report.h"
#include "tests/orchestrator/fake_run.h"

namespace vmferry {
namespace {

constexpr const char* kApi = "customer-analytics-api";

const FakeVm& VmOf(const WorldData& world, const std::string& name) {
  const auto found =
      std::find_if(world.vms.begin(), world.vms.end(), [&](const FakeVm& vm) { return vm.facts.name == name; });
  if (found == world.vms.end()) throw std::runtime_error("no VM " + name);
  return *found;
}

std::string ServerState(const WorldData& world, const std::string& pool, const std::string& server) {
  for (const FakeLbPool& candidate : world.load_balancers)
    for (const FakeServer& member : candidate.servers)
      if (candidate.name == pool && member.name == server) return member.instances.begin()->second.state;
  return "none";
}

std::string DomainState(const WorldData& world, const std::string& name) {
  for (const FakeDomain& domain : world.domains)
    if (domain.spec.domain == name) return domain.state;
  return "none";
}

void ExpectOnTarget(const WorldData& world, const std::string& vm, const std::string& pool) {
  EXPECT_EQ(VmOf(world, vm).facts.power, "off");
  for (const NicFacts& nic : VmOf(world, vm).facts.nics) EXPECT_FALSE(nic.start_connected) << "the fence";
  EXPECT_EQ(DomainState(world, vm), "running");
  EXPECT_EQ(ServerState(world, pool, "kvm"), "ready");
  EXPECT_NE(ServerState(world, pool, "vmware"), "ready");
}

void ExpectOnSource(const WorldData& world, const std::string& vm, const std::string& pool) {
  EXPECT_EQ(VmOf(world, vm).facts.power, "on");
  for (const NicFacts& nic : VmOf(world, vm).facts.nics) EXPECT_TRUE(nic.start_connected);
  EXPECT_TRUE(VmOf(world, vm).facts.claim.empty());
  EXPECT_EQ(DomainState(world, vm), "none");
  EXPECT_EQ(ServerState(world, pool, "kvm"), "maint");
  EXPECT_EQ(ServerState(world, pool, "vmware"), "ready");
}

int Count(const std::vector<Event>& events, EventKind kind) {
  return static_cast<int>(std::count_if(events.begin(), events.end(), [&](const Event& e) { return e.kind == kind; }));
}

TEST(Engine, AGreenRunRestsInSoakOnTheTarget) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
  ExpectOnTarget(run.world->Copy(), "web1", "app");
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kDone);
  EXPECT_GE(ServiceGapMs(run.Application(kApi)), 0);
}

TEST(Engine, EveryEffectHasItsIntentBeforeAndItsOutcomeAfter) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  std::map<int, int> open;
  for (const Event& event : run.Events()) {
    if (event.kind == EventKind::kIntent) ++open[event.step];
    if (event.kind == EventKind::kOutcome) --open[event.step];
    EXPECT_TRUE(open[event.step] == 0 || open[event.step] == 1) << "event " << event.seq;
  }
  for (const auto& [step, count] : open) EXPECT_EQ(count, 0) << "step " << step;
}

TEST(Engine, CommitMergesTheOverlayKeepsTheFenceAndEndsTheRun) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  ASSERT_TRUE(run.Decide("commit", {}).ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kCommitted) << run.Application(kApi).reason;
  const WorldData world = run.world->Copy();
  ExpectOnTarget(world, "web1", "app");
  EXPECT_NE(VmOf(world, "web1").facts.migrated.find(run.run_id), std::string::npos);
}

TEST(Engine, RollbackFromSoakReturnsEverythingToTheSource) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << run.Application(kApi).reason;
  ExpectOnSource(run.world->Copy(), "web1", "app");
}

TEST(Engine, RollbackAfterCommitIsRefused) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  ASSERT_TRUE(run.Decide("commit", {}).ok());
  const Status refused = run.Decide("rollback", {});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("it has ended"), std::string::npos) << refused.error().message;
}

TEST(Engine, AFailedPreCheckAbortsWithNothingTouched) {
  FakeRun run(1);
  const Status changed = run.world->Change([](WorldData& world) {
    world.vms[0].snapshots.push_back({"snap-1", "before upgrade", "", {}});
    ++world.revision;
  });
  ASSERT_TRUE(changed.ok());
  ASSERT_TRUE(run.Run().ok());
  const ApplicationState& application = run.Application(kApi);
  EXPECT_EQ(application.phase, Phase::kAborted);
  EXPECT_FALSE(application.touched);
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kProblems);
  EXPECT_TRUE(run.world->Copy().history.empty()) << "a pre-check changed something";
}

TEST(Engine, OfThreeApplicationsTheSickOneGoesBackAndTheOthersStay) {
  FakeRun run(3, 3);
  ASSERT_TRUE(run.Run().ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
  EXPECT_EQ(run.Application("inventory").phase, Phase::kSoak);
  EXPECT_EQ(run.Application("billing").phase, Phase::kRolledBack);
  const WorldData world = run.world->Copy();
  ExpectOnTarget(world, "web1", "app");
  ExpectOnTarget(world, "inventory1", "inventory");
  ExpectOnSource(world, "billing1", "billing");
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kRolledBack);
}

TEST(Engine, AWaveThatHasFailedEnoughStartsNoMore) {
  FakeRun run(3, 1, 1);
  run.submission.wave.plans.push_back(run.submission.wave.plans.front());  // billing before the first
  run.submission.wave.plans.erase(run.submission.wave.plans.begin());
  ASSERT_TRUE(run.Run().ok());
  EXPECT_EQ(run.Application("billing").phase, Phase::kRolledBack);
  EXPECT_EQ(run.Application("inventory").phase, Phase::kAborted);
  EXPECT_FALSE(run.Application("inventory").touched);
  EXPECT_NE(run.Application("inventory").reason.find("the wave stopped"), std::string::npos);
}

TEST(Engine, TheSameApplicationIsNotRunTwiceAtOnceNorAgainAfterSuccess) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  Status again = run.Run();
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().kind, ErrorKind::kConflict);
  ASSERT_TRUE(run.Decide("commit", {}).ok());
  again = run.Run();
  ASSERT_FALSE(again.ok());
  EXPECT_NE(again.error().message.find("already migrated by run " + run.run_id), std::string::npos);
}

TEST(Engine, AnApplicationThatWentBackMayBeRunAgain) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  const Status again = run.Run();
  ASSERT_TRUE(again.ok()) << Describe(again.error());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
}

TEST(Engine, ABusySystemIsAskedAgain) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  std::atomic<int> left = 2;
  run.fault = [&](const CallSpec& call, const Json&) {
    const bool now = call.name == "EnsureRunning" && left.fetch_sub(1) > 0;
    return now ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  ASSERT_TRUE(run.Run().ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
}

TEST(Engine, AnAnswerThatWasLostIsObservedAndTheEffectNotRepeated) {
  FakeRun run(1);
  std::atomic<int> left = 1;
  run.fault = [&](const CallSpec& call, const Json&) {
    const bool now = call.name == "ClaimVm" && left.fetch_sub(1) > 0;
    return now ? Fault{Fault::Kind::kLostAnswer} : Fault{};
  };
  ASSERT_TRUE(run.Run().ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
  EXPECT_EQ(Count(run.Events(), EventKind::kObserved), 1);
  const auto history = run.world->Copy().history;
  const auto claims =
      std::count_if(history.begin(), history.end(), [](const Fact& f) { return f.effect == "claimed"; });
  EXPECT_EQ(claims, 1);
}

// A write that never gave a known outcome was tried until the step's deadline, which for a copy is a day. It ends like
// any other failure that may pass, after a few attempts.
TEST(Engine, AWriteThatNeverHasAKnownOutcomeRollsBack) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  std::atomic<int> tries = 0;
  run.fault = [&](const CallSpec& call, const Json&) {
    if (call.name != "EnsureVolume") return Fault{};
    ++tries;
    return Fault{Fault::Kind::kBefore, ErrorKind::kUnknownOutcome};
  };
  ASSERT_TRUE(run.Run().ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << run.Application(kApi).reason;
  EXPECT_GT(tries, 1);
  const std::vector<Event> events = run.Events();
  const auto told = std::find_if(events.begin(), events.end(), [](const Event& event) {
    return event.kind == EventKind::kObserved && event.payload.contains("error");
  });
  EXPECT_NE(told, events.end()) << "the trail says what left the step in doubt";
}

TEST(Engine, AnUndoThatCannotBeDoneBlocksTheRollbackAndResumesWhenMended) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  run.fault = [](const CallSpec& call, const Json&) {
    return call.name == "EnsurePoweredOn" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  EXPECT_EQ(run.Application(kApi).activity, Activity::kRollbackBlocked);
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kRollbackBlocked);
  run.fault = nullptr;
  ASSERT_TRUE(run.Decide("resume", {}).ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << run.Application(kApi).reason;
  ExpectOnSource(run.world->Copy(), "web1", "app");
}

std::int64_t Claims(const FakeRun& run) {
  const auto history = run.world->Copy().history;
  return std::count_if(history.begin(), history.end(), [](const Fact& fact) { return fact.effect == "claimed"; });
}

TEST(Engine, EveryExampleRunbookGoesThereAndBackAndStays) {
  for (const Example example : kExamples) {
    FakeRun run(example);
    ASSERT_TRUE(run.Run().ok());
    const std::string name = run.State().order.front();
    EXPECT_EQ(run.Application(name).phase, Phase::kSoak) << run.Application(name).reason;
    EXPECT_EQ(run.Picture(), PictureAt(Phase::kSoak, run.machines()));
    ASSERT_TRUE(run.Decide("rollback", {}).ok());
    EXPECT_EQ(run.Picture(), PictureAt(Phase::kRolledBack, run.machines()));
    ASSERT_TRUE(run.Run().ok());
    ASSERT_TRUE(run.Decide("commit", {}).ok());
    EXPECT_EQ(run.Picture(), PictureAt(Phase::kCommitted, run.machines()));
  }
}

TEST(Engine, AFailedUndoThatIsInNobodysWayLeavesTheRestToBeUndoneFirst) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  ASSERT_TRUE(run.Run().ok());
  std::atomic<bool> target_off = false;
  run.on_event = [&target_off](const Event& event, Engine&) {
    if (event.kind == EventKind::kUndoOutcome && event.payload.value("name", "") == "power_on_target") target_off = true;
  };
  run.fault = [&target_off](const CallSpec& call, const Json&) {
    return target_off && call.name == "DescribeVolume" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  const ApplicationState& blocked = run.Application(kApi);
  EXPECT_EQ(blocked.activity, Activity::kRollbackBlocked) << blocked.reason;
  for (const int index : StepsToUndo(blocked)) EXPECT_EQ(blocked.steps.at(index).status, StepStatus::kUndoFailed);
  EXPECT_NE(blocked.reason.find("undo of convert_image: "), std::string::npos) << blocked.reason;
  EXPECT_EQ(run.Picture().substr(0, 15), "VM on, free, co") << "the source serves already";
  run.fault = nullptr;
  ASSERT_TRUE(run.Decide("resume", {}).ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << run.Application(kApi).reason;
  ExpectOnSource(run.world->Copy(), "web1", "app");
}

// The undo that had blocked was passed over, the claim was given back, and then nothing could finish it.
TEST(Engine, ARollbackAskedForAgainTakesUpTheUndoThatBlocked) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  run.fault = [](const CallSpec& call, const Json&) {
    return call.name == "EnsurePoweredOn" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  ASSERT_EQ(run.Application(kApi).activity, Activity::kRollbackBlocked);
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  EXPECT_EQ(run.Application(kApi).activity, Activity::kRollbackBlocked);
  run.fault = nullptr;
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << run.Application(kApi).reason;
  ExpectOnSource(run.world->Copy(), "web1", "app");
}

TEST(Engine, ABlockedRollbackSaysWhatIsStillToBeUndone) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  run.fault = [](const CallSpec& call, const Json&) {
    return call.name == "EnsurePoweredOn" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  const std::string text = RunSummary(run.State(), "", Style());
  const std::size_t list = text.find("still to be undone, in this order:");
  ASSERT_NE(list, std::string::npos) << text;
  const std::size_t first = text.find("quiesce_application: ", list);
  const std::size_t second = text.find("claim_source (web1)", list);
  EXPECT_LT(first, second) << text;
  EXPECT_NE(second, std::string::npos) << text;
  EXPECT_EQ(RunToJson(run.State())["applications"][0]["toUndo"],
            Json::array({"quiesce_application", "claim_source (web1)"}));
}

// A step of the catalogue that, for once, says of itself that nothing can tell what became of it.
const Step* WithAnUntellableClaim(std::string_view name) {
  class Untellable final : public Step {
   public:
    Untellable() : spec_(FindStep("claim_source")->spec()) { spec_.recovery = Recovery::kNeither; }
    const StepSpec& spec() const override { return spec_; }
    Result<Observation> Observe(const StepContext& context) const override { return real_.Observe(context); }
    Result<Progress> Apply(const StepContext& context) const override { return real_.Apply(context); }
    Result<Progress> Undo(const StepContext& context) const override { return real_.Undo(context); }
    Result<Forecast> Predict(const StepContext& context) const override { return real_.Predict(context); }

   private:
    StepSpec spec_;
    const Step& real_ = *FindStep("claim_source");
  };
  static const Untellable untellable;
  return name == "claim_source" ? &untellable : FindStep(name);
}

TEST(Engine, AStepThatIsNeitherIdempotentNorObservableAlwaysWaitsForAPerson) {
  for (const auto stored : {MemoryJournal::Fault::kBeforeStoring, MemoryJournal::Fault::kAfterStoring}) {
    FakeRun whole(1);
    std::int64_t outcome = 0;
    whole.on_event = [&](const Event& event, Engine&) {
      const bool claimed = event.kind == EventKind::kOutcome && event.payload.value("name", "") == "claim_source";
      if (claimed) outcome = whole.journal.appends();
    };
    ASSERT_TRUE(whole.Run().ok());
    FakeRun run(1);
    run.options.find_step = WithAnUntellableClaim;
    // Dies between the claim and its outcome; then the outcome is not there, though the platform shows the claim.
    run.journal.FailAt(stored == MemoryJournal::Fault::kBeforeStoring ? outcome : outcome - 1, stored);
    ASSERT_FALSE(run.Run().ok());
    run.journal.Restart();
    run.run_id = run.journal.Runs().value().back();
    ASSERT_TRUE(run.Decide("resume", {}).ok());
    EXPECT_EQ(run.Application(kApi).activity, Activity::kNeedsOperator) << run.Application(kApi).reason;
    EXPECT_NE(run.Application(kApi).reason.find("--assume done|not-done"), std::string::npos);
    ASSERT_TRUE(run.Assume("claim_source", Claims(run) > 0 ? "done" : "not-done").ok());
    EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
    EXPECT_EQ(Claims(run), 1);
  }
}

TEST(Engine, AnApplicationWhosePlanCannotBeReadWaitsForAPerson) {
  FakeRun run(1);
  run.on_event = [](const Event& event, Engine& engine) {
    if (event.kind == EventKind::kIntent) engine.RequestStop("the test");
  };
  ASSERT_TRUE(run.Run().ok());
  run.on_event = nullptr;
  for (SealedEvent& row : run.journal.rows())
    if (row.payload.starts_with(R"({"plan")")) row.payload = R"({"plan":{"of":"another version"}})";
  ASSERT_TRUE(run.Decide("resume", {}).ok());
  EXPECT_EQ(run.Application(kApi).activity, Activity::kNeedsOperator);
  EXPECT_NE(run.Application(kApi).reason.find("plan"), std::string::npos) << run.Application(kApi).reason;
  const Status back = run.Decide("rollback", {});
  ASSERT_FALSE(back.ok());
  EXPECT_NE(back.error().message.find("its plan cannot be read"), std::string::npos) << back.error().message;
}

// The deadline counted anew at the first retry after a resume, too.
TEST(Engine, ACheckThatIsResumedKeepsTheDeadlineOfTheResume) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  run.journal.FailAt(4, MemoryJournal::Fault::kBeforeStoring);  // the outcome of the first check
  ASSERT_FALSE(run.Run().ok());
  run.journal.Restart();
  run.run_id = run.journal.Runs().value().back();
  ASSERT_EQ(run.Application(kApi).steps.at(0).status, StepStatus::kStarted);
  std::atomic<int> failures = 2;
  run.fault = [&failures](const CallSpec&, const Json&) {
    return failures-- > 0 ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  ASSERT_TRUE(run.Decide("resume", {}).ok());
  std::int64_t resumed_ms = 0;
  int retries = 0;
  for (const Event& event : run.Events()) {
    if (event.payload.value("kind", "") == "resume") resumed_ms = event.at.wall_ms;
    if (resumed_ms == 0 || event.kind != EventKind::kIntent || event.attempt < 2) continue;
    ++retries;
    EXPECT_EQ(event.payload.value("since_ms", std::int64_t{0}), resumed_ms) << "attempt " << event.attempt;
  }
  EXPECT_EQ(retries, 2);
}

TEST(Engine, AStopLeavesAnIntentThatResumeFinishes) {
  FakeRun run(1);
  run.on_event = [](const Event& event, Engine& engine) {
    if (event.kind == EventKind::kIntent && event.payload.value("name", "") == "final_data_sync")
      engine.RequestStop("the test");
  };
  ASSERT_TRUE(run.Run().ok());
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kInterrupted);
  run.on_event = nullptr;
  ASSERT_TRUE(run.Decide("resume", {}).ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
  ExpectOnTarget(run.world->Copy(), "web1", "app");
}

TEST(Engine, AfterACrashAtAnyAppendResumeReachesTheSameEnd) {
  FakeRun whole(1);
  ASSERT_TRUE(whole.Run().ok());
  const std::int64_t appends = whole.journal.appends();
  for (std::int64_t at = 2; at <= appends; ++at)
    for (const auto fault : {MemoryJournal::Fault::kBeforeStoring, MemoryJournal::Fault::kAfterStoring}) {
      FakeRun run(1);
      run.journal.FailAt(at, fault);
      EXPECT_FALSE(run.Run().ok()) << at;
      run.journal.Restart();
      run.run_id = run.journal.Runs().value().back();
      const Status resumed = run.Decide("resume", {});
      const ApplicationState& application = run.Application(kApi);
      EXPECT_EQ(application.phase, Phase::kSoak)
          << "append " << at << ": " << application.reason << (resumed ? "" : Describe(resumed.error()));
      ExpectOnTarget(run.world->Copy(), "web1", "app");
    }
}

// A failed step past the point of no return held for ever: resume folded to "working", and the failure held again.
TEST(Engine, AFailedCommitHoldsAndResumesWhenMended) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  run.fault = [](const CallSpec& call, const Json&) {
    return call.name == "MergeOverlays" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  ASSERT_TRUE(run.Decide("commit", {}).ok());
  EXPECT_EQ(ExitOf(run.State()), ExitCode::kNeedsOperator) << run.Application(kApi).reason;
  const Status back = run.Decide("rollback", {});
  ASSERT_FALSE(back.ok());
  EXPECT_NE(back.error().message.find("point of no return"), std::string::npos);
  run.fault = nullptr;
  ASSERT_TRUE(run.Decide("resume", {}).ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kCommitted) << run.Application(kApi).reason;
}

// A decision for one application of a stopped wave drove the others forward too.
TEST(Engine, ADecisionForOneApplicationLeavesTheOthersOfAStoppedWaveAlone) {
  FakeRun run(3, 1);
  run.on_event = [](const Event& event, Engine& engine) {
    if (event.kind == EventKind::kIntent && event.payload.value("name", "") == "final_data_sync")
      engine.RequestStop("the test");
  };
  ASSERT_TRUE(run.Run().ok());
  run.on_event = nullptr;
  ASSERT_TRUE(run.Decide("rollback", {kApi}).ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << run.Application(kApi).reason;
  EXPECT_EQ(run.Application("inventory").phase, Phase::kPlanned);
  ASSERT_TRUE(run.Decide("resume", {}).ok());
  EXPECT_EQ(run.Application("inventory").phase, Phase::kSoak) << run.Application("inventory").reason;
}

// A step in doubt that could not be observed was applied again after a second, unobserved.
TEST(Engine, AStepInDoubtIsNotAppliedBeforeItCouldBeObserved) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  run.on_event = [](const Event& event, Engine& engine) {
    if (event.kind == EventKind::kIntent && event.payload.value("name", "") == "claim_source")
      engine.RequestStop("the test");
  };
  ASSERT_TRUE(run.Run().ok());
  run.on_event = nullptr;
  std::atomic<int> unanswered = 3;
  std::atomic<bool> written = false;
  std::atomic<bool> written_unobserved = false;
  run.fault = [&](const CallSpec& call, const Json&) {
    if (call.access == Access::kWrite && unanswered > 0) written_unobserved = true;
    if (call.access == Access::kWrite) written = true;
    const bool now = call.name == "DescribeVm" && unanswered.fetch_sub(1) > 0;
    return now ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  ASSERT_TRUE(run.Decide("resume", {}).ok());
  EXPECT_FALSE(written_unobserved);
  EXPECT_TRUE(written);
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
}

// Claims, gets no known outcome, and cannot look any more: the application waits for a person.
void BringIntoDoubt(FakeRun& run, Fault claiming) {
  auto claimed = std::make_shared<std::atomic<bool>>(false);
  run.fault = [claimed, claiming](const CallSpec& call, const Json&) {
    if (call.name == "ClaimVm") {
      *claimed = true;
      return claiming;
    }
    return *claimed && call.name == "DescribeVm" ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  ASSERT_TRUE(run.Run().ok());
  ASSERT_EQ(run.Application(kApi).activity, Activity::kNeedsOperator) << run.Application(kApi).reason;
  run.fault = nullptr;
}

TEST(Engine, AStepThatCannotBeObservedWaitsForAPersonAndSaysHowToGoOn) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  BringIntoDoubt(run, {Fault::Kind::kLostAnswer});
  EXPECT_NE(run.Application(kApi).reason.find("vmferry resume " + run.run_id + " --app " + kApi +
                                              " --step 'claim_source (web1)' --assume done|not-done --reason"),
            std::string::npos)
      << run.Application(kApi).reason;
}

TEST(Engine, AStepInDoubtThatAPersonSawDoneIsNotRepeated) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  BringIntoDoubt(run, {Fault::Kind::kLostAnswer});
  run.fault = [](const CallSpec& call, const Json&) {
    return call.name == "ClaimVm" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  ASSERT_TRUE(run.Assume("claim_source", "done").ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
  EXPECT_EQ(Claims(run), 1);
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  ExpectOnSource(run.world->Copy(), "web1", "app");
}

TEST(Engine, AStepInDoubtThatAPersonSawNotDoneIsApplied) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  BringIntoDoubt(run, {Fault::Kind::kBefore, ErrorKind::kUnknownOutcome});
  ASSERT_TRUE(run.Assume("claim_source", "not-done").ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
  EXPECT_EQ(Claims(run), 1);
}

TEST(Engine, AnAssumptionIsRefusedWhereNothingIsInDoubtOrAboutAnotherStep) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  BringIntoDoubt(run, {Fault::Kind::kLostAnswer});
  const Status other = run.Assume("convert_image", "done");
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message.find("it is claim_source (web1) that waits"), std::string::npos)
      << other.error().message;
  ASSERT_TRUE(run.Assume("claim_source", "done").ok());
  const Status late = run.Assume("claim_source", "done");
  ASSERT_FALSE(late.ok());
  EXPECT_NE(late.error().message.find("does not wait for a person"), std::string::npos) << late.error().message;
}

TEST(Engine, AGuestThatIgnoresShutdownRollsBackAsDeclared) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  ASSERT_TRUE(run.world
                  ->Change([](WorldData& world) {
                    world.vms[0].deaf = true;
                    ++world.revision;
                  })
                  .ok());
  ASSERT_TRUE(run.Run().ok());
  EXPECT_EQ(run.Application(kApi).phase, Phase::kRolledBack) << run.Application(kApi).reason;
  ExpectOnSource(run.world->Copy(), "web1", "app");
}

TEST(Engine, SourceAndTargetNeverRunTogetherOnTheNetwork) {
  FakeRun run(1);
  ASSERT_TRUE(run.Run().ok());
  ASSERT_TRUE(run.Decide("rollback", {}).ok());
  bool source = true;
  bool target = false;
  for (const Fact& fact : run.world->Copy().history) {
    const bool on_network = fact.detail.value("on_network", true);
    if (fact.effect == "source-on") source = on_network;
    if (fact.effect == "source-off") source = false;
    if (fact.effect == "target-on") target = on_network;
    if (fact.effect == "target-off") target = false;
    EXPECT_FALSE(source && target) << "after " << fact.effect << " " << fact.object;
  }
  EXPECT_TRUE(source);
}

// A metrics server that was down for 15 s rolled a healthy migration back. What cannot be looked at says nothing.
TEST(Engine, ACheckIsAskedUntilItsDeadline) {
  const TickingClock clock;
  FakeRun run(1);
  run.UseClock(clock);
  std::atomic<int> left = 20;
  run.fault = [&](const CallSpec& call, const Json& request) {
    const bool asked = call.role == "probe" && request.value("url", "").find("kvm") != std::string::npos;
    const bool now = asked && left.fetch_sub(1) > 0;
    return now ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  for (PlannedStep& step : run.submission.wave.plans.front().steps)
    if (step.name == "smoke_test") step.deadline = std::chrono::hours(1);
  ASSERT_TRUE(run.Run().ok());
  EXPECT_LT(left, 0);
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
}

// An effect that takes hours ended with its fifth time-out, however much had gone well between them.
TEST(Engine, OnlyFailuresInARowCountAgainstAnEffect) {
  TickingClock clock;
  clock.tick_ms = 30000;
  FakeRun run(1);
  run.UseClock(clock);
  for (PlannedStep& step : run.submission.wave.plans.front().steps) step.deadline = std::chrono::hours(24 * 365);
  ASSERT_TRUE(run.world->Change([](WorldData& world) {
    world.vms[0].shutdown_polls = 30;
    ++world.revision;
  }));
  for (PlannedStep& step : run.submission.wave.plans.front().steps)
    if (step.name == "quiesce_application") step.parameters["guestShutdownDeadline"] = std::int64_t{24} * 365 * 3600000;
  std::atomic<bool> shutting_down = false;
  std::atomic<int> looks = 0;
  std::atomic<int> failures = 0;
  run.fault = [&](const CallSpec& call, const Json&) {
    if (call.name == "RequestShutdown") shutting_down = true;
    if (call.name == "EnsureVolume") shutting_down = false;
    if (!shutting_down || call.name != "DescribeVm" || ++looks % 4 != 0) return Fault{};
    ++failures;
    return Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable};
  };
  ASSERT_TRUE(run.Run().ok());
  EXPECT_GT(failures, run.options.max_attempts);
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
}

// A run went on with the site of `--site`, and the trail named the one it had begun with; the next resume went back to
// that.
TEST(Engine, AnotherSiteIsJournaledAndStaysTheRuns) {
  FakeRun run(1);
  ASSERT_TRUE(run.Submit());
  Site mended = run.submission.site;
  mended.networks["another"] = "user";
  ASSERT_TRUE(run.Decide("resume", {}, &mended));
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak) << run.Application(kApi).reason;
  EXPECT_EQ(run.State().wave["site"], SiteToJson(mended));
  ASSERT_TRUE(run.Decide("rollback", {}, &mended));
  int told = 0;
  for (const Event& event : run.Events())
    if (event.payload.value("kind", "") == "site") {
      ++told;
      EXPECT_EQ(event.application, "");
      EXPECT_EQ(event.actor, "tester");
    }
  EXPECT_EQ(told, 1) << "the same site again is none that is new";
}

TEST(Engine, ASiteWithOtherPlatformsIsRefused) {
  FakeRun run(1);
  ASSERT_TRUE(run.Submit());
  Site elsewhere = run.submission.site;
  for (SystemEntry& system : elsewhere.systems)
    if (system.name == "kvm") system.zone = "zone-c";
  const Status refused = run.Decide("resume", {}, &elsewhere);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("platform `kvm`"), std::string::npos) << refused.error().message;
  EXPECT_EQ(run.Application(kApi).phase, Phase::kPlanned);
}

// A `rollback RUN --site SITE` with the very site the run works with was refused as if it were another one. An order
// given at 2 a.m. must not fail on an option that changes nothing.
TEST(Engine, ARunAtWorkTakesItsOwnSiteAgainButNoOther) {
  FakeRun run(1);
  std::vector<Status> answers;
  run.on_event = [&](const Event& event, Engine& engine) {
    if (event.kind != EventKind::kIntent || !answers.empty()) return;
    Site other = run.submission.site;
    answers.push_back(engine.Adopt(event.run, &other));
    other.networks["another"] = "user";
    answers.push_back(engine.Adopt(event.run, &other));
  };
  ASSERT_TRUE(run.Run().ok());
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[0].ok()) << Describe(answers[0].error());
  ASSERT_FALSE(answers[1].ok());
  EXPECT_EQ(answers[1].error().kind, ErrorKind::kConflict);
}

}  // namespace
}  // namespace vmferry
