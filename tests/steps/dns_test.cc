// SPDX-License-Identifier: Apache-2.0
//
// dns_ttl_lowered and update_dns beyond the contract: what they refuse, how they wait, what they leave to others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "stage.h"
#include "steps/contradictions.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

const Step& TtlStep() {
  return *FindStep("dns_ttl_lowered");
}
const Step& DnsStep() {
  return *FindStep("update_dns");
}

RecordSet& Records(WorldData& world, const std::string& type) {
  for (FakeRecords& entry : world.dns.records)
    if (entry.type == type) return entry.set;
  throw std::logic_error("no records of type " + type);
}

std::string Shown(Stage& stage, const std::string& type = "A") {
  WorldData world = stage.Look();
  return InWords(Records(world, type));
}

void SomebodySets(Stage& stage, const std::string& type, const RecordSet& set) {
  stage.Change([&](WorldData& world) { Records(world, type) = set; });
}

void ExpectRefused(Stage& stage, const Step& step, const Life& life, ErrorKind kind, const std::string& message) {
  const std::size_t history = stage.Look().history.size();
  Life tried = life;
  const Result<Progress> refused = stage.Finish(step, tried);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, kind) << Describe(refused.error());
  EXPECT_THAT(refused.error().message, HasSubstr(message));
  EXPECT_FALSE(refused.error().advice.empty());
  EXPECT_FALSE(refused.error().system.empty());
  EXPECT_THAT(refused.error().object, HasSubstr("record "));
  const Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  ASSERT_FALSE(forecast->problems.empty());
  EXPECT_THAT(forecast->problems.front().message, HasSubstr(message));
  EXPECT_EQ(stage.Look().history.size(), history);
}

TEST(DnsTtlLowered, FindsATtlThatIsLowAlready) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  life.parameters["maxTtl"] = 120000;
  const Result<Observation> seen = stage.Observe(TtlStep(), life);
  ASSERT_TRUE(seen) << Describe(seen.error());
  EXPECT_EQ(seen->verdict, Verdict::kDone);
  EXPECT_EQ(seen->evidence["records"].size(), 3U);
  life.parameters["maxTtl"] = 119000;
  EXPECT_EQ(stage.Observe(TtlStep(), life)->verdict, Verdict::kNotStarted);
}

TEST(DnsTtlLowered, WaitsOutTheOldTtlOnceAllServersTellTheNewOne) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  ASSERT_EQ(stage.Round(TtlStep(), life)->state, Progress::State::kNotYet);  // lowered
  EXPECT_EQ(Shown(stage), "10.0.0.1 (TTL 60 s)");
  EXPECT_EQ(Shown(stage, "AAAA"), "fd00::1 (TTL 60 s)");
  EXPECT_EQ(Shown(stage, "CNAME"), "shop.example.com. (TTL 30 s)");
  stage.Change([](WorldData& world) { world.dns.lag_left = 6; });
  const Result<Progress> following = stage.Round(TtlStep(), life);
  EXPECT_THAT(following->meter.text, HasSubstr("dns2 has not followed yet"));
  EXPECT_FALSE(life.handle.contains("lowSinceMs"));
  stage.Change([](WorldData& world) { world.dns.lag_left = 0; });
  const Result<Progress> waiting = stage.Round(TtlStep(), life);
  ASSERT_EQ(waiting->state, Progress::State::kNotYet);
  EXPECT_THAT(waiting->meter.text, HasSubstr("2m left"));
  const milliseconds low_since(life.handle["lowSinceMs"].get<std::int64_t>());
  life.elapsed = low_since + seconds(119);
  const Result<Progress> nearly = stage.Round(TtlStep(), life);
  ASSERT_EQ(nearly->state, Progress::State::kNotYet);
  EXPECT_EQ(nearly->after, seconds(1));
  EXPECT_EQ(stage.Round(TtlStep(), life)->state, Progress::State::kDone);
  EXPECT_EQ(life.facts["waitedSeconds"], 120);
}

