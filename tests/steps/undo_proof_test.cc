// SPDX-License-Identifier: Apache-2.0
//
// What keeps an undo from being proved, step by step, and what undo_proven makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "stage.h"
#include "steps/undo_proof.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

FakeVm& Web(WorldData& world) {
  return *FindVmByPath(world, "/DC0/vm/web1");
}
FakeLbPool& Shop(WorldData& world) {
  return world.load_balancers.front();
}
void Forget(WorldData& world, const std::string& server) {
  std::erase_if(Shop(world).servers, [&server](const FakeServer& known) { return known.name == server; });
}

struct Broken {
  std::string title;
  std::string step;
  std::function<void(WorldData&)> how;
  ErrorKind kind;
  std::string says;  // part of the problem
};

const std::vector<Broken>& AllBroken() {
  static const std::vector<Broken> all{
      {"AnotherRunHasTheVm", "claim_source", [](WorldData& w) { Web(w).facts.claim = "r-other/shop/web1"; },
       ErrorKind::kConflict, "r-other"},
      {"TheVmIsGone", "claim_source", [](WorldData& w) { w.vms.clear(); }, ErrorKind::kNotFound, "no such VM"},
      {"TheSourceVmIsGone", "quiesce_application", [](WorldData& w) { w.vms.erase(w.vms.begin()); },
       ErrorKind::kNotFound, "no such VM"},
      {"ItHasNoDisks", "quiesce_application", [](WorldData& w) { Web(w).disks.clear(); }, ErrorKind::kConflict,
       "no disks to boot from"},
      {"ItIsSuspended", "quiesce_application", [](WorldData& w) { Web(w).facts.power = "suspended"; },
       ErrorKind::kConflict, "it is suspended"},
      {"ANicWouldNotComeBack", "quiesce_application",
       [](WorldData& w) { Web(w).facts.nics.front().start_connected = false; }, ErrorKind::kConflict,
       "would come back without it"},
      {"PrivilegesAreMissing", "quiesce_application",
       [](WorldData& w) { Web(w).lacking = {"VirtualMachine.Interact.PowerOn"}; }, ErrorKind::kDenied,
       "lacks the privileges VirtualMachine.Interact.PowerOn"},
      {"TheOldServerIsGone", "quiesce_application", [](WorldData& w) { Forget(w, "vmware"); }, ErrorKind::kNotFound,
       "no such server, only kvm"},
      {"TheHealthPageIsSick", "quiesce_application", [](WorldData& w) { w.guests["web1"].sick_on_source = true; },
       ErrorKind::kUnavailable, "wait for it in vain"},
      {"TheInstancesDiffer", "quiesce_application",
       [](WorldData& w) {
         Shop(w).instances = {"lb1", "lb2"};
         Shop(w).servers.front().instances["lb2"] = {"maint", 100};
       },
       ErrorKind::kConflict, "instances differ"},
      {"TheTargetsServerIsGone", "update_load_balancer", [](WorldData& w) { Forget(w, "kvm"); }, ErrorKind::kNotFound,
       "no such server, only vmware"},
      {"TheOldServerIsGoneAfterwards", "update_load_balancer", [](WorldData& w) { Forget(w, "vmware"); },
       ErrorKind::kNotFound, "no such server, only kvm"},
      {"TheSocketMayNotChangeIt", "update_load_balancer", [](WorldData& w) { Shop(w).read_only = true; },
       ErrorKind::kDenied, "Permission denied"},
      {"AnInstanceIsDown", "update_load_balancer", [](WorldData& w) { Shop(w).unreachable = {"lb1"}; },
       ErrorKind::kUnavailable, "connection refused"},
      {"TheKeyMayNotChangeTheTtl", "dns_ttl_lowered", [](WorldData& w) { w.dns.read_only = true; }, ErrorKind::kDenied,
       "REFUSED"},
      {"TheRecordWithTheTtlIsGone", "dns_ttl_lowered",
       [](WorldData& w) { w.dns.records.front() = {"shop.example.com", "TXT", {{"x"}, 120}}; }, ErrorKind::kNotFound,
       "no records of this type"},
      {"TheKeyMayNotChangeTheRecord", "update_dns", [](WorldData& w) { w.dns.read_only = true; }, ErrorKind::kDenied,
       "REFUSED"},
      {"TheRecordIsGone", "update_dns", [](WorldData& w) { w.dns.records.clear(); }, ErrorKind::kNotFound,
       "there is no such name"},
      {"ThePoolOfTheCopiesIsGone", "final_data_sync", [](WorldData& w) { w.pools.front().name = "other"; },
       ErrorKind::kConflict, "the target has no such pool"},
      {"ThePoolOfTheConvertedIsGone", "convert_image", [](WorldData& w) { w.pools.front().name = "other"; },
       ErrorKind::kConflict, "the target has no such pool"},
      {"ThePoolOfTheProfileIsGone", "attach_target_storage_profile",
       [](WorldData& w) { w.pools.front().name = "other"; }, ErrorKind::kInvalid, "the target has no such pool"},
      {"TheDomainsNameIsTaken", "power_on_target",
       [](WorldData& w) {
         w.domains.emplace_back();
         w.domains.back().spec.domain = "shop-web1";
         w.domains.back().spec.key = "somebody's";
       },
       ErrorKind::kConflict, "it is not of this run"},
      {"TheBackupProductIsDown", "backup_job_succeeds", [](WorldData& w) { w.vault.reachable = false; },
       ErrorKind::kUnavailable, ""},
  };
  return all;
}

