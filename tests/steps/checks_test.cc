// SPDX-License-Identifier: Apache-2.0
//
// What the pre-checks and the smoke test refuse, one reason at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "stage.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

// Changes the world or the site, and says what the error must then be.
struct Refusal {
  std::string name;
  std::string step;
  ErrorKind kind;
  std::string message;
  std::string advice;
  std::function<void(Stage&)> arrange;
};

FakeVm& Web1(WorldData& world) {
  return *FindVmByPath(world, "/DC0/vm/web1");
}

Refusal OfVm(std::string name, ErrorKind kind, std::string message, std::string advice,
             std::function<void(FakeVm&)> change) {
  return {std::move(name),
          "vm_exists",
          kind,
          std::move(message),
          std::move(advice),
          [change = std::move(change)](Stage& stage) { stage.Change([&](WorldData& world) { change(Web1(world)); }); }};
}

std::vector<Refusal> VmRefusals() {
  const ErrorKind invalid = ErrorKind::kInvalid;
  const ErrorKind conflict = ErrorKind::kConflict;
  return {
      OfVm("Snapshots", invalid, "it has snapshots: before update", "consolidate",
           [](FakeVm& vm) {
             vm.snapshots = {{"s1", "before update", "", {}}};
           }),
      OfVm("Suspended", invalid, "it is suspended", "resume", [](FakeVm& vm) { vm.facts.power = "suspended"; }),
      OfVm("PowerNotKnown", invalid, "its power state is not known", "host",
           [](FakeVm& vm) { vm.facts.power = "odd"; }),
      OfVm("Tpm", invalid, "virtual TPM", "TPM off", [](FakeVm& vm) { vm.facts.tpm = true; }),
      OfVm("NoDisks", invalid, "it has no disks", "nothing to move", [](FakeVm& vm) { vm.disks.clear(); }),
      OfVm("RawDeviceMapping", invalid, "Hard disk 1 is a raw device mapping", "VMDK",
           [](FakeVm& vm) { vm.disks[0].facts.raw_device_mapping = true; }),
      OfVm("IndependentDisk", invalid, "Hard disk 2 is independent (independent_persistent)", "dependent",
           [](FakeVm& vm) { vm.disks[1].facts.mode = "independent_persistent"; }),
      OfVm("SharedDisk", invalid, "Hard disk 1 is shared", "shared disks",
           [](FakeVm& vm) { vm.disks[0].facts.shared = true; }),
      OfVm("DiskOfSizeZero", invalid, "Hard disk 1 has size zero", "[datastore1]",
           [](FakeVm& vm) { vm.disks[0].facts.capacity_bytes = 0; }),
      OfVm("DiskNotOnADatastore", invalid, "Hard disk 1 is not on a datastore", "move the disk",
           [](FakeVm& vm) { vm.disks[0].facts.path = "/vmfs/devices/x"; }),
      OfVm("DatastoreNotMapped", invalid, "datastore other, which the site maps to no pool", "storage mapping",
           [](FakeVm& vm) { vm.disks[0].facts.path = "[other] web1/web1.vmdk"; }),
      OfVm("NetworkNotMapped", invalid, "network DMZ, which the site maps to no network", "network mapping",
           [](FakeVm& vm) { vm.facts.nics[0].network = "DMZ"; }),
      OfVm("ClaimedByAnotherRun", conflict, "claimed by run r-other (r-other/shop/web1)", "vmferry status r-other",
           [](FakeVm& vm) { vm.facts.claim = "r-other/shop/web1"; }),
      OfVm("AlreadyMigrated", conflict, "already migrated (r-old shop-web1 on kvm)", "vmferry audit show r-old",
           [](FakeVm& vm) { vm.facts.migrated = "r-old shop-web1 on kvm"; }),
      {"Missing", "vm_exists", ErrorKind::kNotFound, "", "",
       [](Stage& stage) { stage.application.workloads[0].vm = "/DC0/vm/gone"; }},
      {"NameTwice", "vm_exists", conflict, "", "",
       [](Stage& stage) {
         stage.Change([](WorldData& world) {
           FakeVm twin = Web1(world);
           twin.facts.path = "/DC0/vm/Team-B/web1";
           world.vms.push_back(twin);
         });
         stage.application.workloads[0].vm = "web1";
       }},
  };
}

