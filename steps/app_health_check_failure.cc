// SPDX-License-Identifier: Apache-2.0
//
// app_health_check_failure: the application's health page does not answer as it should. It is asked where its users
// ask it, through the load balancer, so that it says what they see.
#include <string>

#include "steps/catalogue.h"
#include "steps/criterion.h"
#include "steps/criterion_rule.h"
#include "steps/health_page.h"
#include "steps/parameters.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec = CriterionSpec("app_health_check_failure",
                                "Samples the application's health page over HTTP; fails when it does not answer as it should.",
                                std::chrono::seconds(30));
  spec.parameters = {
      Service("probe", "probe", true, "the service that asks"),
      Required("healthUrl", ParameterType::kUrl, "address of the health page, as the application's users reach it"),
  };
  AddPageParameters(spec.parameters);
  AddRuleParameters(spec, {.every = "10s"});
  spec.reads = "the answer of the application at `healthUrl`";
  spec.example =
      "rollbackCriteria:\n  - app_health_check_failure:\n      probe: http\n"
      "      healthUrl: https://shop.example.com/healthz\n      maxLatency: 2s\n";
  return spec;
}

ProbeRequest RequestOf(const StepContext& context) {
  return PageRequest(context, TextOf(context.parameters, "healthUrl"));
}

class AppHealthCheckFailure final : public Criterion {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Result<Sample> Take(const StepContext& context) const override {
    const Result<Plugin*> probe = ServiceOf(context, "probe");
    if (!probe) return probe.error();
    const ProbeRequest request = RequestOf(context);
    const auto reply = Invoke(**probe, probe::kProbe, request, context.call);
    if (!reply) return reply.error();
    Sample sample;
    sample.facts = {{"url", request.url}, {"status", reply->status}, {"latencyMs", reply->latency_ms}};
    sample.verdict = reply->healthy ? SampleVerdict::kPass : SampleVerdict::kFail;
    if (!reply->healthy) sample.why = request.url + " is not healthy: " + reply->why;
    return sample;
  }

  std::string InWords(const StepContext& context) const override {
    const ProbeRequest request = RequestOf(context);
    return "ask " + request.url + " " + ExpectedInWords(request);
  }
};

}  // namespace

const Step& AppHealthCheckFailureCriterion() {
  static const AppHealthCheckFailure step;
  return step;
}

}  // namespace vmferry
