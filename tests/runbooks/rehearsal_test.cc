// SPDX-License-Identifier: Apache-2.0
//
// What a rehearsal takes over from a runbook, what it does otherwise, and what it leaves out, with the reason.
#include "runbooks/rehearsal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "steps/fingerprint.h"

namespace vmferry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PlannedStep Planned(Phase phase, const std::string& name, Json parameters = Json::object()) {
  const Step* step = FindStep(name);
  PlannedStep planned;
  planned.phase = phase;
  planned.name = name;
  planned.parameters = std::move(parameters);
  planned.effect = step != nullptr && step->spec().effect;
  planned.implicit = step != nullptr && step->spec().implicit;
  return planned;
}

Plan ShopPlan() {
  Plan plan;
  plan.application.name = "shop";
  plan.application.target = "kvm";
  plan.application.workloads = {{"web", "/DC/vm/web", "shop-web", "<real/>", "<isolated/>"}};
  plan.application.networks = {{"VM Network", "bridge:br0"}, {"Storage", "network:storage"}};
  plan.application.rehearsal_network = "network:nowhere";
  plan.rollback_window_minutes = 90;
  plan.policy.approval = {"regulated"};
  plan.steps = {Planned(Phase::kPreChecks, "vm_exists"),
                Planned(Phase::kPreChecks, "dns_ttl_lowered"),
                Planned(Phase::kCutover, "claim_source"),
                Planned(Phase::kCutover, "quiesce_application"),
                Planned(Phase::kCutover, "final_data_sync", {{"method", "folder"}}),
                Planned(Phase::kCutover, "power_on_target"),
                Planned(Phase::kCutover, "smoke_test", {{"url", "http://real/"}}),
                Planned(Phase::kCutover, "update_load_balancer"),
                Planned(Phase::kPostChecks, "p95_latency_within_slo"),
                Planned(Phase::kCommit, "merge_overlay"),
                Planned(Phase::kCommit, "release_source")};
  plan.criteria = {Planned(Phase::kSoak, "app_health_check_failure")};
  return plan;
}

std::vector<std::string> NamesOf(const Plan& plan) {
  std::vector<std::string> names;
  for (const PlannedStep& step : plan.steps) names.push_back(step.name);
  return names;
}

std::string WhyWithout(const Plan& plan, const std::string& step) {
  for (const LeftOut& one : plan.left_out)
    if (one.step == step) return one.why;
  return "";
}

TEST(Rehearsal, TriesACloneAndLeavesTheRestAlone) {
  const Result<Plan> plan = MakeRehearsal(ShopPlan());
  ASSERT_TRUE(plan) << Describe(plan.error());
  EXPECT_THAT(NamesOf(*plan), ElementsAre("vm_exists", "rehearsal_fingerprint", "claim_source", "final_data_sync",
                                          "power_on_target"));
  EXPECT_TRUE(plan->criteria.empty());
  EXPECT_TRUE(plan->policy.approval.empty());
  EXPECT_EQ(plan->rollback_window_minutes, 0);
  EXPECT_EQ(WhyWithout(*plan, "quiesce_application"), "the source goes on serving");
  EXPECT_EQ(WhyWithout(*plan, "update_load_balancer"), "traffic stays on the source");
  EXPECT_EQ(WhyWithout(*plan, "dns_ttl_lowered"), "DNS is left alone");
  EXPECT_EQ(WhyWithout(*plan, "merge_overlay"), "a rehearsal is never committed");
  EXPECT_EQ(WhyWithout(*plan, "app_health_check_failure"), "no traffic reaches the clone");
  EXPECT_THAT(WhyWithout(*plan, "smoke_test"), HasSubstr("rehearsalUrl"));
}

TEST(Rehearsal, StandsOnItsOwnNetworkUnderItsOwnName) {
  const Result<Plan> plan = MakeRehearsal(ShopPlan());
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->application.rehearsal);
  for (const auto& [from, to] : plan->application.networks) EXPECT_EQ(to, "network:nowhere") << from;
  EXPECT_EQ(plan->application.workloads[0].domain, "shop-web-rehearsal");
  EXPECT_EQ(plan->application.workloads[0].extra_domain_xml, "<isolated/>");
  EXPECT_EQ(plan->application.workloads[0].vm, "/DC/vm/web");
}