std::vector<Refusal> TargetRefusals() {
  const ErrorKind invalid = ErrorKind::kInvalid;
  const auto world = [](std::function<void(WorldData&)> change) {
    return [change = std::move(change)](Stage& stage) { stage.Change(change); };
  };
  return {
      {"PoolTooSmall", "target_capacity", invalid,
       "not enough space: 32 MiB needed by the application, 31 MiB available", "free space",
       world([](WorldData& w) { w.pools[0].capacity_bytes = 31 << 20; })},
      {"NoSuchPool", "target_capacity", invalid, "the target has no such pool", "create it",
       [](Stage& stage) { stage.application.storage["datastore1"] = "nowhere"; }},
      {"NotEnoughMemory", "target_capacity", invalid, "512 MiB needed by the application, 511 MiB free", "free memory",
       world([](WorldData& w) { w.host.memory_mib = 511; })},
      {"NotEnoughCpus", "target_capacity", invalid, "the VM has 4 CPUs, the host 2", "fewer CPUs",
       world([](WorldData& w) { w.host.cpus = 2, Web1(w).facts.cpus = 4; })},
      {"NoFirmware", "target_capacity", invalid, "no firmware efi (usable: bios)", "OVMF",
       world([](WorldData& w) { w.host.firmwares = {"bios"}, Web1(w).facts.firmware = "efi"; })},
      {"NoDomainType", "target_capacity", invalid, "cannot run domains of type kvm (usable: qemu)", "domainType",
       [](Stage& stage) { stage.application.domain_type = "kvm"; }},
      {"NoNetwork", "target_capacity", invalid, "the target has no such network (known: lan)", "define it",
       world([](WorldData& w) { w.host.networks = {"lan"}; })},
      {"NameTaken", "target_name_free", ErrorKind::kConflict, "not made by vmferry", "another `domain`",
       world([](WorldData& w) {
         FakeDomain domain;
         domain.spec.domain = "shop-web1";
         w.domains.push_back(domain);
       })},
      {"NameTakenByAnotherRun", "target_name_free", ErrorKind::kConflict, "made by vmferry under key 0123456789ab",
       "remove that domain", world([](WorldData& w) {
         FakeDomain domain;
         domain.spec.domain = "shop-web1";
         domain.spec.key = "0123456789abcdef";
         w.domains.push_back(domain);
       })},
      // Only the dry run refused it: the run booted the target into live traffic.
      {"TargetServesAlready", "target_out_of_service", ErrorKind::kConflict, "the target's server is ready already",
       "before the run", world([](WorldData& w) { w.load_balancers[0].servers[1].instances["lb1"].state = "ready"; })},
      {"TwoWorkloadsOfOneName", "target_name_free", invalid, "workload db1 has the same domain name", "its own",
       [](Stage& stage) { stage.application.workloads[1].domain = "shop-web1"; }},
  };
}

class CheckRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(CheckRefuses, InOneClearErrorAndInTheForecast) {
  Stage stage;
  GetParam().arrange(stage);
  const Step& step = *FindStep(GetParam().step);
  const std::size_t history = stage.Look().history.size();
  Life life = stage.LifeOf(step, "web1");
  const Result<Progress> progress = stage.Round(step, life);
  ASSERT_FALSE(progress);
  const Error& error = progress.error();
  EXPECT_EQ(error.kind, GetParam().kind) << Describe(error);
  EXPECT_THAT(error.message, HasSubstr(GetParam().message));
  EXPECT_THAT(error.advice, HasSubstr(GetParam().advice));
  EXPECT_FALSE(error.system.empty());
  EXPECT_FALSE(error.object.empty());
  const Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  ASSERT_FALSE(forecast->problems.empty());
  EXPECT_EQ(Describe(forecast->problems.front()), Describe(error));
  EXPECT_EQ(stage.Look().history.size(), history);
}

std::string NameOf(const testing::TestParamInfo<Refusal>& refusal) {
  return refusal.param.name;
}
INSTANTIATE_TEST_SUITE_P(VmExists, CheckRefuses, testing::ValuesIn(VmRefusals()), NameOf);
INSTANTIATE_TEST_SUITE_P(Target, CheckRefuses, testing::ValuesIn(TargetRefusals()), NameOf);

TEST(VmExists, TellsAllReasonsAtOnce) {
  Stage stage;
  stage.Change([](WorldData& world) {
    Web1(world).facts.tpm = true;
    Web1(world).snapshots = {{"s1", "old", "", {}}};
  });
  Life life = stage.LifeOf(*FindStep("vm_exists"), "web1");
  const Result<Progress> progress = stage.Round(*FindStep("vm_exists"), life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().message, "it has snapshots: old; it has a virtual TPM, whose secrets cannot be moved");
}

