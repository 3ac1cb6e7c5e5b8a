// SPDX-License-Identifier: Apache-2.0
//
// Rollback criteria in a run: sampled from the traffic switch until the commit, acting when they trip, never taking
// silence for success, and starting afresh when nobody watched for a while.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>

#include "orchestrator/back_test.h"
#include "orchestrator/event_text.h"
#include "orchestrator/exit_code.h"
#include "orchestrator/report.h"
#include "orchestrator/soak.h"
#include "tests/orchestrator/watched.h"

namespace vmferry {
namespace {

TEST(Watch, AGreenWindowEndsAndTheApplicationRestsInSoak) {
  Watched watched;
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kSoak) << watched.state().reason;
  EXPECT_TRUE(watched.state().watch.over);
  EXPECT_EQ(ExitOf(watched.run.State()), ExitCode::kDone);
  EXPECT_GT(watched.samples, 10);
  EXPECT_EQ(watched.Count(EventKind::kWatch, "state", "begun"), 1);
  EXPECT_EQ(watched.Count(EventKind::kVerdict), 0);
  EXPECT_EQ(watched.run.Picture(), PictureAt(Phase::kSoak, 1));
}

// While traffic was being moved, the application was out of service as it must be, and its samples failed.
TEST(Watch, SamplesBeginWhenTrafficWasMoved) {
  Watched watched;
  ASSERT_TRUE(watched.run.Run());
  bool moved = false;
  for (const Event& event : watched.run.Events()) {
    moved = moved || (event.kind == EventKind::kOutcome && event.payload.value("name", "") == "update_load_balancer");
    EXPECT_TRUE(event.kind != EventKind::kSample || event.payload.value("verdict", "") == "pass") << event.payload.dump();
    EXPECT_TRUE(moved || event.kind != EventKind::kSample) << event.seq;
  }
  EXPECT_TRUE(moved);
}

TEST(Watch, TheRunbookMayCommitAtTheEndOfAGreenWindow) {
  Watched watched;
  watched.plan().commit_at_window_end = true;
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kCommitted) << watched.state().reason;
  EXPECT_EQ(watched.Count(EventKind::kDecision, "kind", "commit"), 1);
  for (const Event& event : watched.run.Events())
    if (event.kind == EventKind::kPhase && event.payload.value("phase", "") == "commit") {
      EXPECT_GT(event.payload["criteria"]["app_health_check_failure"]["samples"]["pass"].get<int>(), 10);
    }
}

TEST(Watch, ATripGoesBackByItself) {
  Watched watched;
  const auto tell = watched.run.on_event;
  Story story(watched.run);
  watched.run.on_event = [tell, check = watched.run.on_event](const Event& event, Engine& engine) {
    check(event, engine);
    tell(event, engine);
  };
  watched.After(5, [&](Engine&) { watched.Sicken(); });
  ASSERT_TRUE(watched.run.Run());
  for (const std::string& fault : story.Faults()) ADD_FAILURE() << fault;
  EXPECT_EQ(watched.state().phase, Phase::kRolledBack) << watched.state().reason;
  EXPECT_NE(watched.state().reason.find("criterion app_health_check_failure: 2 of the latest 2 samples failed"),
            std::string::npos)
      << watched.state().reason;
  EXPECT_EQ(watched.run.Picture(), PictureAt(Phase::kRolledBack, 1));
  EXPECT_EQ(ExitOf(watched.run.State()), ExitCode::kRolledBack);
  bool decided = false;
  for (const Event& event : watched.run.Events()) {
    decided = decided || (event.kind == EventKind::kDecision && event.payload.value("kind", "") == "rollback");
    EXPECT_FALSE(decided && event.kind == EventKind::kSample) << "on its way back it is out of service, as it must be";
  }
  EXPECT_TRUE(decided);
}

TEST(Watch, OneBadSampleDecidesNothing) {
  Watched watched;
  watched.then = [&](const Event& event, Engine&) {
    if (event.kind == EventKind::kSample && (watched.samples == 5 || watched.samples == 6))
      watched.Sicken(watched.samples == 5);
  };
  watched.plan().criteria[0].parameters["trip"] = {{"consecutive", 3}};
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kSoak);
  EXPECT_TRUE(watched.state().watch.over);
}

