// SPDX-License-Identifier: Apache-2.0
//
// quiesce_application: the application stops on the source. Traffic is taken away (drain, then maintenance), a program of
// the site stops it, guests are shut down, each as declared; and every VM is fenced, whatever is declared: off, and no
// NIC connects at power-on. From here until update_load_balancer is done nobody serves. Nothing is done before the first
// handle is journaled, so a null handle means "not begun".
#include <string>
#include <utility>

#include "steps/catalogue.h"
#include "steps/contradictions.h"
#include "steps/fence.h"
#include "steps/guest_shutdown.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/quiesce_commands.h"
#include "steps/quiesce_forecast.h"
#include "steps/quiesce_proof.h"
#include "steps/source_return.h"
#include "steps/systems.h"
#include "steps/traffic.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "quiesce_application";
  spec.purpose =
      "Takes the application out of service on the source: drains traffic, stops it, shuts the guests down, fences the VMs.";
  spec.effect = true;
  spec.deadline = std::chrono::minutes(15);
  spec.parameters = {
      Choice("onRefusal", {"force", "hold", "rollBack"}, "",
             "what to do with a guest that will not shut down, or a `stopCommand` that fails: power the VM off, or go on; "
             "wait for a person; or go back"),
      Optional("guestShutdownDeadline", ParameterType::kDuration, "2m", "how long a guest may take to shut down"),
      Service("loadBalancer", "load_balancer", false, "the service that sends traffic to the application"),
      Optional("pool", ParameterType::kText, "", "the load balancer's pool (HAProxy: backend) of the application"),
      Optional("sourceServer", ParameterType::kText, "", "the pool's server that is the source"),
      Optional("drainDeadline", ParameterType::kDuration, "30s", "how long open sessions may take to end"),
      Service("probe", "probe", false, "the service that tells, on the way back, whether the source is healthy"),
      Optional("sourceHealthUrl", ParameterType::kUrl, "",
               "address of the source's health page, asked on the way back"),
  };
  spec.parameters.push_back(BootEstimateParameter());
  for (ParameterSpec& parameter : QuiesceCommandParameters()) spec.parameters.push_back(std::move(parameter));
  spec.reads = "power state, NICs and guest tools of the VMs; the load balancer's pool";
  spec.changes =
      "state of the source's server on the load balancer; power state and NICs' connect-at-power-on of the VMs; "
      "what `stopCommand` changes";
  spec.undo =
      "lifts the fence, powers on what was on, runs `startCommand`, waits until it is healthy, then gives traffic back";
  spec.loses = kLosesNothing;
  spec.example =
      "cutoverSteps:\n  - quiesce_application:\n      onRefusal: force\n      guestShutdownDeadline: 3m\n"
      "      loadBalancer: edge\n      pool: shop\n      sourceServer: vmware\n"
      "      stopCommand: stop-shop # of the site, plugin `ssh` or `local`\n      startCommand: start-shop\n";
  return spec;
}

// What Observe and Predict see.
struct Scene {
  Json before = {{"workloads", Json::object()}};
  bool all_fenced = true;
  bool any_fenced = false;
  bool out_of_service = true;  // or no load balancer is declared
};

Result<Scene> LookAt(const StepContext& context) {
  Scene scene;
  for (const Workload& workload : context.application->workloads) {
    const Result<VmFacts> vm = ReadVm(context, workload);
    if (!vm) return vm.error();
    const bool fenced = IsFenced(*vm, ClaimText(context, workload));
    scene.all_fenced = scene.all_fenced && fenced;
    scene.any_fenced = scene.any_fenced || fenced;
    scene.before["workloads"][workload.name] = {{"power", vm->power}, {"nics", NicStarts(*vm)}, {"fence", vm->fence}};
  }
  const Result<std::optional<Place>> place = PlaceOf(context, "sourceServer", false);
  if (!place) return place.error();
  if (!*place) return scene;
  const Result<LbServer> server = ReadServer(context, **place);
  if (!server) return server.error();
  scene.before["traffic"] = ServerImage(*server);
  scene.out_of_service = server->state == "maint" && server->agreed;
  return scene;
}

Json FactsOf(const StepContext& context, const Json& before, const Json& handle) {
  Json facts = {{"workloads", Json::object()}};
  const Json& forced = Member(handle, "forced");
  for (const Workload& workload : context.application->workloads) {
    Json& vm = facts["workloads"][workload.name];
    vm = {{"power", "off"}, {"fence", true}, {"forced", forced.contains(workload.name)}};
    if (!AsksGuests(context)) vm["guestShutdown"] = "no";
    vm["was"] = TextOf(Member(Member(before, "workloads"), workload.name), "power");
    if (forced.contains(workload.name)) vm["why"] = forced[workload.name];
  }
  const Json& stop = Member(handle, "stop");
  for (const char* end : {"output", "failed"})
    if (stop.contains(end)) facts["stopCommand"] = {{end, stop[end]}};
  const Json& traffic = Member(before, "traffic");
  if (!traffic.is_object()) return facts;
  facts["traffic"] = {{"server", TextOf(traffic, "server")}, {"was", TextOf(traffic, "state")}, {"state", "maint"}};
  facts["traffic"]["sessionsCut"] = IntegerOf(handle, "sessionsCut", 0);
  return facts;
}

class QuiesceApplicationStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    Result<Scene> scene = LookAt(context);
    if (!scene) return scene.error();
    Observation observation;
    observation.before = std::move(scene->before);
    if (scene->all_fenced && scene->out_of_service) {
      observation.verdict = Verdict::kDone;
      observation.evidence = FactsOf(context, observation.before, context.handle);
    } else if (scene->any_fenced || !context.handle.is_null()) {
      observation.verdict = Verdict::kPartial;
      observation.evidence = observation.before;
    }
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Status sensible = RequireNoContradiction(kQuiesceApplication, context.parameters);
    if (!sensible) return sensible.error();
    if (context.handle.is_null())
      return WithHandle(context, Progress::NotYet(milliseconds(0), "beginning"),
                        {{"begunMs", context.elapsed.count()}});
    Json handle = context.handle;
    const Result<std::optional<Place>> place = PlaceOf(context, "sourceServer", false);
    if (!place) return place.error();
    if (*place) {
      Result<Pending> traffic =
          TakeOutOfService(context, **place, DurationOf(context.parameters, "drainDeadline", kDrainStandard), handle);
      if (!traffic) return traffic.error();
      if (*traffic) return **traffic;
    }
    Result<Pending> quiet = StopApplication(context, handle);
    if (!quiet) return quiet.error();
    if (*quiet) return **quiet;
    Result<Pending> stopped = StopGuests(context, handle);
    if (!stopped) return stopped.error();
    if (*stopped) return **stopped;
    Result<Pending> fenced = FenceVms(context);
    if (!fenced) return fenced.error();
    if (*fenced) return **fenced;
    return Progress::Done(FactsOf(context, context.before, handle));
  }

  Result<Progress> Undo(const StepContext& context) const override { return ReturnSource(context); }

  Result<Forecast> Predict(const StepContext& context) const override { return ForecastQuiesce(context); }

  Result<UndoProof> ProveUndo(const StepContext& context) const override { return ProveReturn(context); }
};

}  // namespace

const Step& QuiesceApplication() {
  static const QuiesceApplicationStep step;
  return step;
}

}  // namespace vmferry
