// SPDX-License-Identifier: Apache-2.0
//
// power_on_target, update_load_balancer and merge_overlay: never two, nobody unhealthy gets traffic, and what stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "plugins/fake/machine.h"
#include "stage.h"
#include "steps/fence.h"
#include "steps/kept_delta.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class PowerOn : public testing::Test {
 protected:
  PowerOn() {
    stage.PlayUntil("power_on_target");
    life = stage.LifeOf(step);
  }
  void ChangeWeb1(const std::function<void(FakeVm&)>& change) {
    stage.Change([&](WorldData& world) { change(*FindVmByPath(world, "/DC0/vm/web1")); });
  }
  void ExpectRefused(const std::string& why) {
    const Result<Progress> end = stage.Finish(step, life);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
    EXPECT_THAT(end.error().message, HasSubstr(why));
    for (const FakeDomain& domain : stage.Look().domains) EXPECT_NE(domain.state, "running") << domain.spec.domain;
  }
  Json Undo() {
    life.elapsed = milliseconds(0);
    const Result<Progress> end = stage.Finish(step, life, true);
    EXPECT_TRUE(end) << Describe(end.error());
    return end ? end->facts : Json();
  }

  const Step& step = *FindStep("power_on_target");
  Stage stage;
  Life life;
};

TEST_F(PowerOn, BuildsTheDomainFromTheSourcesHardware) {
  ChangeWeb1([](FakeVm& vm) { vm.facts.cpus = 4, vm.facts.cores_per_socket = 2, vm.facts.firmware = "efi"; });
  ASSERT_TRUE(stage.Finish(step, life));
  WorldData world = stage.Look();
  const DefineRequest& spec = FindDomain(world, "shop-web1")->spec;
  const FakeVm vm = stage.Vm("web1");
  EXPECT_EQ(spec.cpus, 4);
  EXPECT_EQ(spec.cores_per_socket, 2);
  EXPECT_EQ(spec.memory_mib, 256);
  EXPECT_EQ(spec.firmware, "efi");
  EXPECT_EQ(spec.uuid, vm.facts.bios_uuid);
  ASSERT_EQ(spec.nics.size(), 1u);
  EXPECT_EQ(spec.nics[0].mac, vm.facts.nics[0].mac);
  EXPECT_EQ(spec.nics[0].network, "network:default");
  ASSERT_EQ(spec.disks.size(), 2u);
  for (const DomainDiskSpec& disk : spec.disks) EXPECT_THAT(disk.volume, HasSubstr(".overlay.qcow2"));
  EXPECT_EQ(RecordsOf(world, "shop-web1").value(), (std::vector<std::string>{"order 1", "order 2"}));
}

TEST_F(PowerOn, StartsNothingWhenSomebodyPoweredTheSourceOn) {
  ChangeWeb1([](FakeVm& vm) { vm.facts.power = "on"; });
  ExpectRefused("it is powered on");
}

TEST_F(PowerOn, StartsNothingWhenSomebodyReconnectedANic) {
  ChangeWeb1([](FakeVm& vm) { vm.facts.nics[0].start_connected = true; });
  ExpectRefused("Network adapter 1 (00:50:56:00:00:01) connects at power-on");
}

TEST_F(PowerOn, StartsNothingWhenTheFenceMarkIsGone) {
  ChangeWeb1([](FakeVm& vm) { vm.facts.fence.clear(); });
  ExpectRefused("it carries no vmferry.fence");
}

TEST_F(PowerOn, StartsNothingWithoutOurClaim) {
  ChangeWeb1([](FakeVm& vm) { vm.facts.claim = "r-other/shop/web1"; });
  ExpectRefused("it is claimed by run r-other");
}

// Somebody powers the source on while its domain is being defined.
TEST_F(PowerOn, ReadsTheFenceAgainRightBeforeTheStart) {
  stage.BeforeCalls([this](const CallSpec& call) {
    if (call.name == "EnsureDefined") ChangeWeb1([](FakeVm& vm) { vm.facts.power = "on"; });
  });
  ExpectRefused("it is powered on");
  EXPECT_NE(FindDomain(stage.Look(), "shop-web1"), nullptr);  // it had come so far
}