// A source that cannot be asked says nothing of the application.
TEST(Watch, ErrorsHoldAndSayWhyAndAPersonWhoMendedThemGoesOn) {
  Watched watched;
  std::string told;
  std::atomic<bool> broken = false;
  watched.run.fault = [&broken](const CallSpec& call, const Json&) {
    return broken && call.name == "Probe" ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  watched.then = [&](const Event& event, Engine& engine) {
    if (event.kind == EventKind::kSample && watched.samples == 4) broken = true;
    if (event.kind != EventKind::kHold) return;
    told = EventLine(event, *engine.Find(event.run), Style(), false);
    engine.RequestStop("the test has seen it");
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kSoak);
  EXPECT_EQ(watched.state().activity, Activity::kNeedsOperator);
  EXPECT_NE(told.find("decide from another terminal (`vmferry resume " + watched.run.run_id), std::string::npos) << told;
  EXPECT_NE(watched.state().reason.find("the latest 3 samples neither passed nor failed (error)"), std::string::npos)
      << watched.state().reason;
  EXPECT_EQ(ExitOf(watched.run.State()), ExitCode::kNeedsOperator);
  EXPECT_EQ(watched.run.Picture(), PictureAt(Phase::kSoak, 1)) << "nothing was rolled back";
  broken = false;
  ASSERT_TRUE(watched.run.Decide("resume", {}));
  EXPECT_EQ(watched.state().activity, Activity::kWorking);
  EXPECT_TRUE(watched.state().watch.over);
}

TEST(Watch, CriteriaGoOnBeingSampledWhileTheApplicationHolds) {
  Watched watched;
  std::atomic<bool> broken = false;
  watched.run.fault = [&broken](const CallSpec& call, const Json&) {
    return broken && call.name == "Probe" ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  watched.then = [&](const Event& event, Engine&) {
    if (event.kind == EventKind::kSample && watched.samples == 4) broken = true;
    if (event.kind != EventKind::kHold) return;
    broken = false;
    watched.Sicken();
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kRolledBack) << watched.state().reason;
}

TEST(Watch, WithoutAValidSampleTheWindowDoesNotEndWell) {
  Watched watched;
  watched.plan().criteria[0].parameters["errors"] = {{"consecutive", 100}, {"then", "hold"}};
  watched.plan().commit_at_window_end = true;
  std::atomic<bool> broken = false;
  watched.run.fault = [&broken](const CallSpec& call, const Json&) {
    return broken && call.name == "Probe" ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  watched.then = [&](const Event& event, Engine& engine) {
    if (event.kind == EventKind::kPhase && event.payload.value("phase", "") == "soak") broken = true;
    if (event.kind == EventKind::kHold) engine.RequestStop("the test has seen it");
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kSoak);
  EXPECT_EQ(watched.state().activity, Activity::kNeedsOperator);
  EXPECT_NE(watched.state().reason.find("not every criterion is green"), std::string::npos) << watched.state().reason;
}

// Nothing was seen of it yet: that is no green light.
TEST(Watch, TheWindowWaitsForTheFirstSampleOfEveryCriterion) {
  Watched watched;
  watched.plan().criteria.push_back(watched.plan().criteria[0]);
  watched.plan().criteria[1].parameters["delay"] = 90000;
  watched.plan().commit_at_window_end = true;
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kCommitted) << watched.state().reason;
  int late = 0;
  for (const Event& event : watched.run.Events()) {
    late += event.kind == EventKind::kSample && event.payload.value("criterion", 0) == 1 ? 1 : 0;
    if (event.kind == EventKind::kDecision) {
      EXPECT_GE(late, 1) << event.payload.dump();
    }
  }
}

TEST(Watch, NotifyOnlyTells) {
  Watched watched;
  watched.plan().criteria[0].parameters["onTrip"] = "notify";
  watched.After(3, [&](Engine&) { watched.Sicken(); });
  const auto then = watched.then;
  watched.then = [&, then](const Event& event, Engine& engine) {
    then(event, engine);
    if (event.kind == EventKind::kVerdict && event.payload.value("reaction", "") == "notify") watched.Sicken(false);
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kSoak);
  EXPECT_TRUE(watched.state().watch.over);
  EXPECT_EQ(watched.Count(EventKind::kVerdict, "reaction", "notify"), 1);
  EXPECT_EQ(watched.Count(EventKind::kVerdict, "reaction", "none"), 1) << "and that it has recovered";
}

TEST(Watch, WhoDoesNotStayForTheSoakLeavesAndTheTimeAwayCountsForNothing) {
  Watched watched;
  watched.run.options.soak = false;
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kSoak);
  EXPECT_FALSE(watched.state().watch.over);
  EXPECT_EQ(watched.Count(EventKind::kWatch, "state", "left"), 1);
  for (int i = 0; i < 20; ++i) {
    watched.clock.tick_ms = 60000;
    static_cast<void>(watched.clock.Now());  // much longer than the window
  }
  watched.clock.tick_ms = 200;
  watched.run.options.soak = true;
  const int before = watched.samples;
  ASSERT_TRUE(watched.run.Decide("resume", {}));
  EXPECT_TRUE(watched.state().watch.over);
  EXPECT_GT(watched.samples - before, 10) << "the window was watched whole";
  EXPECT_GE(watched.state().watch.away_ms, 20 * 60000);
}

// It was told only where there had been a sample before.
TEST(Watch, ASoakThatWasLeftBeforeItsFirstSampleIsTold) {
  Watched watched;
  watched.run.options.soak = false;
  watched.plan().criteria[0].parameters["delay"] = 3600000;
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.samples, 0);
  EXPECT_NE(RunSummary(watched.run.State(), "", Style()).find("nobody watches its criteria; go on with the soak:  vmferry "
                                                              "resume " + watched.run.run_id),
            std::string::npos);
}

