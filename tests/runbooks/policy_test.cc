// SPDX-License-Identifier: Apache-2.0
//
// Policies on one application: each clause allowed, denied and overridden; whom a policy selects; and what of it is in
// the plan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runbooks/platform_names.h"
#include "tests/runbooks/little_world.h"

namespace vmferry::test {
namespace {

constexpr const char* kRunbook = R"(application: shop
sourcePlatform: vmware-vsphere
targetPlatform: pextra-cloud
preChecks: [vm_exists]
)";

// Neither platform has the runbook's spelling; the plugin of `pextra` would make it a `kvm`, were it not for its name.
constexpr const char* kSite = R"(apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: lab}
spec:
  platforms:
    vmware: {plugin: vsphere, url: "https://vc1/sdk", password: env:PW}
    pextra: {plugin: libvirt, uri: "qemu:///session", zone: zone-a}
  applications:
    shop:
      labels: {tier: gold}
      workloads: [{name: web, vm: /DC/vm/web}, {name: db, vm: /DC/vm/db}]
)";

std::string PolicyText(const std::string& name, const std::string& clauses) {
  return "apiVersion: policy.virtualmachine.space/v1\nkind: WorkloadPolicy\nmetadata: {name: " + name + "}\nspec: {" +
         clauses + "}\n";
}

Checked CheckAll(const std::vector<std::string>& policies, const std::set<std::string>& overrides,
                 const std::string& site = kSite) {
  std::map<std::string, std::string> files{{"r.yaml", kRunbook}, {"site.yaml", site}};
  std::vector<std::string> names;
  for (const std::string& clauses : policies) {
    const std::string name = "p" + std::to_string(names.size() + 1);
    files[name + ".yaml"] = PolicyText(name, clauses);
    names.push_back(name + ".yaml");
  }
  CheckOptions options = LittleOptions(files);
  options.policies = {names, overrides};
  return CheckWave("r.yaml", "site.yaml", options);
}

struct PolicyCase {
  std::string title;
  std::string clauses;
  std::set<std::string> overrides;
  std::vector<std::string> problems;    // "line: message"
  std::vector<std::string> overridden;  // "clause: violation"
};

std::vector<PolicyCase> Cases() {
  const std::string platforms = "allowedPlatforms";
  const std::string residency = "compliance.residency";
  const std::string no_pextra = "platform `pextra` is not allowed";
  const std::string no_vmware = "platform `vmware` is not allowed";
  return {
      {"PlatformsByTheFieldsNames", "allowedPlatforms: [vmware, pextra]", {}, {}, {}},
      {"PlatformsByOtherSpellings", "allowedPlatforms: [vsphere, pextra-cloud, nutanix]", {}, {}, {}},
      {"ATargetThatIsNotAllowed",
       "allowedPlatforms: [vmware, kvm]",
       {},
       {"3: policy `p1`, allowedPlatforms: " + no_pextra},
       {}},
      {"NeitherAllowed",
       "allowedPlatforms: [openstack]",
       {residency},
       {"2: policy `p1`, allowedPlatforms: " + no_vmware, "3: policy `p1`, allowedPlatforms: " + no_pextra},
       {}},
      {"PlatformsOverridden",
       "allowedPlatforms: [openstack]",
       {platforms},
       {},
       {"allowedPlatforms: " + no_vmware, "allowedPlatforms: " + no_pextra}},
      {"AnOverrideOfWhatIsAllowedIsNothing", "allowedPlatforms: [vmware, pextra]", {platforms}, {}, {}},
      {"TheZoneOfTheTarget", "compliance: {residency: [zone-b, zone-a]}", {}, {}, {}},
      {"AnotherZone",
       "compliance: {residency: [zone-b]}",
       {platforms},
       {"3: policy `p1`, compliance.residency: the target `pextra` is in zone `zone-a`"},
       {}},
      {"AnotherZoneOverridden",
       "compliance: {residency: [zone-b]}",
       {residency},
       {},
       {"compliance.residency: the target `pextra` is in zone `zone-a`"}},
      {"AnotherTier", "selector: {matchLabels: {tier: silver}}, allowedPlatforms: [kvm]", {}, {}, {}},
      {"OneLabelOfTwo", "selector: {matchLabels: {tier: gold, team: web}}, allowedPlatforms: [kvm]", {}, {}, {}},
      {"ThisTierByName",
       "selector: {matchLabels: {tier: gold}, applications: [shop]}, allowedPlatforms: [vmware]",
       {},
       {"3: policy `p1`, allowedPlatforms: " + no_pextra},
       {}},
      {"NoApprovalIsNoDemand", "requiresApproval: false, compliance: {immutableAuditLog: false}", {}, {}, {}},
  };
}

