// SPDX-License-Identifier: Apache-2.0
//
// The boot proofs of power_on_target: what counts, what is said when nothing comes, and that a domain that stops while
// it boots ends the wait at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "stage.h"
#include "steps/boot_proof.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class BootProof : public testing::Test {
 protected:
  BootProof() {
    stage.PlayUntil("power_on_target");
    life = stage.LifeOf(step);
  }
  void Ask(const std::string& proof) {
    life.parameters = {{"bootProof", proof}, {"bootDeadline", 60000}};
    if (proof == "console") life.parameters["consolePattern"] = "GUEST-READY";
    if (proof == "port") life.parameters.update({{"bootProbe", "tcp://web1.kvm.example:80"}, {"probe", "http"}});
  }
  void Boot(const std::string& how) {
    stage.Change([&](WorldData& world) { world.host.boot = how; });
  }
  void SetState(const std::string& state) {
    stage.Change([&](WorldData& world) { FindDomain(world, "shop-web1")->state = state; });
  }
  Json Proof(const std::string& workload = "web1") { return life.facts["workloads"][workload]["boot"]; }
  void Proves() {
    const Result<Progress> end = stage.Finish(step, life);
    ASSERT_TRUE(end) << Describe(end.error());
    ASSERT_EQ(end->state, Progress::State::kDone);
  }
  Error Fails() {
    const Result<Progress> end = stage.Finish(step, life);
    EXPECT_FALSE(end);
    if (end) return Error{};
    EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
    EXPECT_EQ(end.error().object, "domain shop-web1");
    EXPECT_FALSE(end.error().advice.empty());
    return end.error();
  }
  // Until the first domain is seen running and waited for.
  void StartAll() {
    while (!IsBooting(life.handle, stage.application.workloads[0])) ASSERT_TRUE(stage.Round(step, life));
  }

  const Step& step = *FindStep("power_on_target");
  Stage stage;
  Life life;
};

TEST_F(BootProof, NoneIsTheStandardAndAsksNothing) {
  life.parameters = Json::object();
  stage.BeforeCalls([](const CallSpec& call) {
    EXPECT_NE(call.name, "ReadConsole");
    EXPECT_NE(call.name, "PingAgent");
  });
  Proves();
  EXPECT_TRUE(Proof().is_null());
  WorldData world = stage.Look();
  EXPECT_FALSE(FindDomain(world, "shop-web1")->spec.guest_agent);
  EXPECT_EQ(FindDomain(world, "shop-web1")->spec.console_pool, "");
}

TEST_F(BootProof, TheConsolesLineIsTheEvidence) {
  Proves();
  for (const char* workload : {"web1", "db1"}) {
    EXPECT_EQ(Proof(workload)["proof"], "console");
    EXPECT_EQ(Proof(workload)["line"], "GUEST-READY nic=eth0");
    EXPECT_TRUE(Proof(workload)["afterMs"].is_number());
  }
}

TEST_F(BootProof, TheAgentsAnswerIsTheEvidence) {
  Ask("agent");
  Proves();
  EXPECT_EQ(Proof()["proof"], "agent");
  EXPECT_TRUE(Proof()["afterMs"].is_number());
}

TEST_F(BootProof, AnOpenPortIsTheEvidence) {
  Ask("port");
  Proves();
  EXPECT_EQ(Proof()["proof"], "port");
  EXPECT_EQ(Proof()["address"], "tcp://web1.kvm.example:80");
}

TEST_F(BootProof, APatternThatNeverOccursIsAnErrorWithTheEndOfTheConsole) {
  Boot("hangs");
  const Error error = Fails();
  EXPECT_THAT(error.message, HasSubstr("no proof of a boot within 1m"));
  EXPECT_THAT(error.message, HasSubstr("\"^GUEST-READY nic=(eth|ens)[0-9]+\" does not occur"));
  EXPECT_THAT(error.message, HasSubstr("the console ends with \"Linux version 6.1.0\" / \"mounting /data\""));
  EXPECT_THAT(error.advice, HasSubstr("console=ttyS0"));
  EXPECT_GE(life.elapsed, milliseconds(60000));
  EXPECT_LT(life.elapsed, milliseconds(70000));
}

TEST_F(BootProof, AnAgentThatIsNotThereIsAnError) {
  Ask("agent");
  Boot("no agent");
  const Error error = Fails();
  EXPECT_THAT(error.message, HasSubstr("the guest agent does not answer: the guest agent is not connected"));
  EXPECT_THAT(error.message, HasSubstr("GUEST-READY")) << "the console tells that the guest itself is up";
  EXPECT_THAT(error.advice, HasSubstr("qemu-guest-agent"));
}

TEST_F(BootProof, ARefusedPortIsAnError) {
  Ask("port");
  life.parameters["bootProbe"] = "tcp://nowhere.example:22";
  EXPECT_THAT(Fails().message, HasSubstr("tcp://nowhere.example:22 is not accepted: cannot resolve"));
}

TEST_F(BootProof, ADomainThatStopsWhileItBootsIsAnErrorAtOnce) {
  for (const char* proof : {"console", "agent", "port"}) {
    SCOPED_TRACE(proof);
    Stage other;
    other.Resume(stage);
    other.Change([](WorldData& world) { world.host.boot = "stops"; });
    Life one = life;
    std::swap(one, life);
    Ask(proof);
    if (std::string(proof) == "port") life.parameters["bootProbe"] = "tcp://nowhere.example:22";
    const Result<Progress> end = other.Finish(step, life);
    ASSERT_FALSE(end);
    EXPECT_THAT(end.error().message, HasSubstr("the domain stopped while booting: it is off"));
    EXPECT_THAT(end.error().message, HasSubstr("mounting /data"));
    EXPECT_LT(life.elapsed, milliseconds(30000));
    std::swap(one, life);
  }
}

