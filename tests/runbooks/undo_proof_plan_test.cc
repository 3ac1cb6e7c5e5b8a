// SPDX-License-Identifier: Apache-2.0
//
// Where undo_proven stands in a plan, what it is given, and how it is passed over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runbooks/check.h"
#include "steps/undo_proof.h"
#include "tests/runbooks/little_world.h"

namespace vmferry::test {
namespace {

constexpr const char* kSite = R"(apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: lab}
spec:
  platforms:
    vmware: {plugin: vsphere, url: "https://vc1/sdk", password: env:PW}
    kvm: {plugin: libvirt, uri: "qemu:///session"}
  applications:
    shop:
      onRefusal: force
      workloads: [{name: web, vm: /DC/vm/web}, {name: db, vm: /DC/vm/db}]
)";

constexpr const char* kHead = "application: shop\nsourcePlatform: vmware\ntargetPlatform: kvm\n";

Plan PlanFor(const std::string& rest, const std::set<std::string>& overrides = {}) {
  static const StepSpec proof = [] {
    StepSpec spec = LittleStep(std::string(kUndoProven), Scope::kApplication, false);
    spec.implicit = true;
    spec.deadline = std::chrono::minutes(2);
    return spec;
  }();
  static const StepSpec slow = LittleStep("bulk", Scope::kApplication, false);
  CheckOptions options = LittleOptions({{"r.yaml", kHead + rest}, {"site.yaml", kSite}});
  options.vocabulary.steps.push_back(&proof);
  options.vocabulary.steps.push_back(&slow);
  options.policies.overrides = overrides;
  const Checked checked = CheckWave("r.yaml", "site.yaml", options);
  EXPECT_EQ(RenderAll(checked.diagnostics), "");
  return checked.wave ? checked.wave->plans.at(0) : Plan();
}

std::vector<std::string> Names(const Plan& plan) {
  std::vector<std::string> names;
  for (const PlannedStep& step : plan.steps)
    if (step.workload != "db")
      names.push_back(std::string(Name(step.phase)) + " " + std::to_string(step.ordinal) + " " + step.name);
  return names;
}

const PlannedStep* ProofIn(const Plan& plan) {
  for (const PlannedStep& step : plan.steps)
    if (step.name == kUndoProven) return &step;
  return nullptr;
}

constexpr const char* kCutover = "cutoverSteps: [quiesce_application, final_data_sync]\n";

TEST(UndoProvenInPlan, IsTheLastOfThePhaseBeforeTheCutover) {
  EXPECT_EQ(Names(PlanFor(std::string("preChecks: [vm_exists]\n") + kCutover)),
            (std::vector<std::string>{"pre-checks 1 vm_exists", "pre-checks 2 undo_proven", "cutover 1 claim_source",
                                      "cutover 2 quiesce_application", "cutover 3 final_data_sync",
                                      "commit 1 release_source"}));
  EXPECT_EQ(Names(PlanFor(std::string("preChecks: [vm_exists]\nconversionSteps: [bulk]\n") + kCutover)),
            (std::vector<std::string>{"pre-checks 1 vm_exists", "conversion 1 bulk", "conversion 2 undo_proven",
                                      "cutover 1 claim_source", "cutover 2 quiesce_application",
                                      "cutover 3 final_data_sync", "commit 1 release_source"}));
  EXPECT_EQ(Names(PlanFor(kCutover)).front(), "pre-checks 1 undo_proven");
}

TEST(UndoProvenInPlan, IsNotAddedWhereTheCutoverChangesNothing) {
  EXPECT_EQ(ProofIn(PlanFor("preChecks: [vm_exists]\n")), nullptr);
  EXPECT_EQ(ProofIn(PlanFor("cutoverSteps: [bulk]\n")), nullptr);
}

TEST(UndoProvenInPlan, GetsEveryEffectThatCanBeUndoneWithItsParametersAndTheWindow) {
  const Plan plan = PlanFor(std::string("rollbackWindowMinutes: 30\n") + kCutover);
  const PlannedStep* proof = ProofIn(plan);
  ASSERT_NE(proof, nullptr);
  EXPECT_EQ(proof->deadline, std::chrono::minutes(2));
  EXPECT_TRUE(proof->implicit);
  EXPECT_FALSE(proof->effect);
  const Json none = Json::object();
  EXPECT_EQ(proof->parameters,
            (Json{{"windowMs", 1800000},
                  {"effects",
                   {{{"name", "claim_source"}, {"workload", "web"}, {"parameters", none}},
                    {{"name", "claim_source"}, {"workload", "db"}, {"parameters", none}},
                    {{"name", "quiesce_application"},
                     {"workload", ""},
                     {"parameters", {{"onRefusal", "force"}, {"drainDeadline", 30000}}}},
                    {{"name", "final_data_sync"}, {"workload", ""}, {"parameters", {{"parallelDisks", 2}}}}}}}));
  const Result<Plan> again = PlanFromText(PlanToJson(plan).dump());
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(ProofIn(*again)->parameters, proof->parameters) << "as the journal has it";
}

TEST(UndoProvenInPlan, PassedOverIsADecisionOfItsOwnAndOfNoPolicy) {
  EXPECT_THAT(OverridableSteps(), testing::ElementsAre("undo_proven"));
  const Plan plan = PlanFor(kCutover, {"undo_proven"});
  EXPECT_EQ(ProofIn(plan)->parameters.at("overridden"), true);
  ASSERT_EQ(plan.policy.overrides.size(), 1U);
  EXPECT_EQ(plan.policy.overrides[0].policy, "");
  EXPECT_EQ(plan.policy.overrides[0].clause, "undo_proven");
  EXPECT_TRUE(PlanFor("preChecks: [vm_exists]\n", {"undo_proven"}).policy.overrides.empty()) << "there is nothing";
}

}  // namespace
}  // namespace vmferry::test
