// SPDX-License-Identifier: Apache-2.0
//
// Checks that compare with a baseline, as the checker sees them: what makes no sense is said before anything is run.
#include <algorithm>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/runbooks/little_world.h"

namespace vmferry::test {
namespace {

using testing::HasSubstr;

constexpr const char* kSite = R"(apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: test}
spec:
  platforms: {vmware: {plugin: fake}, kvm: {plugin: fake}}
  services: {watch: {plugin: fake}}
  applications:
    shop:
      workloads: [{name: web1, vm: web1}]
      metricsService: watch
      target_monitoring_ready:
        {targets: [node], maxScrapeAge: 1m, metrics: [up], alertRules: [Down]}
      quiesce_application: {onRefusal: hold}
      loadBalancer: watch
      pool: shop
      sourceServer: old
      targetServer: new
      query: max(latency)
      samplesQuery: sum(requests)
      minSamples: 10
      window: 1m
)";
const std::string kRecorded =
    "    baselines: [p95 = max(latency)]\n    baselineSamplesQuery: sum(requests)\n    baselineMinSamples: 10\n";

// What is said of a runbook with these pre-checks and post-checks (and criteria).
std::string Problems(const std::string& before, const std::string& after, const std::string& criteria = "") {
  CheckOptions options = LittleOptions(
      {{"site.yaml", kSite},
       {"r.yaml", "application: shop\nsourcePlatform: vmware\ntargetPlatform: kvm\npreChecks:\n" + before +
                      "cutoverSteps: [quiesce_application, final_data_sync, convert_image, power_on_target, "
                      "update_load_balancer]\npostChecks:\n" + after + criteria}});
  options.vocabulary = WholeVocabulary();
  return RenderAll(CheckFiles({"r.yaml", "site.yaml"}, options));
}

const std::string kRecorder = "- target_monitoring_ready:\n" + kRecorded;
std::string Latency(const std::string& parameters) {
  return "- p95_latency_within_slo: {" + parameters + "}\n";
}

TEST(Baselines, RecordedBeforeAreRight) {
  EXPECT_EQ(Problems(kRecorder, Latency("notWorseThan: \"1.2\", baseline: p95"),
                     "rollbackCriteria:\n- sustained_latency_regression: {notWorseThan: 1.5, baseline: p95}\n"),
            "");
}

TEST(Baselines, ABadFactorIsToldWithItsPlace) {
  for (const char* factor : {"0.9", "120%", "1e2", "-2"})
    EXPECT_THAT(Problems(kRecorder, Latency(std::string("baseline: p95, notWorseThan: ") + factor)),
                testing::AllOf(HasSubstr("r.yaml:11:3: error: `p95_latency_within_slo`: "),
                               HasSubstr("is no factor of at least 1")))
        << factor;
}

TEST(Baselines, OneLimitMustBeGiven) {
  EXPECT_THAT(Problems(kRecorder, "- p95_latency_within_slo\n"),
              HasSubstr("`p95_latency_within_slo` lacks its parameter `slo` (the longest it may be; this or "
                        "notWorseThan, or both)"));
  EXPECT_THAT(Problems(kRecorder, "- error_rate_below_threshold\n"), HasSubstr("lacks its parameter `threshold`"));
  EXPECT_EQ(Problems(kRecorder, Latency("slo: 300ms")), "");
}

TEST(Baselines, HalfAComparisonIsNone) {
  EXPECT_THAT(Problems(kRecorder, Latency("notWorseThan: 2")), HasSubstr("`notWorseThan` without `baseline`"));
  EXPECT_THAT(Problems(kRecorder, Latency("slo: 1s, baseline: p95")), HasSubstr("`baseline` without `notWorseThan`"));
  EXPECT_THAT(Problems(kRecorder, "- error_rate_below_threshold: {notWorseThan: 2, baseline: p95}\n"),
              HasSubstr("`notWorseThan` without `margin`"));
}

TEST(Baselines, NobodyRecordsAreToldBeforeTheNightOfTheMove) {
  const std::string compares = Latency("notWorseThan: 2, baseline: p95");
  EXPECT_THAT(Problems("- vm_exists\n", compares),
              HasSubstr("and there is no `target_monitoring_ready` before it to record that"));
  EXPECT_THAT(Problems("- target_monitoring_ready\n", compares),
              HasSubstr("and the last `target_monitoring_ready` before it does not record that"));
  EXPECT_THAT(Problems("- vm_exists\n", kRecorder + compares), HasSubstr("would measure that after the cutover began"));
  EXPECT_THAT(Problems(kRecorder, "- target_monitoring_ready\n" + compares),
              HasSubstr("the last `target_monitoring_ready` before it does not record that"));
}

// `notWorseThan: {baseline: 30m, ...}` asks nothing more of the runbook: the measurement is added, once for each.
TEST(Baselines, OverATimeAreMeasuredRightBeforeTheCutover) {
  CheckOptions options = LittleOptions(
      {{"site.yaml", kSite},
       {"r.yaml", "application: shop\nsourcePlatform: vmware\ntargetPlatform: kvm\npreChecks: [vm_exists]\n"
                  "cutoverSteps: [quiesce_application, final_data_sync, convert_image, power_on_target, "
                  "update_load_balancer]\npostChecks:\n- p95_latency_within_slo: {notWorseThan: {factor: 2, baseline: "
                  "1h}}\nrollbackCriteria:\n- sustained_latency_regression: {notWorseThan: {baseline: 30m, factor: 1.2, "
                  "minSamples: 20}}\n"}});
  options.vocabulary = WholeVocabulary();
  const Checked checked = CheckWave("r.yaml", "site.yaml", options);
  ASSERT_EQ(RenderAll(checked.diagnostics), "");
  const std::vector<PlannedStep>& steps = checked.wave->plans.front().steps;
  const auto cutover = std::find_if(steps.begin(), steps.end(),
                                    [](const PlannedStep& step) { return step.phase == Phase::kCutover; });
  ASSERT_GE(cutover - steps.begin(), 2);
  EXPECT_EQ(std::prev(cutover)->name, "undo_proven");
  const PlannedStep& measured = *std::prev(cutover, 2);
  EXPECT_EQ(measured.name, "source_measured");
  EXPECT_TRUE(measured.implicit);
  EXPECT_EQ(measured.phase, Phase::kPreChecks);
  EXPECT_EQ(measured.parameters["measurements"],
            (Json{{{"for", "p95_latency_within_slo"},
                   {"metricsService", "watch"},
                   {"query", "max(latency)"},
                   {"windowMs", 3600000},
                   {"everyMs", 30000},
                   {"minSamples", 1}},
                  {{"for", "sustained_latency_regression"},
                   {"metricsService", "watch"},
                   {"query", "max(latency)"},
                   {"windowMs", 1800000},
                   {"everyMs", 30000},
                   {"minSamples", 20}}}));
}

TEST(Baselines, OverATimeMustMakeSense) {
  const auto problems = [](const std::string& parameters) {
    return Problems("- vm_exists\n", Latency("slo: 1s, notWorseThan: " + parameters));
  };
  EXPECT_EQ(problems("{factor: 1.2, baseline: 10m, minSamples: 20}"), "");
  EXPECT_THAT(problems("{factor: 1.2, baseline: 10m, minSamples: 21}"),
              HasSubstr("`notWorseThan` wants 21 values of 10m, in which there are 20, one every 30s"));
  // A time shorter than a second had no bounds for its interval, and one of nothing was never measured.
  EXPECT_THAT(problems("{factor: 1.2, baseline: 500ms}"), HasSubstr("wants 1 values of 500ms, in which there are 0"));
  EXPECT_THAT(problems("{factor: 1.2, baseline: 0s}"), HasSubstr("wants 1 values of 0ms, in which there are 0"));
  EXPECT_THAT(problems("{baseline: 10m}"), HasSubstr("\"\" is no factor of at least 1"));
  EXPECT_THAT(problems("{factor: 1.2, baseline: 10m}, baseline: p95"), HasSubstr("has a `baseline` of its own"));
  EXPECT_THAT(problems("{factor: 1.2}"), HasSubstr("say over how long it is measured"));
  EXPECT_THAT(problems("{factor: 1.2, baseline: p95}"), HasSubstr("`p95` is not a duration"));
  EXPECT_THAT(problems("{factor: 1.2, window: 10m}"), HasSubstr("`notWorseThan` has no member `window`"));
}

TEST(Baselines, EntriesMustBeNamedOnceAndHaveSamples) {
  const auto problems = [](const std::string& parameters) {
    return Problems("- target_monitoring_ready:\n" + parameters, Latency("slo: 1s"));
  };
  EXPECT_THAT(problems("    baselines: [max(latency)]\n"), HasSubstr("\"max(latency)\" is no baseline"));
  EXPECT_THAT(problems("    baselines: [a = up, a = down]\n"), HasSubstr("two baselines are called a"));
  EXPECT_THAT(problems("    baselines: [a = up]\n"), testing::AllOf(HasSubstr("without `baselineSamplesQuery`"),
                                                                   HasSubstr("need `baselineMinSamples`, at least 1")));
}

}  // namespace
}  // namespace vmferry::test
