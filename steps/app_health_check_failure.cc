// SPDX-License-Identifier: Apache-2.0
//
// app_health_check_failure: the application's health page does not answer as it should. It is asked where its users
// ask it, through the load balancer, so that it says what they see.
#include <string>

#include "plugins/probe.h"
#include "steps/catalogue.h"
#include "steps/criterion.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "app_health_check_failure";
  spec.purpose = "Samples the application's health page over HTTP; fails when it does not answer as it should.";
  spec.criterion = true;
  spec.deadline = std::chrono::seconds(30);
  spec.parameters = {
      Service("probe", "probe", true, "the service that asks"),
      Required("healthUrl", ParameterType::kUrl, "address of the health page, as the application's users reach it"),
      Optional("status", ParameterType::kInteger, "200", "HTTP status expected"),
      Optional("body", ParameterType::kText, "", "text that must occur in the answer"),
      Optional("maxLatency", ParameterType::kDuration, "", "a slower answer is a failure"),
      Optional("caFile", ParameterType::kText, "", "CA file that the server's certificate must lead to"),
      Optional("thumbprint", ParameterType::kText, "", "SHA-256 of the server's certificate, instead of a CA"),
  };
  spec.reads = "the answer of the application at `healthUrl`";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "rollbackCriteria:\n  - app_health_check_failure:\n      probe: http\n"
      "      healthUrl: https://shop.example.com/healthz\n      maxLatency: 2s\n";
  return spec;
}

ProbeRequest RequestOf(const StepContext& context) {
  ProbeRequest request;
  request.url = TextOf(context.parameters, "healthUrl");
  request.expect_status = static_cast<int>(IntegerOf(context.parameters, "status", 200));
  request.expect_body = TextOf(context.parameters, "body");
  request.max_latency_ms = static_cast<int>(IntegerOf(context.parameters, "maxLatency", 0));
  request.ca_file = TextOf(context.parameters, "caFile");
  request.thumbprint = TextOf(context.parameters, "thumbprint");
  return request;
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
    std::string text = "ask " + request.url + " for status " + std::to_string(request.expect_status);
    if (!request.expect_body.empty()) text += " and \"" + request.expect_body + "\" in the body";
    if (request.max_latency_ms > 0) text += " within " + DurationInWords(milliseconds(request.max_latency_ms));
    return text;
  }
};

}  // namespace

const Step& AppHealthCheckFailureCriterion() {
  static const AppHealthCheckFailure step;
  return step;
}

}  // namespace vmferry