// A secondary may tell a longer TTL than the primary, and caches have what it told. Only the primary's was waited out.
TEST(DnsTtlLowered, WaitsOutTheLongestTtlThatAnyServerTold) {
  Stage stage;
  stage.Change([](WorldData& world) { world.dns.other_ttl = 600; });
  Life life = stage.LifeOf(TtlStep());
  ASSERT_TRUE(stage.Finish(TtlStep(), life));
  EXPECT_EQ(life.facts["waitedSeconds"], 600);

  Stage low;  // at the primary
  SomebodySets(low, "A", {{"10.0.0.1"}, 60});
  life = low.LifeOf(TtlStep());
  life.parameters["records"] = {"shop.example.com"};
  low.Change([](WorldData& world) { world.dns.other_ttl = 600; });
  for (int round = 0; round < 3; ++round) ASSERT_EQ(low.Round(TtlStep(), life)->state, Progress::State::kNotYet);
  low.Change([](WorldData& world) { world.dns.other_ttl = 0; });
  ASSERT_TRUE(low.Finish(TtlStep(), life));
  EXPECT_EQ(life.facts["waitedSeconds"], 600);
}

// What a server tells that could not be asked at the first look is in no before-image. It counts when it comes up.
TEST(DnsTtlLowered, ALongerTtlThatComesUpDuringTheWaitCounts) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  stage.Change([](WorldData& world) { world.dns.silent = true; });
  for (int round = 0; round < 3; ++round) ASSERT_EQ(stage.Round(TtlStep(), life)->state, Progress::State::kNotYet);
  stage.Change([](WorldData& world) { world.dns.silent = false, world.dns.other_ttl = 600; });
  ASSERT_EQ(stage.Round(TtlStep(), life)->state, Progress::State::kNotYet);
  EXPECT_EQ(life.handle["longestTtl"], 600);
  stage.Change([](WorldData& world) { world.dns.other_ttl = 0; });
  ASSERT_TRUE(stage.Finish(TtlStep(), life));
  EXPECT_EQ(life.facts["waitedSeconds"], 600);
}

// Its own low TTL is no reason to skip the wait: caches still have the old one.
TEST(DnsTtlLowered, AfterACrashItWaitsOutTheOldTtlAnew) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  while (!life.handle.contains("lowSinceMs")) ASSERT_TRUE(stage.Round(TtlStep(), life));
  life.elapsed = seconds(100);
  for (const Json& handle : {Json(), life.handle}) {
    Life resumed = life;
    resumed.handle = handle;
    resumed.elapsed = milliseconds(0);
    const StepContext context = stage.Context(resumed, true);
    const Result<Observation> seen = TtlStep().Observe(context);
    ASSERT_TRUE(seen) << Describe(seen.error());
    EXPECT_EQ(seen->verdict, Verdict::kPartial);
    ASSERT_EQ(stage.Round(TtlStep(), resumed)->state, Progress::State::kNotYet);
    resumed.elapsed = seconds(119);
    ASSERT_EQ(stage.Round(TtlStep(), resumed)->state, Progress::State::kNotYet);
    resumed.elapsed = seconds(120);
    EXPECT_EQ(stage.Round(TtlStep(), resumed)->state, Progress::State::kDone);
  }
}

TEST(DnsTtlLowered, ATtlRaisedDuringTheWaitIsLoweredAndWaitedOutAgain) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  while (!life.handle.contains("lowSinceMs")) ASSERT_TRUE(stage.Round(TtlStep(), life));
  life.elapsed += seconds(100);
  SomebodySets(stage, "A", {{"10.0.0.1"}, 120});
  ASSERT_TRUE(stage.Round(TtlStep(), life));
  EXPECT_EQ(Shown(stage), "10.0.0.1 (TTL 60 s)");
  EXPECT_FALSE(life.handle.contains("lowSinceMs"));
}

TEST(DnsTtlLowered, InModeCheckItNamesTtlAndLimitAndTouchesNothing) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  life.parameters["mode"] = "check";
  const Result<Observation> seen = stage.Observe(TtlStep(), life);
  ASSERT_FALSE(seen) << "refused before there is an intent";
  EXPECT_THAT(Describe(seen.error()), HasSubstr("AAAA: its TTL is 1m 30s")) << "all are named";
  ExpectRefused(stage, TtlStep(), life, ErrorKind::kConflict, "its TTL is 2m, the limit is 1m");
}

