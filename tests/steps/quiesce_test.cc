// SPDX-License-Identifier: Apache-2.0
//
// quiesce_application: refusals of guests, the fence, and the order of traffic on the way out and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stage.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class Quiesce : public testing::Test {
 protected:
  Quiesce() {
    stage.PlayUntil("quiesce_application");
    life = stage.LifeOf(step);
  }
  void Change(const std::string& vm, const std::function<void(FakeVm&)>& change) {
    stage.Change([&](WorldData& world) { change(*FindVmByPath(world, "/DC0/vm/" + vm)); });
  }
  void MakeDeaf() {
    Change("web1", [](FakeVm& vm) { vm.deaf = true; });
  }
  Progress Run(const std::string& on_refusal) {
    life.parameters["onRefusal"] = on_refusal;
    Result<Progress> end = stage.Finish(step, life);
    EXPECT_TRUE(end) << Describe(end.error());
    return end ? *end : Progress();
  }
  void Undo() {
    life.elapsed = milliseconds(0);
    const Result<Progress> end = stage.Finish(step, life, true);
    ASSERT_TRUE(end) << Describe(end.error());
    ASSERT_EQ(end->state, Progress::State::kDone);
  }
  // Effects since the stage was set, in order: "shutdown-asked web1", "lb vmware drain".
  std::vector<std::string> Effects() {
    std::vector<std::string> effects;
    for (const Fact& fact : stage.Look().history) {
      std::string object = fact.object.substr(fact.object.rfind('/') + 1);
      if (fact.effect == "lb") object += " " + fact.detail["state"].get<std::string>();
      effects.push_back(fact.effect + " " + object);
    }
    return effects;
  }
  std::ptrdiff_t Place(const std::string& effect) {
    const std::vector<std::string> effects = Effects();
    const auto place = std::find(effects.rbegin(), effects.rend(), effect);
    EXPECT_NE(place, effects.rend()) << effect << " in " << testing::PrintToString(effects);
    return effects.rend() - place;
  }

  const Step& step = *FindStep("quiesce_application");
  Stage stage;
  Life life;
};

TEST_F(Quiesce, DrainsThenShutsDownThenFences) {
  Run("hold");
  EXPECT_LT(Place("lb vmware drain"), Place("lb vmware maint"));
  EXPECT_LT(Place("lb vmware maint"), Place("shutdown-asked web1"));
  EXPECT_LT(Place("source-off web1"), Place("fence web1"));
  EXPECT_EQ(life.facts["traffic"]["was"], "ready");
  EXPECT_EQ(life.facts["workloads"]["web1"]["forced"], false);
  for (const char* name : {"web1", "db1"}) {
    const FakeVm vm = stage.Vm(name);
    EXPECT_EQ(vm.facts.power, "off");
    EXPECT_FALSE(vm.facts.nics[0].start_connected);
    EXPECT_EQ(Json::parse(vm.facts.fence)["nics"][0]["start_connected"], true);
  }
}

TEST_F(Quiesce, AsksEachGuestOnce) {
  Run("hold");
  const std::vector<std::string> effects = Effects();
  EXPECT_EQ(std::count(effects.begin(), effects.end(), "shutdown-asked web1"), 1);
  EXPECT_EQ(std::count(effects.begin(), effects.end(), "shutdown-asked db1"), 1);
}

TEST_F(Quiesce, CutsSessionsThatStayAfterTheDrainDeadline) {
  stage.Change([](WorldData& world) { world.load_balancers[0].servers[0].sessions_stay = true; });
  Run("hold");
  EXPECT_EQ(life.facts["traffic"]["sessionsCut"], 2);
  EXPECT_GE(life.elapsed, milliseconds(30000));
}

TEST_F(Quiesce, ForcesADeafGuestWhenDeclared) {
  MakeDeaf();
  EXPECT_EQ(Run("force").state, Progress::State::kDone);
  EXPECT_EQ(life.facts["workloads"]["web1"]["forced"], true);
  EXPECT_EQ(life.facts["workloads"]["web1"]["why"], "its guest did not shut down within 2m");
  EXPECT_EQ(life.facts["workloads"]["db1"]["forced"], false);
  EXPECT_GE(life.elapsed, milliseconds(120000));
  EXPECT_EQ(stage.Vm("web1").facts.power, "off");
}

