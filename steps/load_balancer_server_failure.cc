// SPDX-License-Identifier: Apache-2.0
//
// load_balancer_server_failure: the load balancer sends the application's traffic to the target, and finds it healthy. A
// server that somebody, or a reload, took out of service again is a failure too: traffic is then elsewhere.
#include "steps/catalogue.h"
#include "steps/criterion.h"
#include "steps/criterion_rule.h"
#include "steps/parameters.h"
#include "steps/traffic.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec = CriterionSpec(
      "load_balancer_server_failure",
      "Samples the target's server on the load balancer; fails when it is down, out of service or not the same "
      "everywhere.",
      std::chrono::seconds(30));
  spec.parameters = {
      Service("loadBalancer", "load_balancer", true, "the load balancer"),
      Required("pool", ParameterType::kText, "the pool"),
      Required("targetServer", ParameterType::kText, "the pool's server that is the target"),
  };
  AddRuleParameters(spec, {.every = "10s"});
  spec.reads = "state and health of the target's server on every instance of the load balancer";
  spec.example =
      "rollbackCriteria:\n  - load_balancer_server_failure:\n      loadBalancer: edge\n      pool: shop\n"
      "      targetServer: kvm\n      trip: 3\n";
  return spec;
}

class LoadBalancerServerFailure final : public Criterion {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Result<Sample> Take(const StepContext& context) const override {
    const Result<std::optional<Place>> place = PlaceOf(context, "targetServer", false);
    if (!place) return place.error();
    const Result<LbServer> server = ReadServer(context, **place);
    if (!server) return server.error();
    Sample sample;
    sample.facts = ServerImage(*server);
    sample.why = Why(*server);
    sample.verdict = SampleVerdict::kFail;
    if (sample.why.empty()) sample.verdict = SampleVerdict::kPass;
    // Nobody has looked, or not yet.
    const bool checked = server->health == "up" || server->health == "down";
    if (sample.why.empty() && !checked) {
      sample.verdict = SampleVerdict::kInconclusive;
      sample.why = "the load balancer does not tell its health: " + server->health;
    }
    return sample;
  }

  // Before the switch it is out of service, as it must be.
  std::string InWords(const StepContext& context) const override {
    return "ask for the state of server " + TextOf(context.parameters, "pool") + "/" +
           TextOf(context.parameters, "targetServer") + ", which must be ready and up";
  }

 private:
  static std::string Why(const LbServer& server) {
    if (!server.agreed) return "server " + server.name + " is not the same on every instance";
    if (server.state != "ready") return "server " + server.name + " is out of service: " + server.state;
    return server.health == "down" ? "server " + server.name + " is down" : "";
  }
};

}  // namespace

const Step& LoadBalancerServerFailureCriterion() {
  static const LoadBalancerServerFailure step;
  return step;
}

}  // namespace vmferry