TEST(DnsTtlLowered, RefusesRecordsThatAreNotThere) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  life.parameters["records"] = {"shop.example.com/TXT"};
  ExpectRefused(stage, TtlStep(), life, ErrorKind::kNotFound, "the name has no records of this type");
  life.parameters["records"] = {"gone.example.com"};
  ExpectRefused(stage, TtlStep(), life, ErrorKind::kNotFound, "there is no such name");
  life.parameters["records"] = {"www.example.com"};
  ExpectRefused(stage, TtlStep(), life, ErrorKind::kInvalid, "an alias (CNAME) of shop.example.com.");
  life.parameters["records"] = {"shop.example.org"};
  ExpectRefused(stage, TtlStep(), life, ErrorKind::kInvalid, "in none of the zones");
}

TEST(DnsTtlLowered, AChangeBySomebodyElseAfterTheLookIsAConflict) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  life.before = stage.Observe(TtlStep(), life)->before;
  SomebodySets(stage, "A", {{"10.9.9.9"}, 120});
  const Result<Progress> progress = stage.Finish(TtlStep(), life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(progress.error().message, HasSubstr("it has 10.9.9.9 (TTL 120 s), not 10.0.0.1 (TTL 120 s)"));
  EXPECT_EQ(Shown(stage), "10.9.9.9 (TTL 120 s)");
}

// What somebody else had changed was a conflict that nothing could mend: the rollback never ended. It is left now, and
// the facts of the undo say what was found.
TEST(DnsTtlLowered, UndoLeavesWhatSomebodyElseChangedAndRestoresTheRest) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  ASSERT_TRUE(stage.Finish(TtlStep(), life));
  SomebodySets(stage, "A", {{"10.0.0.1"}, 45});
  life.elapsed = milliseconds(0);
  const Result<Progress> undone = stage.Finish(TtlStep(), life, true);
  ASSERT_TRUE(undone) << Describe(undone.error());
  ASSERT_EQ(undone->facts["left"].size(), 1U);
  EXPECT_THAT(undone->facts["left"].dump(), HasSubstr("has 10.0.0.1 (TTL 45 s), which somebody else set"));
  EXPECT_THAT(undone->facts["left"].dump(), HasSubstr("before it had 10.0.0.1 (TTL 120 s)"));
  EXPECT_EQ(undone->facts["records"].size(), 2U);
  EXPECT_EQ(Shown(stage), "10.0.0.1 (TTL 45 s)");
  EXPECT_EQ(Shown(stage, "AAAA"), "fd00::1 (TTL 90 s)");
}

TEST(UpdateDns, LeadsEachTypeToTheAddressThatFits) {
  Stage stage;
  stage.PlayUntil("update_dns");
  Life life = stage.LifeOf(DnsStep());
  const Result<Progress> done = stage.Finish(DnsStep(), life);
  ASSERT_TRUE(done) << Describe(done.error());
  EXPECT_EQ(Shown(stage), "10.0.0.2 (TTL 60 s)");
  EXPECT_EQ(Shown(stage, "AAAA"), "fd00::2 (TTL 60 s)");
}

TEST(UpdateDns, IsNotDoneBeforeAllNameServersAgree) {
  Stage stage;
  stage.Change([](WorldData& world) { world.dns.lag_polls = 5; });
  Life life = stage.LifeOf(DnsStep());
  ASSERT_EQ(stage.Round(DnsStep(), life)->state, Progress::State::kNotYet);
  EXPECT_EQ(Shown(stage), "10.0.0.2 (TTL 120 s)");
  EXPECT_EQ(stage.Observe(DnsStep(), life)->verdict, Verdict::kPartial);
  const Result<Progress> waiting = stage.Round(DnsStep(), life);
  ASSERT_EQ(waiting->state, Progress::State::kNotYet);
  EXPECT_THAT(waiting->meter.text, HasSubstr("dns2 has not followed yet"));
  EXPECT_EQ(stage.Finish(DnsStep(), life)->state, Progress::State::kDone);
}