TEST(Rehearsal, AdaptsWhatWouldTouchOrNeedTheRealTarget) {
  Plan real = ShopPlan();
  real.steps[4].parameters["method"] = "nfc";
  real.steps[5].parameters["bootProof"] = "port";
  real.steps[6].parameters = {
      {"url", "http://real/"}, {"rehearsalUrl", "http://clone/"}, {"probes", {"tcp://real:1"}}, {"successes", 3}};
  const Result<Plan> plan = MakeRehearsal(real);
  ASSERT_TRUE(plan);
  const auto named = [&](const std::string& name) -> const PlannedStep& {
    return *std::find_if(plan->steps.begin(), plan->steps.end(), [&](const PlannedStep& step) { return step.name == name; });
  };
  EXPECT_EQ(named("final_data_sync").parameters["method"], "folder");
  EXPECT_EQ(named("power_on_target").parameters["bootProof"], "none");
  EXPECT_EQ(named("smoke_test").parameters, (Json{{"url", "http://clone/"}, {"successes", 3}}));
  for (const char* changed : {"final_data_sync: method", "power_on_target: bootProof", "smoke_test: probes"})
    EXPECT_NE(WhyWithout(*plan, changed), "") << changed;
}

TEST(Rehearsal, TakesTheFingerprintBeforeTheFirstEffect) {
  Plan real = ShopPlan();
  real.steps[2].phase = Phase::kPreChecks;  // where dns_ttl_lowered brings the claim with it
  const Result<Plan> plan = MakeRehearsal(real);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->steps[1].name, kRehearsalFingerprint);
  EXPECT_EQ(plan->steps[1].phase, Phase::kPreChecks);
  EXPECT_TRUE(plan->steps[1].effect);
}

TEST(Rehearsal, CountsTheCutoversStepsThatItDoesNotTry) {
  const Result<Plan> plan = MakeRehearsal(ShopPlan());
  ASSERT_TRUE(plan);
  std::vector<std::string> cutover;
  for (const LeftOut& one : plan->left_out)
    if (one.cutover) cutover.push_back(one.step);
  EXPECT_THAT(cutover, ElementsAre("quiesce_application", "smoke_test", "update_load_balancer"));
}

TEST(Rehearsal, NeedsANetworkThatTheSiteNames) {
  Plan plan = ShopPlan();
  plan.application.rehearsal_network.clear();
  const Result<Plan> refused = MakeRehearsal(plan);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(refused.error().advice, HasSubstr("platform `kvm`"));
}

TEST(Rehearsal, NeedsSomethingThatStarts) {
  Plan plan = ShopPlan();
  std::erase_if(plan.steps, [](const PlannedStep& step) { return step.name == "power_on_target"; });
  const Result<Plan> refused = MakeRehearsal(plan);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("starts nothing"));
}

// A step that nobody has thought about is left out, which is safe; but somebody should think about it.
TEST(Rehearsal, EveryWrittenStepOfTheCatalogueHasAFate) {
  for (const Step* step : AllSteps()) {
    if (step->spec().criterion || step->spec().implicit) continue;
    Plan plan = ShopPlan();
    plan.steps.push_back(Planned(Phase::kPostChecks, step->spec().name));
    const Result<Plan> rehearsal = MakeRehearsal(plan);
    ASSERT_TRUE(rehearsal);
    EXPECT_NE(WhyWithout(*rehearsal, step->spec().name), "it is not known how to try it on a clone")
        << step->spec().name << ": runbooks/rehearsal.cc";
  }
}

TEST(Rehearsal, LeavesOutWhatItDoesNotKnow) {
  Plan plan = ShopPlan();
  plan.steps.push_back(Planned(Phase::kPostChecks, "of_tomorrow"));
  const Result<Plan> rehearsal = MakeRehearsal(plan);
  ASSERT_TRUE(rehearsal);
  EXPECT_EQ(WhyWithout(*rehearsal, "of_tomorrow"), "it is not known how to try it on a clone");
}

TEST(Rehearsal, SurvivesItsJson) {
  const Result<Plan> plan = MakeRehearsal(ShopPlan());
  ASSERT_TRUE(plan);
  const Result<Plan> read = PlanFromText(PlanToJson(*plan).dump());
  ASSERT_TRUE(read) << Describe(read.error());
  EXPECT_EQ(PlanToJson(*read), PlanToJson(*plan));
  EXPECT_TRUE(read->application.rehearsal);
  EXPECT_EQ(read->left_out.size(), plan->left_out.size());
}

}  // namespace
}  // namespace vmferry