TEST(VmExists, ReportsMissingGuestToolsInItsFacts) {
  Stage stage;
  stage.Change([](WorldData& world) { Web1(world).facts.tools = "not installed"; });
  Life life = stage.LifeOf(*FindStep("vm_exists"), "web1");
  const Result<Progress> progress = stage.Finish(*FindStep("vm_exists"), life);
  ASSERT_TRUE(progress) << Describe(progress.error());
  EXPECT_THAT(life.facts["warnings"].dump(), HasSubstr("guest tools are not installed"));
}

TEST(TargetCapacity, LeavesTheReserveFree) {
  Stage stage;
  stage.Change([](WorldData& world) { world.pools[0].capacity_bytes = 40 << 20; });
  Life life = stage.LifeOf(*FindStep("target_capacity"), "web1");
  life.parameters["reserve"] = 8 << 20;
  ASSERT_TRUE(stage.Round(*FindStep("target_capacity"), life));
  life.parameters["reserve"] = (8 << 20) + 1;
  const Result<Progress> progress = stage.Round(*FindStep("target_capacity"), life);
  ASSERT_FALSE(progress);
  EXPECT_THAT(progress.error().message, HasSubstr("32 MiB needed by the application and 8 MiB reserved"));
}

TEST(TargetCapacity, RawNeedsRoomForOneCopyOnly) {
  Stage stage;
  stage.Change([](WorldData& world) { world.pools[0].capacity_bytes = 16 << 20; });
  Life life = stage.LifeOf(*FindStep("target_capacity"), "db1");
  EXPECT_FALSE(stage.Round(*FindStep("target_capacity"), life));
  life.parameters["format"] = "raw";
  EXPECT_TRUE(stage.Round(*FindStep("target_capacity"), life));
}

TEST(CommandStep, TheExitCodeDecides) {
  Stage stage;
  const Step& step = *FindStep("command");
  Life life = stage.LifeOf(step);
  const Result<Progress> good = stage.Round(step, life);
  ASSERT_TRUE(good) << Describe(good.error());
  EXPECT_EQ(good->state, Progress::State::kDone);
  EXPECT_EQ(good->facts, (Json{{"output", "--quick"}}));
  life = stage.LifeOf(step);
  life.parameters["arguments"] = {"fail", "orders"};
  const Result<Progress> bad = stage.Round(step, life);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(bad.error().message, HasSubstr("exit code 1: fail orders"));
  life.parameters["retryEvery"] = 2000;
  const Result<Progress> again = stage.Round(step, life);
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(again->state, Progress::State::kNotYet);
  EXPECT_EQ(again->after, std::chrono::seconds(2));
  EXPECT_THAT(again->meter.text, HasSubstr("exit code 1"));
}

TEST(SmokeTest, GoesOnAskingAndSaysWhy) {
  Stage stage;
  stage.PlayUntil("smoke_test");
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = true; });
  const Step& step = *FindStep("smoke_test");
  Life life = stage.LifeOf(step);
  const Result<Progress> red = stage.Round(step, life);
  ASSERT_TRUE(red) << Describe(red.error());
  EXPECT_EQ(red->state, Progress::State::kNotYet);
  EXPECT_THAT(red->meter.text, HasSubstr("http://web1.kvm.example/ is not healthy: status 503"));
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = false; });
  EXPECT_TRUE(stage.Finish(step, life));
}

TEST(SmokeTest, WantsSuccessesInARow) {
  Stage stage;
  stage.PlayUntil("smoke_test");
  const Step& step = *FindStep("smoke_test");
  Life life = stage.LifeOf(step);
  ASSERT_EQ(stage.Round(step, life)->state, Progress::State::kNotYet);
  EXPECT_EQ(life.facts["successes"], 1);
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = true; });
  ASSERT_EQ(stage.Round(step, life)->state, Progress::State::kNotYet);
  EXPECT_EQ(life.facts["successes"], 0);
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = false; });
  ASSERT_EQ(stage.Round(step, life)->state, Progress::State::kNotYet);
  EXPECT_EQ(stage.Round(step, life)->state, Progress::State::kDone);
}

// All in one round: a stage on which everything answers, and the ways in which one probe alone can fail.
class SmokeProbes : public testing::Test {
 protected:
  void SetUp() override {
    stage_.PlayUntil("smoke_test");
    life_ = stage_.LifeOf(step_);
    life_.parameters.erase("url");
    life_.parameters["probes"] = {"http://web1.kvm.example/", "tcp://web1.kvm.example:80", "command:http"};
  }
  Stage stage_;
  const Step& step_ = *FindStep("smoke_test");
  Life life_;
};