class Policies : public testing::TestWithParam<PolicyCase> {};

TEST_P(Policies, AllowDenyAndAreOverridden) {
  const PolicyCase& one = GetParam();
  const Checked checked = CheckAll({one.clauses}, one.overrides);
  std::vector<std::string> problems;
  for (const Diagnostic& found : checked.diagnostics)
    problems.push_back(std::to_string(found.line) + ": " + found.message);
  EXPECT_EQ(problems, one.problems) << RenderAll(checked.diagnostics);
  ASSERT_EQ(checked.wave.has_value(), one.problems.empty());
  if (!checked.wave) return;
  const PolicyDemands& demands = checked.wave->plans.at(0).policy;
  std::vector<std::string> overridden;
  for (const PolicyOverride& given : demands.overrides) {
    EXPECT_EQ(given.policy, "p1");
    overridden.push_back(given.clause + ": " + given.violation);
  }
  EXPECT_EQ(overridden, one.overridden);
  EXPECT_TRUE(demands.approval.empty());
  EXPECT_TRUE(demands.audit_log.empty());
}

INSTANTIATE_TEST_SUITE_P(Table, Policies, testing::ValuesIn(Cases()),
                         [](const testing::TestParamInfo<PolicyCase>& one) { return one.param.title; });

TEST(Policy, ATargetWithoutAZoneIsInNone) {
  std::string site = kSite;
  site.replace(site.find(", zone: zone-a"), 14, "");
  const Checked checked = CheckAll({"compliance: {residency: [zone-a]}"}, {}, site);
  ASSERT_EQ(checked.diagnostics.size(), 1U);
  EXPECT_EQ(checked.diagnostics[0].message, "policy `p1`, compliance.residency: the target `pextra` is in no zone");
  EXPECT_THAT(checked.diagnostics[0].hint, testing::HasSubstr("`platforms.pextra.zone`"));
}

TEST(Policy, DemandsAreInThePlanAndSurviveItsJson) {
  const std::vector<std::string> policies{"requiresApproval: true",
                                          "requiresApproval: true, compliance: {immutableAuditLog: true}",
                                          "selector: {matchLabels: {tier: lead}}, requiresApproval: true"};
  const Checked checked = CheckAll(policies, {});
  ASSERT_TRUE(checked.wave) << RenderAll(checked.diagnostics);
  const Plan& plan = checked.wave->plans.at(0);
  const Result<Plan> again = PlanFromText(PlanToJson(plan).dump());
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(PlanToJson(*again), PlanToJson(plan));
  EXPECT_THAT(again->policy.approval, testing::ElementsAre("p1", "p2"));
  EXPECT_THAT(again->policy.audit_log, testing::ElementsAre("p2"));
  ASSERT_EQ(again->policy.in_force.size(), 2U) << "the third selects others";
  EXPECT_EQ(again->policy.in_force[0].digest.size(), 64U);
}

TEST(Policy, APlanWithoutPoliciesIsWhatItWas) {
  const Checked checked = CheckAll({}, {});
  ASSERT_TRUE(checked.wave);
  EXPECT_FALSE(PlanToJson(checked.wave->plans.at(0)).contains("policy"));
}

std::string Shape(const Plan& plan) {
  std::string shape;
  for (const PlannedStep& step : plan.steps)
    shape += step.name + " " + step.workload + (step.implicit ? " " + step.parameters.dump() : "") + "\n";
  return shape;
}

