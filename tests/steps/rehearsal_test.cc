// SPDX-License-Identifier: Apache-2.0
//
// The steps of a rehearsal: a clone of VMs that go on serving, on a network of its own, and nothing of it stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plugins/fake/machine.h"
#include "stage.h"
#include "steps/fingerprint.h"

namespace vmferry {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RehearsalSteps : public testing::Test {
 protected:
  RehearsalSteps() {
    stage.Change([](WorldData& world) { world.host.networks.emplace_back("nowhere"); });
    stage.application.rehearsal = true;
    stage.application.rehearsal_network = "network:nowhere";
    stage.application.networks = {{"VM Network", "network:nowhere"}};
    for (Workload& workload : stage.application.workloads) workload.domain = RehearsalDomain(workload.domain);
  }
  // As runbooks/rehearsal.h has them.
  Life LifeOf(const Step& step, const std::string& workload = "") {
    Life life = stage.LifeOf(step, workload);
    if (life.parameters.contains("method")) life.parameters["method"] = "folder";
    return life;
  }
  // Does steps up to `last` and remembers them for the way back.
  void Do(const std::string& last) {
    for (const char* name : {"rehearsal_fingerprint", "claim_source", "final_data_sync", "convert_image",
                             "attach_target_storage_profile", "power_on_target"}) {
      const Step& step = *FindStep(name);
      const bool each = step.spec().scope == Scope::kWorkload;
      for (const std::string& workload : each ? std::vector<std::string>{"web1", "db1"} : std::vector<std::string>{""}) {
        Life life = LifeOf(step, workload);
        const Result<Progress> end = stage.Finish(step, life);
        ASSERT_TRUE(end) << name << ": " << Describe(end.error());
        done.emplace_back(&step, life);
      }
      if (name == last) return;
    }
  }
  // The facts of the comparison.
  Json UndoAll() {
    Json facts;
    for (auto entry = done.rbegin(); entry != done.rend(); ++entry) {
      entry->second.elapsed = std::chrono::milliseconds(0);
      const Result<Progress> end = stage.Finish(*entry->first, entry->second, true);
      EXPECT_TRUE(end) << entry->first->spec().name << ": " << Describe(end.error());
      if (end) facts = end->facts;
    }
    return facts;
  }
  void ChangeWeb1(const std::function<void(FakeVm&)>& change) {
    stage.Change([&](WorldData& world) { change(*FindVmByPath(world, "/DC0/vm/web1")); });
  }