TEST_F(PowerOn, NothingIsReadBetweenTheFenceAndTheStart) {
  std::string last;
  stage.BeforeCalls([&last](const CallSpec& call) {
    if (call.name == "EnsureRunning") {
      EXPECT_EQ(last, "DescribeVm");
    }
    last = call.name;
  });
  ASSERT_TRUE(stage.Finish(step, life));
}

TEST_F(PowerOn, BootsNothingThatIsNotSealed) {
  stage.Change([](WorldData& world) {
    for (FakeVolume& volume : world.pools[0].volumes) volume.seal.clear();
  });
  ExpectRefused("it carries no seal");
}

TEST_F(PowerOn, LeavesTheDomainOfSomebodyElseAlone) {
  stage.Change([](WorldData& world) {
    FakeDomain domain;
    domain.spec.domain = "shop-web1";
    world.domains.push_back(domain);
  });
  ExpectRefused("a domain of this name is there");
  Undo();
  EXPECT_NE(FindDomain(stage.Look(), "shop-web1"), nullptr);
}

TEST_F(PowerOn, UndoNeverRemovesSealedCopies) {
  const Json before = Picture(stage.Look());
  ASSERT_TRUE(stage.Finish(step, life));
  const Json facts = Undo();
  EXPECT_EQ(Picture(stage.Look()), before);
  EXPECT_EQ(facts["removed"].size(), 3u);
  for (const Fact& fact : stage.Look().history) {
    if (fact.effect == "volume-removed") {
      EXPECT_FALSE(fact.detail["was_sealed"].get<bool>());
      EXPECT_FALSE(fact.detail["in_use"].get<bool>());
    }
  }
}

TEST_F(PowerOn, UndoAfterServingKeepsTheDelta) {
  ASSERT_TRUE(stage.Finish(step, life));
  stage.Change([](WorldData& world) { EXPECT_TRUE(PostRecord(world, "shop-web1", "order 3")); });
  const Json picture = Picture(stage.Look());
  life.target_served = true;
  const Json facts = Undo();
  EXPECT_EQ(facts["writes"], "kept");
  ASSERT_EQ(facts["delta"].size(), 3u);
  EXPECT_TRUE(facts["removed"].empty());
  EXPECT_EQ(Picture(stage.Look())["volumes"], picture["volumes"]);
  const WorldData world = stage.Look();
  EXPECT_TRUE(world.domains.empty());
  int asked = 0;
  for (const Fact& fact : world.history) asked += fact.effect == "stop-asked" ? 1 : 0;
  EXPECT_EQ(asked, 2);
}

TEST_F(PowerOn, UndoSaysWhereTheDeltaIsAndHowToReadIt) {
  ASSERT_TRUE(stage.Finish(step, life));
  life.target_served = true;
  const Json delta = Undo()["delta"];
  ASSERT_EQ(delta.size(), 3u);
  const Overlay first = OverlaysOf(life.before, stage.application.workloads[0]).at(0);
  const Overlay second = OverlaysOf(life.before, stage.application.workloads[0]).at(1);
  EXPECT_EQ(delta[0]["workload"], "web1");
  EXPECT_EQ(delta[0]["pool"], "images");
  EXPECT_EQ(delta[0]["volume"], first.volume);
  EXPECT_THAT(delta[0]["path"].get<std::string>(), testing::EndsWith("/" + first.volume));
  EXPECT_THAT(delta[0]["backing"].get<std::string>(), testing::EndsWith("/" + first.base));
  EXPECT_EQ(delta[0]["format"], "qcow2");
  EXPECT_EQ(delta[0]["stopped"], "shut down");
  const std::string one = delta[0]["path"], two = delta[1]["path"];
  EXPECT_THAT(two, testing::EndsWith("/" + second.volume));
  EXPECT_EQ(delta[0]["mount"],
            Json({"guestmount", "--ro", "--format=qcow2", "-a", one, "-a", two, "-i", "/mnt"}))
      << "all disks of the machine";
  EXPECT_EQ(delta[1]["attach"], Json({"qemu-nbd", "--read-only", "--format=qcow2", "--connect=/dev/nbd0", two}));
  EXPECT_EQ(delta[2]["workload"], "db1");
  WorldData world = stage.Look();
  const FakeVolume* volume = FindVolume(world, "images", first.volume);
  ASSERT_NE(volume, nullptr);
  EXPECT_EQ(delta[0]["sizeBytes"], volume->content.allocated_bytes());
}

