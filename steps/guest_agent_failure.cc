// SPDX-License-Identifier: Apache-2.0
//
// guest_agent_failure: the guests on the target live, as their QEMU guest agents say. The domains have a channel for an
// agent when power_on_target was asked for that proof (`bootProof: agent`).
#include "plugins/target_boot.h"
#include "steps/catalogue.h"
#include "steps/criterion.h"
#include "steps/criterion_rule.h"
#include "steps/parameters.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

constexpr std::string_view kStarts = "power_on_target";

StepSpec MakeSpec() {
  StepSpec spec = CriterionSpec("guest_agent_failure",
                                "Samples the QEMU guest agents of the application's domains; fails when one does not answer.",
                                std::chrono::seconds(30));
  AddRuleParameters(spec, {.every = "15s"});
  spec.reads = "an answer of each guest agent; power_on_target must have `bootProof: agent`";
  spec.example = "rollbackCriteria:\n  - guest_agent_failure:\n      trip: 4\n";
  return spec;
}

class GuestAgentFailure final : public Criterion {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Result<Sample> Take(const StepContext& context) const override {
    const Result<Plugin*> target = TargetOf(context);
    if (!target) return target.error();
    const std::string key = TextOf(context.earlier(kStarts, ""), "key");
    if (key.empty())
      return Error{ErrorKind::kNotFound, (*target)->system(), "", "the domains were not started by this run",
                   "ask again once " + std::string(kStarts) + " is done"};
    Sample sample;
    sample.verdict = SampleVerdict::kPass;
    for (const Workload& workload : context.application->workloads) {
      const auto reply = Invoke(**target, target::kPingAgent, DomainRequest{workload.domain, key}, context.call);
      if (!reply) return reply.error();
      sample.facts["answers"][workload.domain] = reply->answers;
      if (reply->answers) continue;
      sample.verdict = SampleVerdict::kFail;
      sample.why += (sample.why.empty() ? "" : "; ") + std::string("the guest agent of domain ") + workload.domain +
                    " does not answer: " + reply->why;
    }
    return sample;
  }

  Result<Sample> Foretaste(const StepContext&) const override {
    return Sample{SampleVerdict::kNoData, "the domains do not run yet", Json::object()};
  }

  std::string InWords(const StepContext&) const override { return "ask the guest agent of each domain"; }
};

}  // namespace

const Step& GuestAgentFailureCriterion() {
  static const GuestAgentFailure step;
  return step;
}

}  // namespace vmferry