TEST_F(SmokeProbes, AreEvidenceOfTheOutcome) {
  ASSERT_EQ(stage_.Round(step_, life_)->state, Progress::State::kNotYet);
  const Result<Progress> done = stage_.Round(step_, life_);
  ASSERT_TRUE(done) << Describe(done.error());
  ASSERT_EQ(done->state, Progress::State::kDone);
  EXPECT_EQ(done->facts["successes"], 2);
  ASSERT_EQ(done->facts["probes"].size(), 3U);
  EXPECT_EQ(done->facts["probes"][0]["probe"], "http://web1.kvm.example/");
  EXPECT_EQ(done->facts["probes"][0]["status"], 200);
  EXPECT_EQ(done->facts["probes"][1]["probe"], "tcp://web1.kvm.example:80");
  EXPECT_EQ(done->facts["probes"][2], (Json{{"probe", "command:http"}, {"output", ""}}));
}

TEST_F(SmokeProbes, OneThatFailsIsNamedAndBeginsTheCountAnew) {
  ASSERT_EQ(stage_.Round(step_, life_)->state, Progress::State::kNotYet);
  EXPECT_EQ(life_.facts["successes"], 1);
  life_.parameters["probes"][1] = "tcp://nowhere.example:80";
  const Result<Progress> red = stage_.Round(step_, life_);
  ASSERT_TRUE(red) << Describe(red.error());
  EXPECT_EQ(red->state, Progress::State::kNotYet);
  EXPECT_EQ(life_.facts["successes"], 0);
  EXPECT_THAT(red->meter.text, HasSubstr("tcp://nowhere.example:80 is not healthy: cannot resolve nowhere.example"));
  EXPECT_THAT(red->meter.text, testing::Not(HasSubstr("http://web1")));
}

TEST_F(SmokeProbes, StandBesideTheUrl) {
  life_.parameters["url"] = "http://web1.kvm.example/";
  life_.parameters["probes"] = {"tcp://web1.kvm.example:80"};
  const Result<Progress> done = stage_.Finish(step_, life_);
  ASSERT_TRUE(done) << Describe(done.error());
  EXPECT_EQ(done->facts["url"], "http://web1.kvm.example/");
  EXPECT_EQ(done->facts["status"], 200);
  EXPECT_EQ(done->facts["probes"].size(), 2U);
}

TEST_F(SmokeProbes, AreRefusedWhenNobodyCanAskThem) {
  const std::vector<std::pair<Json, std::string>> cases{
      {{"ftp://web1.kvm.example/"}, "is of no kind that is known"},
      {{"command:nobody"}, "the site names no such system"},
      {{"command:"}, "entry 1 names no service"},
      {{"command:http", "tcp://web1.kvm.example"}, "entry 2 is not tcp://HOST:PORT"},
      {{"tcp://web1.kvm.example:80/x"}, "is not tcp://HOST:PORT"},
      {{"tcp://web1.kvm.example:0"}, "is not tcp://HOST:PORT"},
      {{"http://"}, "is no http or https address"},
      {Json::array(), "neither `url` nor `probes`"}};
  for (const auto& [probes, words] : cases) {
    life_.parameters["probes"] = probes;
    const Result<Progress> refused = stage_.Round(step_, life_);
    ASSERT_FALSE(refused) << probes;
    EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(refused.error().message, HasSubstr(words));
    const Result<Forecast> forecast = stage_.Predict(step_, life_);
    ASSERT_TRUE(forecast);
    ASSERT_FALSE(forecast->problems.empty()) << probes;
    EXPECT_THAT(forecast->problems.front().message, HasSubstr(words));
  }
}

// An entry was taken as any text, so that a login in it went into plan, journal and errors. It is refused before it is
// asked, and never repeated.
TEST_F(SmokeProbes, ALoginInAProbeIsRefusedAndNotTold) {
  for (const char* probe : {"https://shop:hunter2@web1.kvm.example/", "tcp://shop:hunter2@web1.kvm.example:80",
                            "ftp://shop:hunter2@web1.kvm.example/"}) {
    life_.parameters["probes"] = {probe};
    const Result<Progress> refused = stage_.Round(step_, life_);
    ASSERT_FALSE(refused) << probe;
    EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(Describe(refused.error()), Not(HasSubstr("hunter2")));
    const Result<Forecast> forecast = stage_.Predict(step_, life_);
    ASSERT_TRUE(forecast);
    ASSERT_FALSE(forecast->problems.empty());
    EXPECT_THAT(forecast->will + Describe(forecast->problems.front()), Not(HasSubstr("hunter2")));
  }
}

}  // namespace
}  // namespace vmferry