TEST_F(Quiesce, HoldsForADeafGuestAndAsksAgainWhenResumed) {
  MakeDeaf();
  const Progress held = Run("hold");
  EXPECT_EQ(held.state, Progress::State::kHold);
  EXPECT_THAT(held.why, HasSubstr("VM /DC0/vm/web1: its guest did not shut down within 2m"));
  EXPECT_EQ(stage.Vm("web1").facts.power, "on");
  Change("web1", [](FakeVm& vm) { vm.deaf = false, vm.shutdown_left = -1; });
  life.elapsed = milliseconds(0);  // a resume counts anew
  EXPECT_EQ(Run("hold").state, Progress::State::kDone);
  EXPECT_EQ(stage.Vm("web1").facts.power, "off");
}

TEST_F(Quiesce, RollsBackForADeafGuestWhenDeclared) {
  const Json before = Picture(stage.Look());
  MakeDeaf();
  const Progress end = Run("rollBack");
  EXPECT_EQ(end.state, Progress::State::kRollBack);
  EXPECT_THAT(end.why, HasSubstr("did not shut down within 2m"));
  Undo();
  EXPECT_EQ(Picture(stage.Look()), before);
  EXPECT_EQ(stage.Vm("db1").facts.power, "on");
}

TEST_F(Quiesce, AGuestThatCannotBeAskedIsARefusalAtOnce) {
  Change("web1", [](FakeVm& vm) { vm.facts.tools = "not installed"; });
  const Progress end = Run("rollBack");
  EXPECT_EQ(end.state, Progress::State::kRollBack);
  EXPECT_THAT(end.why, HasSubstr("cannot be asked to shut down: guest tools are not installed"));
  EXPECT_LT(life.elapsed, milliseconds(60000));
}

TEST_F(Quiesce, DryRunTellsThatAGuestCannotBeAsked) {
  Change("web1", [](FakeVm& vm) { vm.facts.tools = "not installed"; });
  life.parameters["onRefusal"] = "hold";
  Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  ASSERT_EQ(forecast->problems.size(), 1u);
  EXPECT_THAT(forecast->problems[0].advice, HasSubstr("onRefusal: force"));
  life.parameters["onRefusal"] = "force";
  forecast = stage.Predict(step, life);
  EXPECT_TRUE(forecast->problems.empty());
  EXPECT_THAT(forecast->will, HasSubstr("shut down VM /DC0/vm/web1 (on, tools not installed), at most 2m, then force"));
}

TEST_F(Quiesce, RefusesAVmWithoutOurClaim) {
  Change("web1", [](FakeVm& vm) { vm.facts.claim = "r-other/shop/web1"; });
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(stage.Vm("web1").facts.power, "on");
}

TEST_F(Quiesce, UndoPutsTheSourceOnBeforeItGetsTraffic) {
  Run("hold");
  Undo();
  EXPECT_LT(Place("fence web1"), Place("source-on web1"));
  EXPECT_LT(Place("source-on web1"), Place("lb vmware drain"));
  EXPECT_LT(Place("lb vmware drain"), Place("lb vmware ready"));
  EXPECT_EQ(stage.Vm("web1").facts.fence, "");
  EXPECT_EQ(stage.Server("vmware").weight, 100);
}

TEST_F(Quiesce, UndoGivesNoTrafficToASickSource) {
  Run("hold");
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_source = true; });
  for (int round = 0; round < 30; ++round) {
    const Result<Progress> progress = stage.Round(step, life, true);
    ASSERT_TRUE(progress) << Describe(progress.error());
    ASSERT_EQ(progress->state, Progress::State::kNotYet);
    ASSERT_NE(stage.Server("vmware").state, "ready");
  }
  EXPECT_EQ(stage.Vm("web1").facts.power, "on");
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_source = false; });
  Undo();
  EXPECT_EQ(stage.Server("vmware").state, "ready");
}

TEST_F(Quiesce, UndoWithoutAProbeTrustsTheLoadBalancersCheck) {
  life.parameters.erase("probe");
  Run("hold");
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_source = true; });
  for (int round = 0; round < 30; ++round) {
    const Result<Progress> progress = stage.Round(step, life, true);
    ASSERT_TRUE(progress) << Describe(progress.error());
    ASSERT_NE(stage.Server("vmware").state, "ready");
  }
  EXPECT_EQ(stage.Server("vmware").state, "drain");
}