TEST_F(PowerOn, UndoOfATargetThatNeverServedKeepsNothing) {
  life.parameters["rollBackData"] = "keepDelta";
  ASSERT_TRUE(stage.Finish(step, life));
  const Json facts = Undo();
  EXPECT_EQ(facts["writes"], "none");
  EXPECT_TRUE(facts["delta"].empty());
  EXPECT_EQ(facts["removed"].size(), 3u);
}

TEST_F(PowerOn, DiscardedTheDeltaGoesThoughTheTargetHasServed) {
  life.parameters["rollBackData"] = "discard";
  const Json before = Picture(stage.Look());
  ASSERT_TRUE(stage.Finish(step, life));
  stage.Change([](WorldData& world) { EXPECT_TRUE(PostRecord(world, "shop-web1", "order 3")); });
  life.target_served = true;
  const Json facts = Undo();
  EXPECT_EQ(facts["writes"], "discarded");
  EXPECT_TRUE(facts["delta"].empty());
  EXPECT_EQ(facts["removed"].size(), 3u);
  EXPECT_EQ(Picture(stage.Look()), before) << "sealed copies stay";
}

TEST_F(PowerOn, TheForecastSaysWhatGoingBackLoses) {
  const Result<Forecast> kept = stage.Predict(step, life);
  ASSERT_TRUE(kept);
  EXPECT_THAT(kept->loses, testing::AllOf(testing::StartsWith("data since cutover"), HasSubstr("kept")));
  life.parameters["rollBackData"] = "discard";
  const Result<Forecast> gone = stage.Predict(step, life);
  ASSERT_TRUE(gone);
  EXPECT_THAT(gone->loses, testing::AllOf(testing::StartsWith("data since cutover"), HasSubstr("DISCARDED")));
  EXPECT_THAT(gone->undo, HasSubstr("with all that the target wrote"));
}

// Another generation in the same run, then another run: the first delta is neither written to nor booted from.
TEST_F(PowerOn, NoLaterStartTouchesAKeptDelta) {
  ASSERT_TRUE(stage.Finish(step, life));
  stage.Change([](WorldData& world) { EXPECT_TRUE(PostRecord(world, "shop-web1", "order 3")); });
  life.target_served = true;
  std::set<std::string> kept;
  const Json first = Undo();
  for (const Json& delta : first["delta"]) kept.insert(delta["volume"].get<std::string>());
  Json volumes = Picture(stage.Look())["volumes"];
  for (const int generation : {1, 2}) {
    if (generation == 2) stage.run = "r-20260302-000001";
    if (generation == 2) stage.Change([this](WorldData& world) {
        for (FakeVm& vm : world.vms) {
          vm.facts.claim = stage.run + "/shop/" + vm.facts.name;
          vm.facts.fence = FenceText(vm.facts.claim, NicStarts(vm.facts));
        }
      });
    Life next = stage.LifeOf(step, "", generation);
    ASSERT_TRUE(stage.Finish(step, next));
    stage.Change([](WorldData& world) { EXPECT_TRUE(PostRecord(world, "shop-web1", "order 4")); });
    WorldData world = stage.Look();
    EXPECT_EQ(RecordsOf(world, "shop-web1").value(), (std::vector<std::string>{"order 1", "order 2", "order 4"}));
    next.target_served = true;
    next.elapsed = milliseconds(0);
    const Result<Progress> end = stage.Finish(step, next, true);
    ASSERT_TRUE(end) << Describe(end.error());
    for (const Json& delta : end->facts["delta"])
      EXPECT_TRUE(kept.insert(delta["volume"].get<std::string>()).second) << delta["volume"] << " was used before";
    const Json now = Picture(stage.Look())["volumes"];
    for (const auto& [name, volume] : volumes.items()) EXPECT_EQ(now.at(name), volume) << name;
    volumes = now;
  }
  EXPECT_EQ(kept.size(), 9u);
}