// A guest that was stopped between its start and the next look was started again and waited for.
TEST_F(BootProof, ADomainThatStopsBeforeItIsLookedAtAgainIsNotStartedTwice) {
  Boot("hangs");
  while (stage.Look().domains.empty() || stage.Look().domains[0].state != "running")
    ASSERT_TRUE(stage.Round(step, life));
  SetState("off");
  EXPECT_THAT(Fails().message, HasSubstr("the domain stopped while booting: it is off"));
}

TEST_F(BootProof, ADomainOnItsWayDownIsWaitedForBecauseOnlyItsEndTellsHowItEnded) {
  Boot("hangs");
  StartAll();
  SetState("stopping");
  const Result<Progress> waits = stage.Round(step, life);
  ASSERT_TRUE(waits) << Describe(waits.error());
  EXPECT_EQ(waits->state, Progress::State::kNotYet);
  SetState("crashed");
  EXPECT_THAT(Fails().message, HasSubstr("the domain stopped while booting: it is crashed"));
}

TEST_F(BootProof, ADomainThatNeverGetsDownIsWaitedForUntilItsDeadline) {
  Boot("hangs");
  StartAll();
  SetState("stopping");
  EXPECT_THAT(Fails().message, HasSubstr("the domain stopped while booting: it is stopping"));
  EXPECT_GE(life.elapsed, milliseconds(60000));
  EXPECT_LT(life.elapsed, milliseconds(70000));
}

TEST_F(BootProof, AFenceThatBreaksWhileItBootsEndsTheWait) {
  Boot("hangs");
  StartAll();
  stage.Change([](WorldData& world) { FindVmByPath(world, "/DC0/vm/web1")->facts.power = "on"; });
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_FALSE(end);
  EXPECT_THAT(end.error().message, HasSubstr("it is powered on"));
}

TEST_F(BootProof, ARunningDomainIsNotDoneWithoutItsProof) {
  Boot("hangs");
  StartAll();
  ASSERT_TRUE(stage.Round(step, life));
  stage.Crash();
  const Result<Observation> seen = stage.Observe(step, life);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->verdict, Verdict::kPartial);
}

TEST_F(BootProof, AResumeGoesOnWaitingAndItsDeadlineCountsAnew) {
  Boot("hangs");
  while (life.elapsed < milliseconds(50000)) ASSERT_TRUE(stage.Round(step, life));
  stage.Crash();
  life.elapsed = milliseconds(0);
  for (int round = 0; round < 30; ++round) ASSERT_TRUE(stage.Round(step, life)) << "the first 50 s were counted";
  Boot("");
  Proves();
  EXPECT_EQ(Proof()["proof"], "console");
}

TEST_F(BootProof, UndoInTheMiddleRemovesTheDomains) {
  const Json before = Picture(stage.Look());
  Boot("hangs");
  StartAll();
  life.elapsed = milliseconds(0);
  const Result<Progress> undone = stage.Finish(step, life, true);
  ASSERT_TRUE(undone) << Describe(undone.error());
  EXPECT_EQ(Picture(stage.Look()), before);
}

TEST_F(BootProof, TheDryRunSaysWhatIsWaitedFor) {
  Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  EXPECT_THAT(forecast->will, HasSubstr("wait at most 1m until \"^GUEST-READY"));
  EXPECT_TRUE(forecast->problems.empty());
  stage.Change([](WorldData& world) { world.pools[0].type = "logical"; });
  forecast = stage.Predict(step, life);
  ASSERT_EQ(forecast->problems.size(), 2u) << "one for each domain";
  EXPECT_THAT(forecast->problems[0].message, HasSubstr("it is of type logical"));
}

std::string First(const Json& parameters) {
  const auto found = BootContradictions(parameters);
  return found.empty() ? "" : found.front().message;
}

TEST(BootContradictions, WhatAProofNeedsMustBeThere) {
  EXPECT_EQ(First(Json::object()), "");
  EXPECT_EQ(First({{"bootProof", "agent"}}), "");
  EXPECT_EQ(First({{"bootProof", "console"}}), "`bootProof: console` needs `consolePattern`");
  EXPECT_EQ(First({{"bootProof", "console"}, {"consolePattern", "login:"}}), "");
  EXPECT_THAT(First({{"bootProof", "console"}, {"consolePattern", "(login"}}), HasSubstr("no regular expression"));
  EXPECT_THAT(First({{"bootProof", "console"}, {"consolePattern", "(a)\\1"}}), HasSubstr("refers back"));
  EXPECT_EQ(First({{"bootProof", "console"}, {"consolePattern", "a\\\\1"}}), "");
  EXPECT_EQ(First({{"bootProof", "port"}, {"probe", "http"}}), "`bootProof: port` needs `bootProbe`");
  EXPECT_EQ(First({{"bootProof", "port"}, {"bootProbe", "tcp://a:1"}}), "`bootProof: port` needs `probe`");
  for (const char* wrong : {"http://a/", "tcp://", "tcp://a", "tcp://a:", "tcp://:22", "a:22"})
    EXPECT_EQ(First({{"bootProof", "port"}, {"probe", "http"}, {"bootProbe", wrong}}),
              "`bootProbe` is not tcp://HOST:PORT");
  EXPECT_EQ(First({{"bootProof", "port"}, {"probe", "http"}, {"bootProbe", "tcp://[::1]:22"}}), "");
}

}  // namespace
}  // namespace vmferry