TEST(UpdateDns, CreatesRecordsOnlyWithATtlAndUndoRemovesThem) {
  Stage stage;
  Life life = stage.LifeOf(DnsStep());
  life.parameters["records"] = {"new.example.com"};
  life.parameters["targetAddresses"] = {"10.0.0.2"};
  ExpectRefused(stage, DnsStep(), life, ErrorKind::kNotFound, "there is no such name");
  life.parameters["ttl"] = 60000;
  const Json before = Picture(stage.Look());
  ASSERT_TRUE(stage.Finish(DnsStep(), life));
  EXPECT_NE(Picture(stage.Look()), before);
  ASSERT_TRUE(stage.Finish(DnsStep(), life, true));
  EXPECT_EQ(Picture(stage.Look()), before);
}

// A wildcard's answer was taken for the name's own records, and the change failed at the cutover with the words that
// somebody had changed them. It is named by the plan, and with a TTL the name gets records of its own for the time.
TEST(UpdateDns, ANameThatAWildcardAnswersForIsNamedByThePlan) {
  Stage stage;
  stage.Change([](WorldData& world) { world.dns.records.push_back({"*.example.com", "A", {{"10.0.0.7"}, 300}}); });
  const std::string words = "no records of its own: a wildcard of zone example.com answers for it with 10.0.0.7 (TTL";
  Life life = stage.LifeOf(TtlStep());
  life.parameters["records"] = {"any.example.com"};
  ExpectRefused(stage, TtlStep(), life, ErrorKind::kNotFound, words);
  life = stage.LifeOf(DnsStep());
  life.parameters["records"] = {"any.example.com"};
  life.parameters["targetAddresses"] = {"10.0.0.2"};
  ExpectRefused(stage, DnsStep(), life, ErrorKind::kNotFound, words);
  life.parameters["ttl"] = 60000;
  EXPECT_THAT(stage.Predict(DnsStep(), life)->will, HasSubstr("now no records of its own, a wildcard answers 10.0.0."));
  const Json before = Picture(stage.Look());
  ASSERT_TRUE(stage.Finish(DnsStep(), life));
  EXPECT_NE(Picture(stage.Look()), before);
  ASSERT_TRUE(stage.Finish(DnsStep(), life, true));
  EXPECT_EQ(Picture(stage.Look()), before);
}

TEST(UpdateDns, RefusesWhatCannotBe) {
  Stage stage;
  Life life = stage.LifeOf(DnsStep());
  life.parameters["targetAddresses"] = {"10.0.0.2"};
  ExpectRefused(stage, DnsStep(), life, ErrorKind::kInvalid, "none of the targetAddresses fits type AAAA");
  life.parameters["targetAddresses"] = {"10.0.0.256", "fd00::2"};
  const Result<Progress> refused = stage.Finish(DnsStep(), life);
  ASSERT_FALSE(refused);
  EXPECT_THAT(Describe(refused.error()), HasSubstr("\"10.0.0.256\" cannot be the value of an A record"));
  life = stage.LifeOf(DnsStep());
  stage.Change([](WorldData& world) { world.dns.read_only = true; });
  const Result<Progress> denied = stage.Finish(DnsStep(), life);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().kind, ErrorKind::kDenied);
}

TEST(UpdateDns, ARecordChangedBySomebodyElseIsAConflictNamedWithAllValues) {
  Stage stage;
  Life life = stage.LifeOf(DnsStep());
  life.before = stage.Observe(DnsStep(), life)->before;
  SomebodySets(stage, "A", {{"10.9.9.9"}, 120});
  const Result<Progress> progress = stage.Finish(DnsStep(), life);
  ASSERT_FALSE(progress);
  EXPECT_THAT(progress.error().message, HasSubstr("it has 10.9.9.9 (TTL 120 s), not 10.0.0.1 (TTL 120 s)"));
}

