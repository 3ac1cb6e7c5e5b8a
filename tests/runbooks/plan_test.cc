// SPDX-License-Identifier: Apache-2.0
//
// From runbook and site to a plan: what is in it, in which order, from which source.
#include "runbooks/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/runbooks/little_world.h"

namespace vmferry::test {
namespace {

std::string StandardSite() {
  std::ifstream in(std::string(VMFERRY_SOURCE_DIR) + "/tests/data/diagnostics/site.yaml");
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

constexpr const char* kRunbook = R"(application: shop
wave: 3
sourcePlatform: vmware-vsphere
targetPlatform: pextra-cloud
rollbackWindowMinutes: 90
preChecks: [vm_exists, target_capacity]
cutoverSteps:
  - quiesce_application
  - final_data_sync
  - power_on_target
  - smoke_test: {deadline: 1h30m}
  - update_load_balancer
postChecks: [smoke_test]
)";

// The site is in /etc/vmferry, the rest in the current folder.
Checked Check(const std::string& runbook, const std::string& site) {
  return CheckWave("shop.yaml", "/etc/vmferry/site.yaml",
                   LittleOptions({{"shop.yaml", runbook}, {"/etc/vmferry/site.yaml", site}}));
}

Plan GoodPlan(const std::string& runbook, const std::string& site) {
  const Checked checked = Check(runbook, site);
  EXPECT_EQ(RenderAll(checked.diagnostics), "");
  return checked.wave ? checked.wave->plans.at(0) : Plan();
}

std::string Shape(const Plan& plan) {
  std::string shape;
  for (const PlannedStep& step : plan.steps)
    shape += std::string(Name(step.phase)) + " " + std::to_string(step.ordinal) + " " + step.name +
             (step.workload.empty() ? "" : " of " + step.workload) + (step.implicit ? " (implicit)" : "") + "\n";
  return shape;
}

const PlannedStep& StepOf(const Plan& plan, const std::string& name) {
  for (const PlannedStep& step : plan.steps)
    if (step.name == name) return step;
  ADD_FAILURE() << "the plan has no " << name;
  return plan.steps.at(0);
}

TEST(Plan, HoldsStepsInOrderOncePerWorkloadWithTheImplicitOnes) {
  EXPECT_EQ(Shape(GoodPlan(kRunbook, StandardSite())),
            "pre-checks 1 vm_exists of web\n"
            "pre-checks 1 vm_exists of db\n"
            "pre-checks 2 target_capacity of web\n"
            "pre-checks 2 target_capacity of db\n"
            "pre-checks 3 target_out_of_service (implicit)\n"
            "cutover 1 claim_source of web (implicit)\n"
            "cutover 1 claim_source of db (implicit)\n"
            "cutover 2 quiesce_application\n"
            "cutover 3 final_data_sync\n"
            "cutover 4 power_on_target\n"
            "cutover 5 smoke_test\n"
            "cutover 6 update_load_balancer\n"
            "post-checks 1 smoke_test\n"
            "commit 1 merge_overlay of web (implicit)\n"
            "commit 1 merge_overlay of db (implicit)\n"
            "commit 2 release_source of web (implicit)\n"
            "commit 2 release_source of db (implicit)\n");
}

TEST(Plan, AsksForTheTargetsServerWithTheParametersThatMoveTheTraffic) {
  const Plan plan = GoodPlan(kRunbook, StandardSite());
  const Json& mover = StepOf(plan, "update_load_balancer").parameters;
  const Json& check = StepOf(plan, "target_out_of_service").parameters;
  EXPECT_EQ(check, (Json{{"pool", mover.at("pool")}, {"targetServer", mover.at("targetServer")}}));
}

TEST(Plan, OfChecksAloneHasNoImplicitSteps) {
  EXPECT_EQ(Shape(GoodPlan("application: shop\nsourcePlatform: vmware\ntargetPlatform: kvm\npreChecks: [vm_exists]\n",
                           StandardSite())),
            "pre-checks 1 vm_exists of web\npre-checks 1 vm_exists of db\n");
}

TEST(Plan, OfACopyAloneIsClaimedAndReleasedButMergesNothing) {
  EXPECT_EQ(Shape(GoodPlan("application: shop\nsourcePlatform: vmware\ntargetPlatform: kvm\n"
                           "cutoverSteps: [quiesce_application, final_data_sync]\n",
                           StandardSite())),
            "cutover 1 claim_source of web (implicit)\ncutover 1 claim_source of db (implicit)\n"
            "cutover 2 quiesce_application\ncutover 3 final_data_sync\n"
            "commit 1 release_source of web (implicit)\ncommit 1 release_source of db (implicit)\n");
}

TEST(Plan, KnowsItsApplicationByTheSitesNames) {
  const Plan plan = GoodPlan(kRunbook, StandardSite());
  EXPECT_EQ(plan.application.name, "shop");
  EXPECT_EQ(plan.application.source, "vmware");
  EXPECT_EQ(plan.application.target, "kvm");
  EXPECT_EQ(plan.application.domain_type, "auto");
  ASSERT_EQ(plan.application.workloads.size(), 2U);
  EXPECT_EQ(plan.application.workloads[0].domain, "web") << "the workload's name, when nothing else is given";
  EXPECT_EQ(plan.application.workloads[1].domain, "shop-db");
  EXPECT_EQ(plan.application.workloads[1].vm, "/DC/vm/db");
  EXPECT_EQ(plan.application.networks.at("VM Network"), "network:default");
  EXPECT_EQ(plan.application.storage.at("datastore1"), "images");
  EXPECT_EQ(plan.wave, 3);
  EXPECT_EQ(plan.rollback_window_minutes, 90);
  EXPECT_EQ(plan.runbook_path, "shop.yaml");
  EXPECT_EQ(plan.runbook_text, kRunbook);
}

TEST(Plan, CopiesTheFactsOfTheCatalogue) {
  const Plan plan = GoodPlan(kRunbook, StandardSite());
  EXPECT_FALSE(StepOf(plan, "vm_exists").effect);
  EXPECT_TRUE(StepOf(plan, "claim_source").effect);
  EXPECT_TRUE(StepOf(plan, "update_load_balancer").moves_traffic);
  EXPECT_TRUE(StepOf(plan, "merge_overlay").point_of_no_return);
  EXPECT_EQ(StepOf(plan, "power_on_target").deadline, std::chrono::minutes(10));
  EXPECT_EQ(StepOf(plan, "smoke_test").deadline, std::chrono::minutes(90));
  EXPECT_EQ(StepOf(plan, "smoke_test").line, 11);
  EXPECT_EQ(StepOf(plan, "smoke_test").column, 5);
  EXPECT_EQ(StepOf(plan, "claim_source").line, 0);
}

TEST(Plan, HoldsParametersWithTheirTypesAndStandards) {
  const Plan plan = GoodPlan(kRunbook, StandardSite());
  EXPECT_EQ(StepOf(plan, "quiesce_application").parameters,
            (Json{{"onRefusal", "rollBack"}, {"drainDeadline", 30000}, {"pool", "shop"}}));
  EXPECT_EQ(StepOf(plan, "final_data_sync").parameters, (Json{{"parallelDisks", 2}}));
  EXPECT_EQ(StepOf(plan, "smoke_test").parameters, (Json{{"probe", "web"}, {"url", "http://10.0.0.5/healthz"}}));
}

TEST(Plan, NamesAServiceAsTheSiteDoesEvenWhenGivenByAlias) {
  std::string site = StandardSite();
  site.replace(site.find("web: {plugin: http}"), 19, "web: {plugin: http, aliases: [smoke]}");
  site.replace(site.find("{probe: web}"), 12, "{probe: smoke}");
  EXPECT_EQ(StepOf(GoodPlan(kRunbook, site), "smoke_test").parameters.at("probe"), "web");
}

// The places where `pool` of update_load_balancer can be given, strongest first.
TEST(LookUp, TakesTheStrongestOfAllPlaces) {
  const std::string own = ": {pool: own}";
  const std::string flat = "  pool: flat\n";
  const std::string nested = "  update_load_balancer: {pool: nested}\n";
  const std::string site_flat = "      pool: siteFlat\n";
  const std::string site_nested = "      update_load_balancer: {pool: siteNested}\n";
  const std::string site_default = "    update_load_balancer: {pool: siteDefault}\n";

  const auto pool = [](const std::string& step, const std::string& parameters, const std::string& application,
                       const std::string& defaults) {
    std::string runbook = kRunbook;
    runbook.replace(runbook.find("update_load_balancer"), 20, "update_load_balancer" + step);
    if (!parameters.empty()) runbook += "parameters:\n" + parameters;
    std::string site = StandardSite();
    site.replace(site.find("      pool: shop\n"), 17, application);
    site.insert(site.find("    smoke_test: {probe"), defaults);
    return StepOf(GoodPlan(runbook, site), "update_load_balancer").parameters.value("pool", "");
  };
  EXPECT_EQ(pool(own, flat + nested, site_flat + site_nested, site_default), "own");
  EXPECT_EQ(pool("", flat + nested, site_flat + site_nested, site_default), "nested");
  EXPECT_EQ(pool("", flat, site_flat + site_nested, site_default), "flat");
  EXPECT_EQ(pool("", "", site_flat + site_nested, site_default), "siteNested");
  EXPECT_EQ(pool("", "", site_flat, site_default), "siteFlat");
  EXPECT_EQ(pool("", "", "", site_default), "siteDefault");
}

TEST(LookUp, TakesADeadlineOnlyFromWhereItBelongsToAStep) {
  std::string site = StandardSite();
  site.insert(site.find("    smoke_test: {probe"), "    power_on_target: {deadline: 7s}\n");
  EXPECT_EQ(StepOf(GoodPlan(kRunbook, site), "power_on_target").deadline, std::chrono::seconds(7));
  const std::string nested = std::string(kRunbook) + "parameters: {power_on_target: {deadline: 8s}}\n";
  EXPECT_EQ(StepOf(GoodPlan(nested, site), "power_on_target").deadline, std::chrono::seconds(8));
}

TEST(LookUp, TakesRollBackDataFromTheTopOfTheRunbookBeforeTheSites) {
  const auto data = [](const std::string& key, const std::string& site) {
    return StepOf(GoodPlan(kRunbook + key, site), "power_on_target").parameters.value("rollBackData", "");
  };
  EXPECT_EQ(data("", StandardSite()), "keepDelta");
  EXPECT_EQ(data("rollBackData: discard\n", StandardSite()), "discard");
  std::string site = StandardSite();
  site.insert(site.find("    smoke_test: {probe"), "    power_on_target: {rollBackData: discard}\n");
  EXPECT_EQ(data("", site), "discard");
  EXPECT_EQ(data("rollBackData: keepDelta\n", site), "keepDelta");
}

TEST(LookUp, MakesPathsAbsoluteFromTheFileTheyStandIn) {
  std::string site = StandardSite();
  site.replace(site.find("{probe: web}"), 12, "{probe: web, caFile: certs/../ca.pem}");
  EXPECT_EQ(StepOf(GoodPlan(kRunbook, site), "smoke_test").parameters.at("caFile"), "/etc/vmferry/ca.pem");
}

TEST(Plan, SurvivesJson) {
  const Plan plan = GoodPlan(kRunbook, StandardSite());
  const Result<Plan> again = PlanFromText(PlanToJson(plan).dump());
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(PlanToJson(*again), PlanToJson(plan));
  EXPECT_EQ(PlanDigest(*again), PlanDigest(plan));
  EXPECT_EQ(Shape(*again), Shape(plan));
  EXPECT_EQ(again->steps[0].deadline, plan.steps[0].deadline);
}

TEST(Plan, HoldsTheCriteriaApartFromTheSteps) {
  const std::string runbook = std::string(kRunbook) +
                              "rollbackCriteria:\n  - app_is_sick: {probe: web, healthUrl: \"http://10.0.0.5/\"}\n";
  const Plan plan = GoodPlan(runbook, StandardSite());
  EXPECT_EQ(Shape(plan), Shape(GoodPlan(kRunbook, StandardSite())));
  ASSERT_EQ(plan.criteria.size(), 1u);
  EXPECT_EQ(plan.criteria[0].name, "app_is_sick");
  EXPECT_EQ(plan.criteria[0].parameters.at("healthUrl"), "http://10.0.0.5/");
  const Result<Plan> again = PlanFromText(PlanToJson(plan).dump());
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(PlanToJson(*again), PlanToJson(plan));
}

TEST(Plan, HasADigestThatStaysAndChangesWithThePlan) {
  const Plan plan = GoodPlan(kRunbook, StandardSite());
  EXPECT_EQ(PlanDigest(plan), PlanDigest(GoodPlan(kRunbook, StandardSite())));
  EXPECT_EQ(PlanDigest(plan), "37a912709797719d5fd5689e5dc37f194ea9e09a53c748d73b7354d0909bdd89");
  Plan other = plan;
  other.steps[3].deadline += std::chrono::milliseconds(1);
  EXPECT_NE(PlanDigest(other), PlanDigest(plan));
}

TEST(Plan, RefusesEveryKindOfBrokenJson) {
  const Json good = PlanToJson(GoodPlan(kRunbook, StandardSite()));
  for (const auto& [key, value] : good.items()) {
    if (key.starts_with("runbook_")) continue;  // any text will do
    Json without = good;
    without.erase(key);
    EXPECT_FALSE(PlanFromText(without.dump())) << key;
    Json wrong = good;
    wrong[key] = "something else";
    EXPECT_FALSE(PlanFromText(wrong.dump())) << key;
  }
  Json phase = good;
  phase["steps"][0]["phase"] = "lunch";
  const Result<Plan> refused = PlanFromText(phase.dump());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kCorrupt);
  EXPECT_FALSE(PlanFromText("text"));
}

TEST(Site, HasAbsolutePathsAndSecretsAsReferences) {
  const Checked checked = Check(kRunbook, R"(apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: lab}
spec:
  journal: data/journal.db
  platforms:
    vmware: {plugin: vsphere, aliases: [vmware-vsphere], url: "https://vc1/sdk", password: "file:pw", caFile: ca.pem,
             timeout: 90s, verify: true}
    other: {plugin: vsphere, url: "https://vc2/sdk", password: "credential:vc2"}
    kvm: {plugin: libvirt, aliases: [pextra-cloud], uri: "qemu:///session", domainType: qemu, keepAliveSeconds: 5}
  services:
    front:
      plugin: haproxy
      instances: ["unix:lb.sock", "unix:/run/lb.sock", "tcp:lb2:9999"]
      persist: {stateFile: ./state, command: [../bin/save, "x"]}
)");
  ASSERT_TRUE(checked.site);
  const Site& site = *checked.site;
  EXPECT_EQ(site.path, "/etc/vmferry/site.yaml");
  EXPECT_EQ(site.journal, "/etc/vmferry/data/journal.db");
  ASSERT_EQ(site.systems.size(), 4U);
  EXPECT_EQ(site.systems[0].settings, (Json{{"url", "https://vc1/sdk"},
                                            {"password", "file:/etc/vmferry/pw"},
                                            {"caFile", "/etc/vmferry/ca.pem"},
                                            {"timeout", 90000},
                                            {"verify", true}}));
  EXPECT_EQ(site.systems[1].settings.at("password"), "credential:vc2");
  EXPECT_EQ(site.systems[2].settings, (Json{{"uri", "qemu:///session"}, {"keepAliveSeconds", 5}}));
  EXPECT_TRUE(site.systems[2].platform);
  EXPECT_FALSE(site.systems[3].platform);
  EXPECT_EQ(site.systems[3].settings,
            (Json{{"instances", {"unix:/etc/vmferry/lb.sock", "unix:/run/lb.sock", "tcp:lb2:9999"}},
                  {"persist", {{"stateFile", "/etc/vmferry/state"}, {"command", {"/etc/bin/save", "x"}}}}}));
}

TEST(Site, GivesTheTargetsDomainTypeToTheApplication) {
  std::string site = StandardSite();
  site.insert(site.find("      uri: qemu"), "      domainType: qemu\n");
  EXPECT_EQ(GoodPlan(kRunbook, site).application.domain_type, "qemu");
}

TEST(Site, SurvivesJson) {
  const Checked checked = Check(kRunbook, StandardSite());
  ASSERT_TRUE(checked.site);
  const Json json = SiteToJson(*checked.site);
  const Result<Site> again = SiteFromJson(Json::parse(json.dump()));
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(SiteToJson(*again), json);
  EXPECT_EQ(again->systems[0].aliases, std::vector<std::string>{"vmware-vsphere"});
  for (const auto& [key, value] : json.items()) {
    Json without = json;
    without.erase(key);
    const Result<Site> refused = SiteFromJson(without);
    ASSERT_FALSE(refused) << key;
    EXPECT_EQ(refused.error().kind, ErrorKind::kCorrupt);
  }
}

TEST(CheckWave, OfOneRunbookIsAWaveOfOne) {
  const Checked checked = Check(kRunbook, StandardSite());
  ASSERT_TRUE(checked.wave);
  EXPECT_EQ(checked.wave->name, "shop");
  EXPECT_EQ(checked.wave->applications_at_once, 1);
  EXPECT_EQ(checked.wave->stop_after_failed, 0);
  EXPECT_EQ(checked.wave->plans.size(), 1U);
}

TEST(CheckWave, KeepsTheOrderAndLimitsOfTheWave) {
  std::string site = StandardSite() +
                     "    blog: {workloads: [{name: blog, vm: /DC/vm/blog}], loadBalancer: front, pool: blog,\n"
                     "           targetServer: kvm, url: \"http://10.0.0.6/\"}\n";
  std::string blog = kRunbook;
  blog.replace(blog.find("shop"), 4, "blog");
  const Checked checked =
      CheckWave("waves/w.yaml", "site.yaml",
                LittleOptions({{"waves/w.yaml",
                                "apiVersion: vmferry.dev/v1\nkind: Wave\nmetadata: {name: first}\nspec:\n  number: 3\n"
                                "  runbooks: [../shop.yaml, blog.yaml]\n  applicationsAtOnce: 2\n"
                                "  stopAfter: {failed: 1}\n"},
                               {"shop.yaml", kRunbook},
                               {"waves/blog.yaml", blog},
                               {"site.yaml", site}}));
  ASSERT_TRUE(checked.wave) << RenderAll(checked.diagnostics);
  EXPECT_EQ(checked.wave->name, "first");
  EXPECT_EQ(checked.wave->path, "waves/w.yaml");
  EXPECT_EQ(checked.wave->applications_at_once, 2);
  EXPECT_EQ(checked.wave->stop_after_failed, 1);
  ASSERT_EQ(checked.wave->plans.size(), 2U);
  EXPECT_EQ(checked.wave->plans[0].application.name, "shop");
  EXPECT_EQ(checked.wave->plans[1].application.name, "blog");
  EXPECT_EQ(checked.wave->plans[1].runbook_path, "waves/blog.yaml");
}

TEST(CheckWave, HasNoPlanWhenAnythingIsWrong) {
  const Checked checked = Check(std::string(kRunbook) + "timeout: 5\n", StandardSite());
  EXPECT_EQ(checked.diagnostics.size(), 1U);
  EXPECT_FALSE(checked.wave);
}

TEST(CheckWave, SaysWhenAFileIsOfTheWrongKind) {
  const CheckOptions options = LittleOptions({{"site.yaml", StandardSite()}, {"shop.yaml", kRunbook}});
  EXPECT_EQ(RenderAll(CheckWave("shop.yaml", "shop.yaml", options).diagnostics),
            "shop.yaml:1:1: error: shop.yaml is a Runbook, not a Site\n"
            "   1 | application: shop\n     | ^\n");
  EXPECT_EQ(RenderAll(CheckWave("site.yaml", "site.yaml", options).diagnostics),
            "site.yaml:2:7: error: site.yaml is a Site, not a Wave\n   2 | kind: Site\n     |       ^\n");
  EXPECT_EQ(RenderAll(CheckWave("none.yaml", "site.yaml", options).diagnostics),
            "none.yaml:1:1: error: cannot read the file: No such file or directory\n");
}

}  // namespace
}  // namespace vmferry::test