class UndoProofs : public testing::TestWithParam<Broken> {
 protected:
  UndoProofs() { stage.PlayUntil("claim_source"); }
  const Step& step = *FindStep(GetParam().step);
  std::string workload() const { return step.spec().scope == Scope::kWorkload ? "web1" : ""; }
  Stage stage;
};

TEST_P(UndoProofs, FailForTheReasonThatThereIs) {
  Life life = stage.LifeOf(step, workload());
  const Result<UndoProof> whole = stage.ProveUndo(step, life);
  ASSERT_TRUE(whole) << Describe(whole.error());
  ASSERT_TRUE(whole->problems.empty()) << Describe(whole->problems.front());
  stage.Change(GetParam().how);
  const Result<UndoProof> proof = stage.ProveUndo(step, life);
  ASSERT_TRUE(!proof || !proof->problems.empty());
  const Error& problem = proof ? proof->problems.front() : proof.error();
  EXPECT_EQ(problem.kind, GetParam().kind) << Describe(problem);
  EXPECT_THAT(problem.message, HasSubstr(GetParam().says));
  EXPECT_FALSE(problem.system.empty());
}

// One application, one cause: the run does not pass, or passes with it on record.
TEST_P(UndoProofs, KeepTheRunFromItsCutoverUnlessPassedOver) {
  const Step& check = *FindStep(kUndoProven);
  stage.Change(GetParam().how);
  Life life = stage.LifeOf(check);
  const Result<Progress> refused = stage.Round(check, life);
  ASSERT_FALSE(refused);
  const std::string said = Describe(refused.error());
  EXPECT_THAT(said, HasSubstr("undo of " + GetParam().step));
  EXPECT_THAT(said, HasSubstr(GetParam().says));
  EXPECT_THAT(said, HasSubstr("--override undo_proven --reason"));
  EXPECT_EQ(SafeToRetry(refused.error()), GetParam().kind == ErrorKind::kUnavailable) << said;

  life.parameters["overridden"] = true;
  const Result<Progress> passed = stage.Round(check, life);
  ASSERT_TRUE(passed) << Describe(passed.error());
  EXPECT_GE(passed->facts["notProven"], 1);
  EXPECT_EQ(passed->facts["overridden"], true);
  EXPECT_THAT(passed->facts.dump(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(Broken, UndoProofs, testing::ValuesIn(AllBroken()),
                         [](const auto& test) { return test.param.title; });

class UndoProven : public testing::Test {
 protected:
  UndoProven() { life = stage.LifeOf(step); }
  Json Facts() {
    const Result<Progress> end = stage.Finish(step, life);
    EXPECT_TRUE(end) << Describe(end.error());
    return end ? end->facts : Json();
  }
  const Step& step = *FindStep(kUndoProven);
  Stage stage;
  Life life;
};

TEST_F(UndoProven, FactsSayOfEveryUndoWhatWasSeenAndHowLongItTakes) {
  const Json facts = Facts();
  EXPECT_EQ(facts["notProven"], 0);
  EXPECT_EQ(facts["undos"].size(), life.parameters["effects"].size());
  for (const Json& undo : facts["undos"]) EXPECT_FALSE(undo["proven"].get<std::string>().empty()) << undo.dump();
  // Boot of the source and its start command, domain, name servers.
  EXPECT_EQ(facts["takesMs"], 180000 + 60000 + 30000 + 60000);
  EXPECT_EQ(facts["windowMs"], 5400000);
}

TEST_F(UndoProven, DeclaredTimesMakeTheEstimate) {
  for (Json& effect : life.parameters["effects"]) {
    if (effect["name"] == "quiesce_application") effect["parameters"]["bootEstimate"] = 600000;
    if (effect["name"] == "power_on_target") effect["parameters"]["stopDeadline"] = 90000;
  }
  EXPECT_EQ(Facts()["takesMs"], 600000 + 60000 + 90000 + 60000);
}

TEST_F(UndoProven, TheProgramThatStartsTheSourceMustBeThere) {
  for (Json& effect : life.parameters["effects"])
    if (effect["name"] == "quiesce_application") effect["parameters"]["startCommand"] = "gone";
  const Result<Progress> refused = stage.Round(step, life);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().system, "gone");
}

TEST_F(UndoProven, AVmThatIsOffNeedsNoTimeToBoot) {
  stage.Change([](WorldData& world) {
    for (FakeVm& vm : world.vms) vm.facts.power = "off";
  });
  EXPECT_EQ(Facts()["takesMs"], 30000 + 60000);
}

TEST_F(UndoProven, AWayBackThatTakesLongerThanTheWindowIsNone) {
  life.parameters["windowMs"] = 330000;
  EXPECT_EQ(Facts()["takesMs"], 330000) << "as long as the window is within it";
  life.parameters["windowMs"] = 300000;
  const Result<Progress> refused = stage.Round(step, life);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("it may take 5m 30s, longer than rollbackWindowMinutes (5m)"));
  EXPECT_THAT(refused.error().message, HasSubstr("3m for the source to boot (bootEstimate)"));
  life.parameters["windowMs"] = 0;
  EXPECT_EQ(Facts()["windowMs"], 0) << "without a window nothing is compared";
}

TEST_F(UndoProven, AllThatFailsIsNamedAtOnceWithItsAdvice) {
  stage.Change([](WorldData& world) {
    Forget(world, "vmware");
    world.dns.read_only = true;
  });
  const Result<Progress> refused = stage.Round(step, life);
  ASSERT_FALSE(refused);
  const std::string& message = refused.error().message;
  for (const char* part : {"undo of quiesce_application, server shop/vmware", "undo of update_load_balancer",
                           "undo of dns_ttl_lowered", "undo of update_dns, record shop.example.com AAAA", "edge", "names",
                           "correct the server's name in the site file"})
    EXPECT_THAT(message, HasSubstr(part));
  EXPECT_THAT(refused.error().object, HasSubstr("proofs of undo failed"));
}

TEST_F(UndoProven, WhatPassesByItselfIsLookedAtAgain) {
  stage.Change([](WorldData& world) { Shop(world).unreachable = {"lb1"}; });
  Result<Progress> refused = stage.Round(step, life);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(SafeToRetry(refused.error()));
  life.elapsed = milliseconds(60000);
  refused = stage.Round(step, life);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(SafeToRetry(refused.error())) << "not for ever";
  EXPECT_THAT(refused.error().message, HasSubstr("connection refused"));
  life.elapsed = milliseconds(0);
  stage.Change([](WorldData& world) { world.dns.read_only = true; });
  refused = stage.Round(step, life);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(SafeToRetry(refused.error())) << "what does not pass counts";
}

TEST_F(UndoProven, NothingIsAskedTwice) {
  std::map<std::string, int> calls;
  stage.BeforeCalls([&calls](const CallSpec& call) { ++calls[std::string(call.role) + "." + std::string(call.name)]; });
  stage.Change([](WorldData& world) { Shop(world).unreachable = {"lb1"}; });
  ASSERT_FALSE(stage.Round(step, life));
  EXPECT_EQ(calls["source.DescribeVm"], 2) << "once for each VM";
  EXPECT_EQ(calls["target.DescribeTarget"], 1);
  EXPECT_EQ(calls["load_balancer.DescribePool"], 1) << "also when it does not answer";
}

TEST_F(UndoProven, ADryRunSaysTheSame) {
  stage.Change([](WorldData& world) { Shop(world).read_only = true; });
  Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  EXPECT_EQ(forecast->problems.size(), 3U) << "the old server twice, the new one once";
  life.parameters["overridden"] = true;
  forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  EXPECT_TRUE(forecast->problems.empty());
  EXPECT_THAT(forecast->will, HasSubstr("overridden"));
}

// A TTL that was found low, and a record that leads to the target already, are not this run's to take back.
TEST_F(UndoProven, WhatNeedsNoUndoNeedsNoKey) {
  stage.Change([](WorldData& world) {
    world.dns.read_only = true;
    for (FakeRecords& entry : world.dns.records) entry.set.ttl = 30;
    world.dns.records[0].set.values = {"10.0.0.2"};
    world.dns.records[1].set.values = {"fd00::2"};
  });
  const Json facts = Facts();  // a loop over a part of a temporary outlives it
  for (const Json& undo : facts["undos"]) {
    const std::string name = undo["step"];
    if (name == "dns_ttl_lowered" || name == "update_dns") {
      EXPECT_EQ(undo["proven"], "nothing to undo");
    }
  }
}

TEST_F(UndoProven, ATtlThatThisRunLoweredNeedsTheKeyToComeBack) {
  stage.PlayUntil("undo_proven");
  stage.Change([](WorldData& world) { world.dns.read_only = true; });
  const Result<Progress> refused = stage.Round(step, life);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("undo of dns_ttl_lowered"));
}

}  // namespace
}  // namespace vmferry