// Any change by somebody else was a conflict for ever, whatever an operator did: the rollback could not be finished.
// Values without the target's are somebody's decision and stay; the facts of the undo name them.
TEST(UpdateDns, UndoLeavesWhatSomebodyElseDecidedAndRestoresTheRest) {
  for (const std::vector<std::string>& theirs : {std::vector<std::string>{"10.9.9.9"}, {"10.0.0.1", "10.9.9.9"}}) {
    Stage stage;
    Life life = stage.LifeOf(DnsStep());
    ASSERT_TRUE(stage.Finish(DnsStep(), life));
    SomebodySets(stage, "A", {theirs, 120});
    life.elapsed = milliseconds(0);
    const Result<Progress> undone = stage.Finish(DnsStep(), life, true);
    ASSERT_TRUE(undone) << Describe(undone.error());
    EXPECT_EQ(Shown(stage), InWords(RecordSet{theirs, 120})) << "another's value stays";
    EXPECT_EQ(Shown(stage, "AAAA"), "fd00::1 (TTL 90 s)") << "the rest went back";
    EXPECT_THAT(undone->facts["left"].dump(), HasSubstr("10.9.9.9 (TTL 120 s), which somebody else set; before this "
                                                        "run it had 10.0.0.1 (TTL 120 s)"));
    EXPECT_EQ(undone->facts["records"].size(), 1U);
  }
}

// With the target's values among others nobody knows what was meant. Each state that the advice names ends the undo.
TEST(UpdateDns, TheTargetsValuesAmongOthersAreAConflictUntilWhatTheAdviceSaysIsDone) {
  for (const std::vector<std::string>& mended : {std::vector<std::string>{"10.0.0.1"}, {"10.9.9.9"}}) {
    Stage stage;
    Life life = stage.LifeOf(DnsStep());
    ASSERT_TRUE(stage.Finish(DnsStep(), life));
    SomebodySets(stage, "A", {{"10.0.0.2", "10.9.9.9"}, 120});
    life.elapsed = milliseconds(0);
    const Result<Progress> blocked = stage.Finish(DnsStep(), life, true);
    ASSERT_FALSE(blocked);
    EXPECT_EQ(blocked.error().kind, ErrorKind::kConflict);
    EXPECT_THAT(blocked.error().message, HasSubstr("it has 10.0.0.2, 10.9.9.9 (TTL 120 s), this run had set 10.0.0.2, "
                                                   "and before it had 10.0.0.1 (TTL 120 s)"));
    EXPECT_THAT(blocked.error().advice, HasSubstr("set what it had before, or any values without 10.0.0.2;"));
    EXPECT_EQ(Shown(stage), "10.0.0.2, 10.9.9.9 (TTL 120 s)");
    SomebodySets(stage, "A", {mended, 120});
    const Result<Progress> undone = stage.Finish(DnsStep(), life, true);
    ASSERT_TRUE(undone) << Describe(undone.error());
    EXPECT_EQ(Shown(stage), InWords(RecordSet{mended, 120}));
  }
}

// A secondary that was down made every look an error: the rollback was blocked with the source off, although the
// primary took updates. Now the primary is set, and the undo ends with who could not be asked.
TEST(UpdateDns, ASilentServerDelaysTheWayThereAndNotTheWayBack) {
  Stage stage;
  Life life = stage.LifeOf(DnsStep());
  ASSERT_TRUE(stage.Finish(DnsStep(), life));
  stage.Change([](WorldData& world) { world.dns.silent = true; });
  life.elapsed = milliseconds(0);
  const Result<Progress> undone = stage.Finish(DnsStep(), life, true);
  ASSERT_TRUE(undone) << Describe(undone.error());
  EXPECT_EQ(Shown(stage), "10.0.0.1 (TTL 120 s)");
  EXPECT_THAT(undone->facts["notAsked"].dump(), HasSubstr("shop.example.com A: dns2 cannot be asked: no route to it"));

  Stage forward;
  forward.Change([](WorldData& world) { world.dns.silent = true; });
  life = forward.LifeOf(DnsStep());
  const Result<Forecast> forecast = forward.Predict(DnsStep(), life);
  ASSERT_FALSE(forecast->problems.empty());
  EXPECT_THAT(forecast->problems.front().message, HasSubstr("dns2 cannot be asked"));
  for (int round = 0; round < 5; ++round) {
    const Result<Progress> waiting = forward.Round(DnsStep(), life);
    ASSERT_TRUE(waiting) << Describe(waiting.error());
    ASSERT_EQ(waiting->state, Progress::State::kNotYet);
  }
  EXPECT_EQ(Shown(forward), "10.0.0.2 (TTL 120 s)");
}

