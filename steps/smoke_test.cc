// SPDX-License-Identifier: Apache-2.0
//
// smoke_test: the application answers on the target, at the target's own address, before any traffic is sent there.
// Asks until it has answered as expected several times in a row; the step's deadline ends it, with the last refusal
// in the text.
#include <algorithm>
#include <string>

#include "plugins/probe.h"
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPoll{1000};

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "smoke_test";
  spec.purpose = "Checks over HTTP that the application answers on the target as it should.";
  spec.deadline = std::chrono::minutes(5);
  spec.parameters = {
      Service("probe", "probe", true, "the service that asks"),
      Required("url", ParameterType::kUrl, "address of the application on the target itself"),
      Optional("status", ParameterType::kInteger, "200", "HTTP status expected"),
      Optional("body", ParameterType::kText, "", "text that must occur in the answer"),
      Optional("maxLatency", ParameterType::kDuration, "", "a slower answer is a failure"),
      Optional("successes", ParameterType::kInteger, "1", "how many good answers in a row are enough"),
      Optional("caFile", ParameterType::kText, "", "CA file that the server's certificate must lead to"),
      Optional("thumbprint", ParameterType::kText, "", "SHA-256 of the server's certificate, instead of a CA"),
  };
  spec.reads = "the answer of the application at `url`";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "cutoverSteps:\n  - smoke_test:\n      probe: http\n      url: http://10.0.0.5/healthz\n      body: ok\n";
  return spec;
}

ProbeRequest RequestOf(const StepContext& context) {
  ProbeRequest request;
  request.url = TextOf(context.parameters, "url");
  request.expect_status = static_cast<int>(IntegerOf(context.parameters, "status", 200));
  request.expect_body = TextOf(context.parameters, "body");
  request.max_latency_ms = static_cast<int>(IntegerOf(context.parameters, "maxLatency", 0));
  request.ca_file = TextOf(context.parameters, "caFile");
  request.thumbprint = TextOf(context.parameters, "thumbprint");
  return request;
}

class SmokeTestStep final : public Check {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Result<Plugin*> probe = ServiceOf(context, "probe");
    if (!probe) return probe.error();
    const ProbeRequest request = RequestOf(context);
    const auto reply = Invoke(**probe, probe::kProbe, request, context.call);
    if (!reply) return reply.error();
    const std::int64_t wanted = std::max<std::int64_t>(1, IntegerOf(context.parameters, "successes", 1));
    const std::int64_t good = reply->healthy ? IntegerOf(context.facts, "successes", 0) + 1 : 0;
    const Json facts = {{"url", request.url}, {"successes", good}};
    if (good >= wanted) {
      Json outcome = facts;
      outcome.update({{"status", reply->status}, {"latencyMs", reply->latency_ms}});
      return Progress::Done(std::move(outcome));
    }
    Progress progress = Progress::NotYet(
        kPoll, reply->healthy ? request.url + " answered well, " + std::to_string(good) + " of " +
                                    std::to_string(wanted) + " times in a row"
                              : (*probe)->system() + ": " + request.url + " is not healthy: " + reply->why);
    progress.facts = facts;
    progress.meter.done = static_cast<std::uint64_t>(good);
    progress.meter.total = static_cast<std::uint64_t>(wanted);
    return progress;
  }

  // The target does not run yet, so it is not asked.
  Result<Forecast> Predict(const StepContext& context) const override {
    const ProbeRequest request = RequestOf(context);
    Forecast forecast;
    forecast.will = "ask " + request.url + " for status " + std::to_string(request.expect_status);
    if (!request.expect_body.empty()) forecast.will += " and \"" + request.expect_body + "\" in the body";
    if (request.max_latency_ms > 0) forecast.will += " within " + DurationInWords(milliseconds(request.max_latency_ms));
    forecast.will += ", until it answers so " +
                     CountInWords(static_cast<std::size_t>(IntegerOf(context.parameters, "successes", 1)), "time");
    forecast.undo = "nothing to undo";
    const Result<Plugin*> probe = ServiceOf(context, "probe");
    if (!probe) forecast.problems.push_back(probe.error());
    return forecast;
  }
};

}  // namespace

const Step& SmokeTest() {
  static const SmokeTestStep step;
  return step;
}

}  // namespace vmferry
