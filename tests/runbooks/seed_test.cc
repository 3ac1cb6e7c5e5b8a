// SPDX-License-Identifier: Apache-2.0
//
// The two documents from the field, verbatim, with a vocabulary that lacks most of their names: these are said, and
// nothing else. With the product's own: catalogue_test.cc; to the end: tests/lab/e2e/seed_test.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/runbooks/little_world.h"

namespace vmferry::test {
namespace {

const std::string kData = std::string(VMFERRY_SOURCE_DIR) + "/tests/data/";

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

// A site that knows the seed's platforms and application.
std::string SeedSite() {
  std::string site = ReadAll(kData + "diagnostics/site.yaml");
  site.replace(site.find("    shop:"), 9, "    customer-analytics-api:");
  return site;
}

constexpr const char* kExpected =
    R"(seed-runbook.yaml:8:5: error: unknown step `backup_success_last_24h`
   8 |   - backup_success_last_24h
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:9:5: error: unknown step `target_monitoring_ready`
   9 |   - target_monitoring_ready
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:10:5: error: unknown step `target_network_policy_validated`
  10 |   - target_network_policy_validated
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:11:5: error: unknown step `dns_ttl_lowered`
  11 |   - dns_ttl_lowered
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:16:5: error: unknown step `attach_target_storage_profile`
  16 |   - attach_target_storage_profile
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:17:5: error: unknown step `validate_guest_tools_and_drivers`
  17 |   - validate_guest_tools_and_drivers
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:22:5: error: unknown step `p95_latency_within_slo`
  22 |   - p95_latency_within_slo
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:23:5: error: unknown step `error_rate_below_threshold`
  23 |   - error_rate_below_threshold
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:24:5: error: unknown step `backup_job_succeeds`
  24 |   - backup_job_succeeds
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:25:5: error: unknown step `alerting_signals_present`
  25 |   - alerting_signals_present
     |     ^
hint: `vmferry steps` lists the steps there are
seed-runbook.yaml:27:5: error: unknown criterion `app_health_check_failure`
  27 |   - app_health_check_failure
     |     ^
hint: known is `app_is_sick`
seed-runbook.yaml:28:5: error: unknown criterion `sustained_latency_regression`
  28 |   - sustained_latency_regression
     |     ^
hint: known is `app_is_sick`
seed-runbook.yaml:29:5: error: unknown criterion `target_backup_failure`
  29 |   - target_backup_failure
     |     ^
hint: known is `app_is_sick`
)";

TEST(SeedRunbook, ParsesAndNamesExactlyWhatDoesNotExistYet) {
  const CheckOptions options = LittleOptions({{"seed-runbook.yaml", ReadAll(kData + "seed-runbook.yaml")}});
  EXPECT_EQ(RenderAll(CheckFiles({"seed-runbook.yaml"}, options)), kExpected);
}

TEST(SeedRunbook, HasNothingElseWrongInASiteThatKnowsIt) {
  const CheckOptions options =
      LittleOptions({{"seed-runbook.yaml", ReadAll(kData + "seed-runbook.yaml")}, {"site.yaml", SeedSite()}});
  EXPECT_EQ(RenderAll(CheckFiles({"seed-runbook.yaml", "site.yaml"}, options)), kExpected);
}

// The seed without its unknown names.
std::string KnownSeed() {
  std::istringstream in(ReadAll(kData + "seed-runbook.yaml"));
  std::string known;
  const Vocabulary vocabulary = LittleVocabulary();
  bool criteria = false;
  for (std::string line; std::getline(in, line);) {
    const bool entry = line.starts_with("  - ");
    criteria = criteria || line == "rollbackCriteria:";
    if (line == "postChecks:" || criteria || (entry && vocabulary.FindStep(line.substr(4)) == nullptr)) continue;
    known += line == "preChecks:" ? "preChecks: [vm_exists]\n" : line + "\n";
  }
  return known;
}

TEST(SeedRunbook, IsAPlanOnceItsStepsAreKnown) {
  const Checked checked =
      CheckWave("r.yaml", "site.yaml", LittleOptions({{"r.yaml", KnownSeed()}, {"site.yaml", SeedSite()}}));
  EXPECT_EQ(RenderAll(checked.diagnostics), "");
  ASSERT_TRUE(checked.wave);
  EXPECT_EQ(checked.wave->plans[0].application.source, "vmware");
  EXPECT_EQ(checked.wave->plans[0].application.target, "kvm");
  EXPECT_EQ(checked.wave->plans[0].wave, 2);
  EXPECT_EQ(checked.wave->plans[0].rollback_window_minutes, 90);
}

// With the product's own catalogue and a site that gives all parameters: verbatim, bare names and all.
TEST(SeedRunbook, IsAPlanAsItStandsInTheEmbeddedSite) {
  const std::string site = std::string(VMFERRY_SOURCE_DIR) + "/runbooks/examples/embedded/site.yaml";
  const Checked checked = CheckWave(kData + "seed-runbook.yaml", site);
  EXPECT_EQ(RenderAll(checked.diagnostics), "");
  ASSERT_TRUE(checked.wave);
  const Plan& plan = checked.wave->plans[0];
  EXPECT_EQ(std::count_if(plan.steps.begin(), plan.steps.end(), [](const auto& step) { return !step.implicit; }), 16);
  EXPECT_EQ(plan.criteria.size(), 3U);
}

TEST(SeedPolicy, IsRight) {
  const CheckOptions options = LittleOptions({{"seed-policy.yaml", ReadAll(kData + "seed-policy.yaml")}});
  EXPECT_EQ(RenderAll(CheckFiles({"seed-policy.yaml"}, options)), "");
}

// Both documents from the field in a site that has neither's aliases: its platforms are known by the field's names.
TEST(SeedPolicy, LetsTheSeedRunbookGoWhereTheSiteIsInAZone) {
  std::string site = SeedSite();
  for (const char* alias : {"      aliases: [vmware-vsphere]\n", "      aliases: [pextra-cloud]\n"})
    site.erase(site.find(alias), std::string(alias).size());
  site.replace(site.find("    kvm:\n"), 9, "    pextra:\n      zone: zone-b\n");
  const CheckOptions options = LittleOptions({{"r.yaml", KnownSeed()},
                                              {"site.yaml", site},
                                              {"seed-policy.yaml", ReadAll(kData + "seed-policy.yaml")}});
  CheckOptions with_policy = options;
  with_policy.policies.files = {"seed-policy.yaml"};
  const Checked checked = CheckWave("r.yaml", "site.yaml", with_policy);
  EXPECT_EQ(RenderAll(checked.diagnostics), "");
  ASSERT_TRUE(checked.wave);
  const PolicyDemands& demands = checked.wave->plans[0].policy;
  EXPECT_EQ(demands.approval, std::vector<std::string>{"regulated-tier-policy"});
  EXPECT_EQ(demands.audit_log, std::vector<std::string>{"regulated-tier-policy"});
}

}  // namespace
}  // namespace vmferry::test