// The commit went on being watched while the retirement of its source waited for days, and `vmferry commit` never ended.
TEST(Watch, EndsWhenOnlyTheRetirementOfTheSourceIsLeft) {
  Watched watched;
  PlannedStep retire = watched.plan().steps.back();
  retire.name = "retire_source";
  retire.needs_approval = true;
  watched.plan().steps.push_back(retire);
  watched.plan().commit_at_window_end = true;
  int after_hold = -1;
  watched.then = [&](const Event& event, Engine& engine) {
    if (event.kind == EventKind::kHold) after_hold = 0;
    if (event.kind == EventKind::kSample && after_hold >= 0 && ++after_hold == 5) engine.RequestStop("it goes on");
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().holds_for, kForRetirement);
  EXPECT_LT(after_hold, 5) << "it is still watched";
  ASSERT_TRUE(watched.run.Decide("reject", {}));
  EXPECT_EQ(watched.state().phase, Phase::kCommitted);
}

TEST(Watch, AStopLeavesTheSoakAndAResumeGoesOnWithIt) {
  Watched watched;
  watched.After(6, [](Engine& engine) { engine.RequestStop("stopped by a signal"); });
  ASSERT_TRUE(watched.run.Run());
  EXPECT_FALSE(watched.state().watch.begun);
  EXPECT_FALSE(watched.state().watch.over);
  EXPECT_EQ(ExitOf(watched.run.State()), ExitCode::kDone);
  ASSERT_TRUE(watched.run.Decide("resume", {}));
  EXPECT_TRUE(watched.state().watch.over);
  EXPECT_EQ(watched.Count(EventKind::kWatch, "state", "begun"), 2);
}

