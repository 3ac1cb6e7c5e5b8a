// SPDX-License-Identifier: Apache-2.0
//
// target_out_of_service: a pool's server that is ready before its machine exists would get traffic the moment the
// target boots, unchecked, and with the source perhaps still serving. So the run does not begin.
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/parameters.h"
#include "steps/traffic.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "target_out_of_service";
  spec.purpose = "Checks that the target's server gets no traffic yet.";
  spec.implicit = true;
  spec.parameters = {
      Service("loadBalancer", "load_balancer", true, "as given to update_load_balancer"),
      Required("pool", ParameterType::kText, "as given to update_load_balancer"),
      Required("targetServer", ParameterType::kText, "as given to update_load_balancer"),
  };
  spec.reads = "state of the target's server on the load balancer";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example = "# added to a runbook with update_load_balancer; not written in runbooks\n";
  return spec;
}

class TargetOutOfServiceStep final : public Inspection {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Findings Look(const StepContext& context) const override {
    Findings findings;
    findings.will = "check that the target's server " + TextOf(context.parameters, "pool") + "/" +
                    TextOf(context.parameters, "targetServer") + " gets no traffic yet";
    const Result<std::optional<Place>> place = PlaceOf(context, "targetServer", false);
    if (!place) findings.problems.push_back(place.error());
    if (!place || !*place) return findings;
    const Result<LbServer> server = ReadServer(context, **place);
    if (!server) {
      findings.problems.push_back(server.error());
      return findings;
    }
    findings.facts = ServerImage(*server);
    if (server->state == "ready" || !server->agreed)
      findings.problems.push_back(PlaceError(**place, ErrorKind::kConflict,
                                             "the target's server is " + server->state +
                                                 (server->agreed ? " already" : " on some instances only") +
                                                 ": it would get traffic as soon as the target runs",
                                             "put it into maintenance on every instance before the run"));
    return findings;
  }
};

}  // namespace

const Step& TargetOutOfService() {
  static const TargetOutOfServiceStep step;
  return step;
}

}  // namespace vmferry