TEST_F(PowerOn, UndoStopsADomainThatWillNotShutDown) {
  ASSERT_TRUE(stage.Finish(step, life));
  stage.Change([](WorldData& world) { FindDomain(world, "shop-web1")->deaf = true; });
  life.target_served = true;
  const Json delta = Undo()["delta"];
  EXPECT_TRUE(stage.Look().domains.empty());
  EXPECT_GE(life.elapsed, milliseconds(30000));
  ASSERT_EQ(delta.size(), 3u);
  EXPECT_EQ(delta[0]["stopped"], "forced");
  EXPECT_EQ(delta[2]["stopped"], "shut down") << "the other VM's guest obeyed";
}

// The journal knows that power is about to be cut before it is: after a crash the delta must not pass for a clean one.
TEST_F(PowerOn, ATornDeltaIsNamedSoAfterACrash) {
  ASSERT_TRUE(stage.Finish(step, life));
  stage.Change([](WorldData& world) { FindDomain(world, "shop-web1")->deaf = true; });
  life.target_served = true;
  life.elapsed = milliseconds(0);
  const auto is_off = [this] { return FindDomain(stage.Look(), "shop-web1") == nullptr; };
  Json handle_before;
  for (int round = 0; round < 100 && !is_off(); ++round) {
    handle_before = life.handle;
    ASSERT_TRUE(stage.Round(step, life, true));
  }
  ASSERT_TRUE(is_off());
  life.handle = handle_before;  // what the call that cut it answered is lost
  EXPECT_EQ(Undo()["delta"][0]["stopped"], "forced");
}

TEST_F(PowerOn, ADomainThatWasOffAlreadyIsNamedSo) {
  ASSERT_TRUE(stage.Finish(step, life));
  stage.Change([](WorldData& world) { FindDomain(world, "shop-web1")->state = "off"; });
  life.target_served = true;
  EXPECT_EQ(Undo()["delta"][0]["stopped"], "was off");
}

class Switch : public testing::Test {
 protected:
  Switch() {
    stage.PlayUntil("update_load_balancer");
    life = stage.LifeOf(step);
  }
  const Step& step = *FindStep("update_load_balancer");
  Stage stage;
  Life life;
};

TEST_F(Switch, SendsTrafficToTheTargetAndLeavesTheSourceOut) {
  ASSERT_TRUE(stage.Finish(step, life));
  EXPECT_EQ(stage.Server("kvm").state, "ready");
  EXPECT_EQ(stage.Server("kvm").weight, 50);
  EXPECT_EQ(stage.Server("vmware").state, "maint");
}

TEST_F(Switch, NeverMakesAnUnhealthyServerReady) {
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = true; });
  for (int round = 0; round < 30; ++round) {
    const Result<Progress> progress = stage.Round(step, life);
    ASSERT_TRUE(progress) << Describe(progress.error());
    ASSERT_EQ(progress->state, Progress::State::kNotYet);
    ASSERT_NE(stage.Server("kvm").state, "ready");
  }
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = false; });
  ASSERT_TRUE(stage.Finish(step, life));
  EXPECT_EQ(stage.Server("kvm").state, "ready");
}

TEST_F(Switch, RefusesWhileTheSourceIsInService) {
  stage.Change([](WorldData& world) { world.load_balancers[0].servers[0].instances["lb1"].state = "ready"; });
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(end.error().message, HasSubstr("not out of service but ready"));
  EXPECT_EQ(stage.Server("kvm").state, "maint");
}

TEST_F(Switch, AnUnknownServerIsNamedWithThoseThereAre) {
  life.parameters["targetServer"] = "kwm";
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().object, "server shop/kwm");
  EXPECT_THAT(end.error().message, HasSubstr("only vmware and kvm"));
}