// Nothing offline knows the devices of a VM: a step looks before all others, for each policy and each VM.
TEST(Policy, GpuModesAreLookedAtByAStep) {
  const Checked checked =
      CheckAll({"gpuScheduling: {allowModes: [vgpu, mig]}", "gpuScheduling: {allowModes: []}"}, {});
  ASSERT_TRUE(checked.wave) << RenderAll(checked.diagnostics);
  EXPECT_EQ(Shape(checked.wave->plans.at(0)),
            "policy_validated web {\"allowModes\":[\"vgpu\",\"mig\"],\"policy\":\"p1\"}\n"
            "policy_validated db {\"allowModes\":[\"vgpu\",\"mig\"],\"policy\":\"p1\"}\n"
            "policy_validated web {\"allowModes\":[],\"policy\":\"p2\"}\n"
            "policy_validated db {\"allowModes\":[],\"policy\":\"p2\"}\n"
            "vm_exists web\nvm_exists db\n");
  EXPECT_EQ(checked.wave->plans.at(0).steps.at(0).phase, Phase::kPreChecks);
}

TEST(Policy, OverriddenGpuModesAreStillLookedAt) {
  const Checked checked = CheckAll({"gpuScheduling: {allowModes: [vgpu]}"}, {"gpuScheduling.allowModes"});
  ASSERT_TRUE(checked.wave);
  const Plan& plan = checked.wave->plans.at(0);
  EXPECT_EQ(plan.steps.at(0).parameters["overridden"], true);
  ASSERT_EQ(plan.policy.overrides.size(), 1U);
  EXPECT_EQ(plan.policy.overrides[0].clause, "gpuScheduling.allowModes");
}

// An approval is given, not passed over; and an override is worth what the log that keeps it is worth.
TEST(Policy, ApprovalAndAuditLogCannotBeOverridden) {
  EXPECT_THAT(OverridableClauses(),
              testing::ElementsAre("allowedPlatforms", "gpuScheduling.allowModes", "compliance.residency"));
}

TEST(Policy, AFileThatIsNoneIsRefused) {
  CheckOptions options = LittleOptions({{"r.yaml", kRunbook}, {"site.yaml", kSite}});
  options.policies.files = {"r.yaml", "none.yaml"};
  EXPECT_EQ(RenderAll(CheckWave("r.yaml", "site.yaml", options).diagnostics),
            "none.yaml:1:1: error: cannot read the file: No such file or directory\n"
            "r.yaml:1:1: error: r.yaml is a Runbook, not a WorkloadPolicy\n"
            "   1 | application: shop\n"
            "     | ^\n");
}

SystemEntry Entry(const std::string& name, const std::string& plugin, const std::vector<std::string>& aliases) {
  SystemEntry entry;
  entry.name = name;
  entry.platform = true;
  entry.plugin = plugin;
  entry.aliases = aliases;
  return entry;
}

TEST(PlatformNames, AreThoseOfTheFieldAndOfTheSite) {
  EXPECT_EQ(FieldPlatform("vmware-vsphere"), "vmware");
  EXPECT_EQ(FieldPlatform("pextra-cloud"), "pextra");
  EXPECT_EQ(FieldPlatform("kvm"), "kvm");
  EXPECT_EQ(FieldPlatform("basement"), "");
  EXPECT_THAT(NamesOf(Entry("dc1", "vsphere", {})), testing::ElementsAre("dc1", "vmware"));
  EXPECT_THAT(NamesOf(Entry("dc2", "libvirt", {"pextra-cloud"})),
              testing::ElementsAre("dc2", "pextra", "pextra-cloud"));
  EXPECT_THAT(NamesOf(Entry("lab", "fake", {})), testing::ElementsAre("lab"));
}

// Two platforms that both are a `vmware`: only their own names tell them apart.
TEST(PlatformNames, ASpellingThatCouldBeTwoIsNone) {
  std::string site = kSite;
  const std::string second = "    vsphere: {plugin: vsphere, url: \"https://vc2/sdk\", password: env:PW}\n";
  site.insert(site.find("  applications:"), second);
  const Checked checked = CheckAll({}, {}, site);
  ASSERT_EQ(checked.diagnostics.size(), 1U) << RenderAll(checked.diagnostics);
  EXPECT_EQ(checked.diagnostics[0].message, "the site has no platform `vmware-vsphere`");
  EXPECT_THAT(checked.diagnostics[0].hint, testing::HasSubstr("`vmware` and `vsphere`"));
}

}  // namespace
}  // namespace vmferry::test
