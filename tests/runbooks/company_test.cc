// SPDX-License-Identifier: Apache-2.0
//
// Steps that fit one by one and make no sense together, or in this site: the embedded example, spoilt in one place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/runbooks/little_world.h"

namespace vmferry::test {
namespace {

using testing::HasSubstr;
using testing::Not;

// All problems of the example with `text` before its first line `before` (the runbook's or the site's), and `parameters`
// for the whole runbook.
std::string ProblemsWith(const std::string& text, const std::string& before, const std::string& parameters = "") {
  CheckOptions options;
  options.vocabulary = WholeVocabulary();
  options.read = [&](const std::string& path) -> Result<std::string> {
    std::ifstream file(path);
    std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (const auto at = all.find("\n" + before); at != std::string::npos) all.insert(at + 1, text);
    if (const auto at = all.find("\npreChecks:"); at != std::string::npos)
      all.insert(at + 1, "parameters: {" + parameters + "}\n");
    return all;
  };
  const std::string folder = std::string(VMFERRY_SOURCE_DIR) + "/runbooks/examples/embedded/";
  return RenderAll(CheckFiles({folder + "customer-analytics-api.yaml", folder + "site.yaml"}, options));
}

constexpr char kPolicy[] =
    "  - target_network_policy_validated:\n      filters: [web]\n      rules: [in drop all]\n";

// The rules of a filter were checked that no machine's traffic passed. The filter that is declared must be the one that
// power_on_target attaches.
TEST(Company, FiltersThatAreCheckedAreAttached) {
  EXPECT_THAT(ProblemsWith(kPolicy, "cutoverSteps:"), HasSubstr("`power_on_target`: `networkFilter` is `app`"));
  const auto with = [](const std::string& filter) {
    return ProblemsWith(kPolicy, "cutoverSteps:", "power_on_target: {networkFilter: " + filter + "}");
  };
  EXPECT_THAT(with("other"), HasSubstr("`networkFilter` is `other`"));
  EXPECT_THAT(with("web"), Not(HasSubstr("networkFilter")));
}

// Measured before the switch, latency and errors are those of the source. The steps may only stand where the target
// serves.
TEST(Company, WhatMeasuresTheTargetStandsAfterTheSwitch) {
  const std::string check =
      "  - error_rate_below_threshold: {metricsService: http, query: a, samplesQuery: b, minSamples: 1, window: 5m, "
      "threshold: 1%}\n";
  for (const char* before : {"cutoverSteps:", "  - update_load_balancer"})
    EXPECT_THAT(ProblemsWith(check, before), HasSubstr("it measures the target after the traffic switch")) << before;
}

// The step's own deadline came first, so that what the shorter one says was never said.
TEST(Company, APartsDeadlineComesBeforeTheSteps) {
  const auto boot = [](const std::string& deadlines) {
    return ProblemsWith("", "", "power_on_target: {bootProof: agent, " + deadlines + "}");
  };
  EXPECT_THAT(boot("bootDeadline: 10m"),
              HasSubstr("`bootDeadline` is 10m, and the step's `deadline` of 10m ends it before that"));
  EXPECT_THAT(boot("bootDeadline: 10m, deadline: 11m"), Not(HasSubstr("bootDeadline")));
  EXPECT_THAT(boot("deadline: 4m"), HasSubstr("`bootDeadline` is 5m")) << "the standard, too";
  EXPECT_THAT(ProblemsWith("", "", "power_on_target: {bootDeadline: 10m}"), Not(HasSubstr("bootDeadline")))
      << "nothing is waited for";
  const auto stop = [](const std::string& deadlines) {
    return ProblemsWith("", "", "quiesce_application: {stopCommand: web, " + deadlines + "}");
  };
  EXPECT_THAT(stop("commandDeadline: 20m"), HasSubstr("`commandDeadline` is 20m"));
  EXPECT_THAT(stop("commandDeadline: 20m, deadline: 30m"), Not(HasSubstr("`commandDeadline`")));
}

// A service that a probe names was looked for only when the target had been started already.
TEST(Company, ACommandProbesServiceIsKnownToTheSite) {
  const auto with = [](const std::string& probe) {
    return ProblemsWith("", "", "smoke_test: {probes: [\"" + probe + "\"]}");
  };
  EXPECT_THAT(with("command:nobody"), HasSubstr("the site has no service `nobody` of role command"));
  EXPECT_THAT(with("tcp://web1.kvm.example"), HasSubstr("entry 1 is not tcp://HOST:PORT"));
  EXPECT_EQ(with("tcp://web1.kvm.example:80"), "");
}

}  // namespace
}  // namespace vmferry::test