TEST_F(Switch, SetsTheWeightAndUndoRestoresIt) {
  life.parameters["weight"] = 200;
  ASSERT_TRUE(stage.Finish(step, life));
  EXPECT_EQ(stage.Server("kvm").weight, 200);
  ASSERT_TRUE(stage.Finish(step, life, true));
  EXPECT_EQ(stage.Server("kvm").weight, 50);
  EXPECT_EQ(stage.Server("kvm").state, "maint");
}

TEST_F(Switch, UndoLeavesTheSourcesServerAlone) {
  ASSERT_TRUE(stage.Finish(step, life));
  ASSERT_TRUE(stage.Finish(step, life, true));
  EXPECT_EQ(stage.Server("vmware").state, "maint");
}

// The traffic rule over the whole way back: out of service, target off, source on and healthy, in service.
TEST(WayBack, OrdersTraffic) {
  Stage stage;
  stage.PlayUntil("claim_source");
  const Json before = Picture(stage.Look());
  std::vector<std::pair<const Step*, Life>> done;
  for (const auto& [name, workload] : Stage::Script()) {
    const Step* step = FindStep(name);
    if (name == "merge_overlay") break;
    if (!step->spec().effect && name != "smoke_test") continue;
    Life life = stage.LifeOf(*step, workload);
    ASSERT_TRUE(stage.Finish(*step, life)) << name;
    if (step->spec().effect) done.emplace_back(step, life);
  }
  stage.Change([](WorldData& world) { world.history.clear(); });
  for (auto entry = done.rbegin(); entry != done.rend(); ++entry) {
    entry->second.elapsed = milliseconds(0);
    entry->second.target_served = true;
    const Result<Progress> end = stage.Finish(*entry->first, entry->second, true);
    ASSERT_TRUE(end) << Describe(end.error());
  }
  std::vector<std::string> order;
  for (const Fact& fact : stage.Look().history) {
    if (fact.effect == "lb") {
      EXPECT_TRUE(fact.detail["state"] != "ready" || fact.detail["machine_on"].get<bool>()) << fact.object;
      order.push_back(fact.object + " " + fact.detail["state"].get<std::string>());
    }
    if ((fact.effect == "target-off" && fact.object == "shop-web1") ||
        (fact.effect == "source-on" && fact.object == "/DC0/vm/web1"))
      order.push_back(fact.effect);
  }
  EXPECT_THAT(order, testing::ElementsAre("shop/kvm maint", "target-off", "source-on", "shop/vmware drain",
                                          "shop/vmware ready"));
  Json after = Picture(stage.Look(), true);
  after.erase("volumes");  // sealed copies and the delta are kept
  EXPECT_EQ(after, before);
}

TEST(MergeOverlay, LeavesOneDiskWithEverythingInIt) {
  Stage stage;
  stage.PlayUntil("merge_overlay");
  stage.Change([](WorldData& world) { EXPECT_TRUE(PostRecord(world, "shop-web1", "order 3")); });
  Life life = stage.LifeOf(*FindStep("merge_overlay"), "web1");
  ASSERT_TRUE(stage.Finish(*FindStep("merge_overlay"), life));
  stage.Change([](WorldData& world) {
    EXPECT_EQ(RecordsOf(world, "shop-web1").value(), (std::vector<std::string>{"order 1", "order 2", "order 3"}));
    for (const DomainDiskSpec& disk : FindDomain(world, "shop-web1")->spec.disks)
      EXPECT_TRUE(FindVolume(world, disk.pool, disk.volume)->backing.empty());
  });
}

TEST(MergeOverlay, RefusesADomainThatIsNotThisRuns) {
  Stage stage;
  stage.PlayUntil("merge_overlay");
  stage.Change([](WorldData& world) { FindDomain(world, "shop-web1")->spec.key = "other"; });
  Life life = stage.LifeOf(*FindStep("merge_overlay"), "web1");
  const Result<Progress> end = stage.Finish(*FindStep("merge_overlay"), life);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
}

}  // namespace
}  // namespace vmferry