  Stage stage;
  std::vector<std::pair<const Step*, Life>> done;
};

TEST_F(RehearsalSteps, TheSourceGoesOnServingAndTheCloneHasItsData) {
  Do("power_on_target");
  WorldData world = stage.Look();
  EXPECT_EQ(FindVmByPath(world, "/DC0/vm/web1")->facts.power, "on");
  EXPECT_EQ(FindVmByPath(world, "/DC0/vm/web1")->facts.fence, "");
  EXPECT_TRUE(FindVmByPath(world, "/DC0/vm/web1")->snapshots.empty()) << "only while it is copied";
  const FakeDomain* clone = FindDomain(world, "shop-web1-rehearsal");
  ASSERT_NE(clone, nullptr);
  EXPECT_EQ(clone->state, "running");
  EXPECT_EQ(clone->spec.nics[0].network, "network:nowhere");
  EXPECT_EQ(FindDomain(world, "shop-web1"), nullptr);
  EXPECT_EQ(RecordsOf(world, "shop-web1-rehearsal").value(), (std::vector<std::string>{"order 1", "order 2"}));
}

TEST_F(RehearsalSteps, WhatIsWrittenDuringTheCopyIsNotInTheSnapshot) {
  Do("claim_source");
  bool written = false;
  stage.BeforeCalls([&](const CallSpec& call) {
    if (call.name != "OpenDisk" || std::exchange(written, true)) return;
    stage.Change([](WorldData& world) { EXPECT_TRUE(PostRecord(world, "/DC0/vm/web1", "order 3")); });
  });
  done.clear();
  const Step& copy = *FindStep("final_data_sync");
  Life life = LifeOf(copy);
  ASSERT_TRUE(stage.Finish(copy, life));
  EXPECT_TRUE(written);
  const Step& start = *FindStep("power_on_target");
  Life started = LifeOf(start);
  started.parameters["bootProof"] = "none";
  ASSERT_TRUE(stage.Finish(start, started));
  WorldData world = stage.Look();
  EXPECT_EQ(RecordsOf(world, "shop-web1-rehearsal").value(), (std::vector<std::string>{"order 1", "order 2"}));
  EXPECT_EQ(RecordsOf(world, "/DC0/vm/web1").value(), (std::vector<std::string>{"order 1", "order 2", "order 3"}));
}

TEST_F(RehearsalSteps, NothingOfItStays) {
  const Json before = Picture(stage.Look());
  Do("power_on_target");
  const Json facts = UndoAll();
  EXPECT_EQ(Picture(stage.Look()), before) << "no sealed copy, either";
  EXPECT_EQ(facts["equal"], true) << facts.dump(2);
  EXPECT_EQ(facts["before"], facts["after"]);
  EXPECT_THAT(facts["differences"], IsEmpty());
}

TEST_F(RehearsalSteps, ACopyThatIsBrokenOffLeavesNoSnapshot) {
  Do("claim_source");
  const Step& copy = *FindStep("final_data_sync");
  Life life = LifeOf(copy);
  while (stage.Vm("db1").snapshots.empty()) ASSERT_TRUE(stage.Round(copy, life));
  stage.Crash();
  ASSERT_TRUE(stage.Finish(copy, life, true));
  for (const FakeVm& vm : stage.Look().vms) EXPECT_TRUE(vm.snapshots.empty()) << vm.facts.path;
  EXPECT_TRUE(stage.Look().pools[0].volumes.empty());
}

TEST_F(RehearsalSteps, SealedCopiesOfOthersAreNotRemoved) {
  Do("convert_image");
  stage.Change([](WorldData& world) {
    for (FakeVolume& volume : world.pools[0].volumes) volume.seal = R"({"key":"of somebody else"})";
  });
  UndoAll();
  EXPECT_FALSE(stage.Look().pools[0].volumes.empty());
}

TEST_F(RehearsalSteps, StartsNothingOnAnyOtherNetwork) {
  Do("convert_image");
  stage.application.networks = {{"VM Network", "network:default"}};
  const Step& start = *FindStep("power_on_target");
  Life life = LifeOf(start);
  const Result<Progress> end = stage.Finish(start, life);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(end.error().message, HasSubstr("would stand on network:default"));
  EXPECT_TRUE(stage.Look().domains.empty());
}

TEST_F(RehearsalSteps, WithoutTheRehearsalTheFenceIsAskedForAsEver) {
  Do("claim_source");
  stage.application.rehearsal = false;
  const Step& copy = *FindStep("final_data_sync");
  Life life = LifeOf(copy);
  const Result<Progress> end = stage.Finish(copy, life);
  ASSERT_FALSE(end);
  EXPECT_THAT(end.error().message, HasSubstr("it is powered on"));
}

TEST_F(RehearsalSteps, TheComparisonNamesWhatSomebodyChanged) {
  Do("claim_source");
  ChangeWeb1([](FakeVm& vm) { vm.facts.cpus = 8, vm.facts.nics[0].start_connected = false; });
  stage.Change([](WorldData& world) {
    FakeVolume left;
    left.name = "shop-web1-rehearsal-0123456789ab-disk1.raw";
    world.pools[0].volumes.push_back(left);
    left.name = "shop-web1-of-somebody-else.raw";
    world.pools[0].volumes.push_back(left);
  });
  const Json facts = UndoAll();
  EXPECT_EQ(facts["equal"], false);
  EXPECT_NE(facts["before"], facts["after"]);
  const auto differences = facts["differences"].get<std::vector<std::string>>();
  EXPECT_EQ(differences.size(), 3u) << facts.dump(2);
  EXPECT_THAT(differences, Contains(HasSubstr("/cpus: ")));
  EXPECT_THAT(differences, Contains(HasSubstr("/startConnected: true, now false")));
  EXPECT_THAT(differences, Contains(HasSubstr("shop-web1-rehearsal-0123456789ab-disk1.raw: nothing, now true")));
}

TEST_F(RehearsalSteps, WhatChangesByItselfIsNoDifference) {
  Do("claim_source");
  ChangeWeb1([](FakeVm& vm) { vm.facts.host = "esx2", vm.facts.tools = "not running", ++vm.version; });
  EXPECT_EQ(UndoAll()["equal"], true);
}

TEST(Fingerprint, DifferencesAreNamedByTheirPlace) {
  EXPECT_THAT(Differences({{"a", {{"b", 1}, {"c", "x"}}}}, {{"a", {{"b", 2}, {"c", "x"}}}, {"d", true}}),
              ElementsAre("a/b: 1, now 2", "d: nothing, now true"));
  EXPECT_THAT(Differences({{"a", 1}}, {{"a", 1}}), IsEmpty());
  Json many = Json::object();
  for (int i = 0; i < 30; ++i) many[std::to_string(i)] = i;
  EXPECT_EQ(Differences(Json::object(), many).back(), "and 10 more");
}

TEST(Fingerprint, VolumesAreToldByTheirNames) {
  EXPECT_TRUE(IsVolumeOf("web-0123456789ab-disk1.raw", "web"));
  EXPECT_TRUE(IsVolumeOf("web-rehearsal-0123456789ab-disk1.overlay.qcow2", "web"));
  EXPECT_TRUE(IsVolumeOf("web-0123456789ab.reserve", "web"));
  EXPECT_FALSE(IsVolumeOf("web-front-0123456789ab-disk1.raw", "web"));
  EXPECT_FALSE(IsVolumeOf("web-0123", "web"));
  EXPECT_EQ(RealDomain(RehearsalDomain("web")), "web");
  EXPECT_EQ(RealDomain("web"), "web");
}

}  // namespace
}  // namespace vmferry
