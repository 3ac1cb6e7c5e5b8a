// SPDX-License-Identifier: Apache-2.0
#include "steps/health_page.h"

#include <gtest/gtest.h>

#include <set>

namespace vmferry {
namespace {

TEST(HealthPage, IsAskedForWhatTheParametersSay) {
  StepContext context;
  context.parameters = {{"status", 204}, {"body", "ok"}, {"maxLatency", 1500}, {"caFile", "/ca.pem"}, {"thumbprint", "AB"}};
  const ProbeRequest request = PageRequest(context, "https://shop.example/");
  EXPECT_EQ(request.url, "https://shop.example/");
  EXPECT_EQ(request.expect_status, 204);
  EXPECT_EQ(request.expect_body, "ok");
  EXPECT_EQ(request.max_latency_ms, 1500);
  EXPECT_EQ(request.ca_file, "/ca.pem");
  EXPECT_EQ(request.thumbprint, "AB");
  EXPECT_EQ(ExpectedInWords(request), "for status 204 and \"ok\" in the body within 1500ms");
}

TEST(HealthPage, IsWellWithStatus200WhereNothingElseIsSaid) {
  EXPECT_EQ(ExpectedInWords(PageRequest(StepContext(), "http://shop.example/")), "for status 200");
}

// A parameter that a step lists and the request leaves out would be taken and do nothing.
TEST(HealthPage, EveryParameterIsOneOfTheRequest) {
  std::vector<ParameterSpec> parameters;
  AddPageParameters(parameters);
  std::set<std::string> names;
  for (const ParameterSpec& parameter : parameters) names.insert(parameter.name);
  EXPECT_EQ(names, (std::set<std::string>{"status", "body", "maxLatency", "caFile", "thumbprint"}));
}

}  // namespace
}  // namespace vmferry