// Two of three failures were seen before the process died: they are of another time.
TEST(Watch, AfterACrashCriteriaStartAfresh) {
  Watched watched;
  watched.plan().criteria[0].parameters["trip"] = {{"consecutive", 3}};
  watched.then = [&](const Event& event, Engine&) {
    if (event.kind != EventKind::kSample) return;
    if (watched.samples == 5) watched.Sicken();
    if (watched.samples == 7) watched.run.journal.FailAt(watched.run.journal.appends() + 1, MemoryJournal::Fault::kBeforeStoring);
  };
  ASSERT_FALSE(watched.run.Run());
  watched.run.journal.Restart();
  watched.then = [&](const Event& event, Engine&) {
    if (event.kind == EventKind::kSample && watched.samples == 9) watched.Sicken(false);
  };
  ASSERT_TRUE(watched.run.Decide("resume", {}));
  EXPECT_EQ(watched.state().phase, Phase::kSoak) << watched.state().reason;
  EXPECT_TRUE(watched.state().watch.over);
}

TEST(Watch, ATripInTheCommitCallsAPerson) {
  Watched watched;
  std::atomic<bool> told = false;
  watched.run.fault = [&told](const CallSpec& call, const Json&) {
    return !told && call.name == "MergeOverlays" ? Fault{Fault::Kind::kBefore, ErrorKind::kUnavailable} : Fault{};
  };
  watched.run.options.max_attempts = 1000;
  watched.then = [&](const Event& event, Engine&) {
    if (event.kind == EventKind::kIntent && event.payload.value("name", "") == "merge_overlay") watched.Sicken();
    if (event.kind == EventKind::kVerdict) told = true;
  };
  watched.plan().commit_at_window_end = true;
  const auto keep = watched.then;
  watched.then = [&, keep](const Event& event, Engine& engine) {
    keep(event, engine);
    if (event.kind == EventKind::kHold) engine.RequestStop("the test has seen it");
  };
  ASSERT_TRUE(watched.run.Run());
  EXPECT_EQ(watched.state().phase, Phase::kCommit);
  EXPECT_EQ(watched.state().activity, Activity::kNeedsOperator);
  EXPECT_EQ(watched.Count(EventKind::kVerdict, "reaction", "hold"), 1);
  EXPECT_EQ(watched.Count(EventKind::kVerdict, "declared", "rollback"), 1);
  EXPECT_EQ(watched.Count(EventKind::kDecision, "kind", "rollback"), 0);
  watched.Sicken(false);
  watched.then = nullptr;
  ASSERT_TRUE(watched.run.Decide("resume", {}));
  EXPECT_EQ(watched.state().phase, Phase::kCommitted) << watched.state().reason;
}

// The process dies at every append of a run that trips in its soak, and a new one goes on.
TEST(Watch, ACrashAnywhereOnTheWayBackLosesNothing) {
  Watched whole;
  whole.After(3, [&](Engine&) { whole.Sicken(); });
  ASSERT_TRUE(whole.run.Run());
  const std::int64_t appends = whole.run.journal.appends();
  ASSERT_EQ(whole.state().phase, Phase::kRolledBack);
  for (std::int64_t at = 30; at <= appends; at += kStride) {
    SCOPED_TRACE(at);
    Watched watched;
    Story story(watched.run);
    bool sick = false;
    watched.run.on_event = [&, tell = watched.run.on_event](const Event& event, Engine& engine) {
      tell(event, engine);
      if (event.kind == EventKind::kSample && !std::exchange(sick, true)) watched.Sicken();
    };
    watched.run.journal.FailAt(at, MemoryJournal::Fault::kAfterStoring);
    const bool died = !watched.run.Run().ok();
    watched.run.journal.Restart();
    if (died && !IsEnding(watched.state().phase)) {
      ASSERT_TRUE(watched.run.Decide("resume", {}));
    }
    EXPECT_EQ(watched.state().phase, Phase::kRolledBack) << watched.state().reason;
    EXPECT_EQ(watched.run.Picture(), PictureAt(Phase::kRolledBack, 1));
    for (const std::string& fault : story.Faults()) ADD_FAILURE() << fault;
    // A sample was stored without the verdict that it led to, and the resume that came next hid that it was missing.
    std::vector<Event> events = watched.run.Events();
    std::erase_if(events, [](const Event& event) { return event.application != kApi; });
    for (const std::string& lost : ReplayVerdicts(watched.plan(), events).differences) ADD_FAILURE() << lost;
  }
}