TEST_F(Quiesce, WhatWasOffBeforeStaysOff) {
  Change("db1", [](FakeVm& vm) { vm.facts.power = "off"; });
  const Json before = Picture(stage.Look());
  Run("hold");
  EXPECT_NE(stage.Vm("db1").facts.fence, "");
  Undo();
  EXPECT_EQ(Picture(stage.Look()), before);
  const std::vector<std::string> effects = Effects();
  EXPECT_EQ(std::count(effects.begin(), effects.end(), "source-on db1"), 0);
}

TEST_F(Quiesce, UndoRefusesToPowerOnWhileTheTargetRuns) {
  Run("hold");
  stage.Change([](WorldData& world) {
    FakeDomain domain;
    domain.spec.domain = "shop-web1";
    domain.spec.key = "0123";
    domain.state = "running";
    world.domains.push_back(domain);
  });
  const Result<Progress> end = stage.Finish(step, life, true);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(end.error().message, HasSubstr("must not be powered on"));
  EXPECT_EQ(stage.Vm("web1").facts.power, "off");
}

TEST_F(Quiesce, UndoWatchesAGuestThatMayStillGoOff) {
  Change("web1", [](FakeVm& vm) { vm.shutdown_polls = 8; });
  life.parameters["guestShutdownDeadline"] = 2000;
  EXPECT_EQ(Run("rollBack").state, Progress::State::kRollBack);
  ASSERT_EQ(stage.Vm("web1").facts.power, "on");
  Undo();  // meanwhile the guest went off: it is powered on again
  EXPECT_EQ(stage.Vm("web1").facts.power, "on");
  EXPECT_LT(Place("source-off web1"), Place("source-on web1"));
  EXPECT_EQ(stage.Server("vmware").state, "ready");
}

// Traffic went back to a guest that was still shutting down: a rollback soon after the request watched it for 15 s
// only, however long the guest may take.
TEST_F(Quiesce, UndoGivesAGuestJustAskedItsWholeTime) {
  Change("web1", [](FakeVm& vm) { vm.shutdown_polls = 40; });
  life.parameters["guestShutdownDeadline"] = 60000;
  while (life.handle.is_null() || !life.handle.contains("requested")) ASSERT_TRUE(stage.Round(step, life));
  ASSERT_EQ(stage.Vm("web1").facts.power, "on");
  Undo();
  EXPECT_LT(Place("source-off web1"), Place("source-on web1"));
  EXPECT_EQ(stage.Vm("web1").facts.power, "on");
  EXPECT_EQ(stage.Server("vmware").state, "ready");
}

TEST_F(Quiesce, UndoWaitsOutAnOpenExport) {
  Run("hold");
  stage.Change([](WorldData& world) { world.leases.push_back({"lease-x", "/DC0/vm/web1", 2}); });
  Undo();  // the first tries are refused as unavailable, and repeated
  EXPECT_EQ(stage.Vm("web1").facts.power, "on");
}

TEST_F(Quiesce, WorksWithoutALoadBalancer) {
  for (const char* name : {"loadBalancer", "pool", "sourceServer"}) life.parameters.erase(name);
  EXPECT_EQ(Run("hold").state, Progress::State::kDone);
  EXPECT_FALSE(life.facts.contains("traffic"));
  Undo();
  EXPECT_EQ(stage.Server("vmware").state, "ready");
}

TEST_F(Quiesce, ALoadBalancerWithoutAServerIsAClearError) {
  life.parameters.erase("sourceServer");
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_FALSE(end);
  EXPECT_THAT(end.error().advice, HasSubstr("`sourceServer`"));
}

TEST_F(Quiesce, ClosesEveryInstanceOfTheLoadBalancer) {
  stage.Change([](WorldData& world) {
    world.load_balancers[0].instances = {"lb1", "lb2"};
    world.load_balancers[0].servers[0].instances["lb1"] = {"maint", 100};
    world.load_balancers[0].servers[0].instances["lb2"] = {"ready", 100};
  });
  Run("hold");
  stage.Change([](WorldData& world) { EXPECT_EQ(world.load_balancers[0].servers[0].instances["lb2"].state, "maint"); });
}

}  // namespace
}  // namespace vmferry