// A secondary that answers and never follows kept the undo waiting until its deadline, and then blocked the rollback.
// It is waited for on the way back as well, but not for ever.
TEST(UpdateDns, OnTheWayBackAServerThatNeverFollowsIsWaitedForOneMinute) {
  Stage stage;
  Life life = stage.LifeOf(DnsStep());
  ASSERT_TRUE(stage.Finish(DnsStep(), life));
  stage.Change([](WorldData& world) { world.dns.lag_polls = 1 << 20; });
  life.elapsed = milliseconds(0);
  ASSERT_EQ(stage.Round(DnsStep(), life, true)->state, Progress::State::kNotYet);
  life.elapsed = seconds(59);
  const Result<Progress> waiting = stage.Round(DnsStep(), life, true);
  ASSERT_EQ(waiting->state, Progress::State::kNotYet);
  EXPECT_THAT(waiting->meter.text, HasSubstr("dns2 has not followed yet"));
  life.elapsed = seconds(60);
  const Result<Progress> undone = stage.Round(DnsStep(), life, true);
  ASSERT_EQ(undone->state, Progress::State::kDone);
  EXPECT_THAT(undone->facts["notFollowed"].dump(), HasSubstr("dns2 has not followed yet"));
}

TEST(DnsTtlLowered, ASilentServerDelaysTheWayThereAndNotTheWayBack) {
  Stage stage;
  Life life = stage.LifeOf(TtlStep());
  stage.Change([](WorldData& world) { world.dns.silent = true; });
  ASSERT_EQ(stage.Round(TtlStep(), life)->state, Progress::State::kNotYet);  // lowered
  const Result<Progress> waiting = stage.Round(TtlStep(), life);
  ASSERT_EQ(waiting->state, Progress::State::kNotYet);
  EXPECT_THAT(waiting->meter.text, HasSubstr("dns2 cannot be asked"));
  life.elapsed = milliseconds(0);
  ASSERT_TRUE(stage.Finish(TtlStep(), life, true));
  EXPECT_EQ(Shown(stage), "10.0.0.1 (TTL 120 s)");
}

// TTLs below a second were cut to 0, which means: keep nothing at all. No TTL is made of parts of a second.
TEST(UpdateDns, TtlsOfPartsOfASecondAreRefused) {
  Stage stage;
  for (const auto& [step, parameter] : {std::pair{&TtlStep(), "maxTtl"}, std::pair{&DnsStep(), "ttl"}}) {
    for (const std::int64_t ms : {std::int64_t{500}, std::int64_t{1500}, std::int64_t{0x80000000} * 1000}) {
      Life life = stage.LifeOf(*step);
      life.parameters[parameter] = ms;
      const auto found = Contradictions(step->spec().name, life.parameters);
      ASSERT_EQ(found.size(), 1U) << parameter << " " << ms;
      EXPECT_THAT(found.front().message, HasSubstr("a TTL is a number of whole seconds"));
      const Result<Progress> refused = stage.Finish(*step, life);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
      EXPECT_EQ(refused.error().message, found.front().message);
      EXPECT_FALSE(stage.Predict(*step, life)->problems.empty());
    }
    Life life = stage.LifeOf(*step);
    life.parameters[parameter] = 60000;
    EXPECT_TRUE(Contradictions(step->spec().name, life.parameters).empty());
  }
  EXPECT_TRUE(stage.Look().history.empty());
}

TEST(UpdateDns, BringsTrafficSoThatARollbackKeepsWhatTheTargetHas) {
  EXPECT_TRUE(DnsStep().spec().moves_traffic);
  EXPECT_FALSE(TtlStep().spec().moves_traffic);
}

}  // namespace
}  // namespace vmferry