// The end said nothing of the trip once a person had resumed the blocked way back.
TEST(Watch, ARunThatWentBackSaysWhyAlsoAfterItWasBlocked) {
  Watched watched;
  std::atomic<bool> broken = true;
  watched.run.fault = [&broken](const CallSpec& call, const Json&) {
    return broken && call.name == "EnsurePoweredOn" ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  };
  watched.After(3, [&](Engine&) { watched.Sicken(); });
  ASSERT_TRUE(watched.run.Run());
  ASSERT_EQ(watched.state().activity, Activity::kRollbackBlocked);
  broken = false;
  ASSERT_TRUE(watched.run.Decide("resume", {}));
  EXPECT_EQ(watched.state().phase, Phase::kRolledBack);
  EXPECT_NE(watched.state().reason.find("criterion app_health_check_failure"), std::string::npos) << watched.state().reason;
}

// Of a wave of two at one time, the second does not wait until the first has soaked.
TEST(Watch, ASoakTakesNobodysTurn) {
  const Watched one;
  FakeRun run(3, 1);
  TickingClock clock;
  run.UseClock(clock);
  run.options.longest_wait = std::chrono::milliseconds(1);
  run.submission.wave.plans[0].criteria = one.run.submission.wave.plans[0].criteria;
  run.submission.wave.plans[0].rollback_window_minutes = 60;
  run.on_event = [&](const Event& event, Engine& engine) {
    if (event.application == "inventory" && event.kind == EventKind::kPhase && event.payload.value("phase", "") == "soak")
      engine.RequestStop("the test has seen it");
  };
  ASSERT_TRUE(run.Run());
  EXPECT_EQ(run.Application("inventory").phase, Phase::kSoak);
  EXPECT_EQ(run.Application(kApi).phase, Phase::kSoak);
  EXPECT_FALSE(run.Application(kApi).watch.over);
}

// Also when what moves traffic was found to be done, and so is not undone.
TEST(Soak, NothingIsWatchedOnTheWayBack) {
  Watched watched;
  ApplicationState state;
  state.phase = Phase::kSoak;
  EXPECT_FALSE(Watches(watched.plan(), state));
  for (std::size_t i = 0; i < watched.plan().steps.size(); ++i)
    if (watched.plan().steps[i].moves_traffic) state.steps[static_cast<int>(i)].status = StepStatus::kFound;
  for (const Activity activity : {Activity::kWorking, Activity::kHolding, Activity::kPaused, Activity::kNeedsOperator}) {
    state.activity = activity;
    EXPECT_TRUE(Watches(watched.plan(), state)) << Name(activity);
  }
  for (const Activity activity : {Activity::kRollingBack, Activity::kRollbackBlocked}) {
    state.activity = activity;
    EXPECT_FALSE(Watches(watched.plan(), state)) << Name(activity);
  }
}

TEST(Soak, EveryPhaseSaysWhatATripComesTo) {
  std::ifstream file(std::string(VMFERRY_SOURCE_DIR) + "/runbooks/LANGUAGE.md");
  const std::string page((std::istreambuf_iterator<char>(file)), {});
  EXPECT_NE(page.find(ReactionTableMarkdown()), std::string::npos) << "put this into LANGUAGE.md:\n" << ReactionTableMarkdown();
  EXPECT_NE(ReactionTableMarkdown().find("| commit | hold | hold | notify |"), std::string::npos);
}

// The decision to commit is journaled before the phase begins; a sample that came between the two went back behind it.
TEST(Soak, NothingGoesBackByItselfOnceTheCommitIsDecided) {
  Watched watched;
  ApplicationState state;
  state.phase = Phase::kSoak;
  EXPECT_EQ(ReactionIn(watched.plan(), state, Reaction::kRollBack), Reaction::kRollBack);
  Event decision;
  decision.kind = EventKind::kDecision;
  decision.payload = {{"kind", "commit"}, {"reason", "all is well"}};
  Fold(state, decision);
  EXPECT_EQ(state.phase, Phase::kSoak);
  EXPECT_EQ(ReactionIn(watched.plan(), state, Reaction::kRollBack), Reaction::kHold);
}

}  // namespace
}  // namespace vmferry
