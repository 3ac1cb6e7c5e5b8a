// SPDX-License-Identifier: Apache-2.0
//
// power_on_target: the application starts on the target. Each domain is built from the source VM's hardware and boots
// from overlays over the finished copies, which stay as they are until commit. Never two: the fence of a VM is read
// again right before its domain is started, and nothing starts without it.
#include <string>
#include <utility>

#include "steps/catalogue.h"
#include "steps/fence.h"
#include "steps/images.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/pending.h"
#include "steps/systems.h"
#include "steps/target_domain.h"
#include "steps/words.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "power_on_target";
  spec.purpose = "Defines the domains from the source's hardware and starts them over the finished copies.";
  spec.effect = true;
  spec.deadline = std::chrono::minutes(10);
  spec.parameters = {
      Optional("stopDeadline", ParameterType::kDuration, "30s",
               "on the way back: how long a domain that has served may take to shut down before it is stopped"),
  };
  spec.reads = "power state, fence and hardware of the source VMs; the finished copies; the domains of those names";
  spec.changes = "new overlays and domains on the target; runs the domains";
  spec.undo =
      "stops and removes the domains; removes the overlays, or keeps them as the delta if the target has served";
  spec.example = "cutoverSteps:\n  - power_on_target\n";
  return spec;
}

Json FactsOf(const StepContext& context, const Json& plan, const std::map<std::string, DomainFacts>& domains) {
  Json facts = {{"key", KeyOf(context)}, {"workloads", Json::object()}};
  for (const Workload& workload : context.application->workloads) {
    const DomainFacts& domain = domains.at(workload.name);
    facts["workloads"][workload.name] = {{"domain", workload.domain},
                                         {"uuid", domain.uuid},
                                         {"state", domain.state},
                                         {"macs", domain.macs},
                                         {"overlays", OverlaysOf(plan, workload)}};
  }
  return facts;
}

class PowerOnTargetStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const auto images = ImagesToBoot(context);
    if (!images) return images.error();
    Observation observation;
    observation.before = PlanDomains(context, *images);
    std::map<std::string, DomainFacts> domains;
    bool all_running = true;
    for (const Workload& workload : context.application->workloads) {
      const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
      if (!domain) return domain.error();
      const bool ours = domain->exists && domain->key == KeyOf(context);
      if (ours) observation.verdict = Verdict::kPartial;
      all_running = all_running && ours && domain->state == "running";
      observation.evidence[workload.domain] = domain->exists ? domain->state : "not there";
      domains[workload.name] = *domain;
      for (const Overlay& overlay : OverlaysOf(observation.before, workload)) {
        const Result<VolumeFacts> volume = ReadVolume(context, overlay.pool, overlay.volume);
        if (!volume) return volume.error();
        if (volume->exists) observation.verdict = Verdict::kPartial;
      }
    }
    if (!all_running) return observation;
    for (const Workload& workload : context.application->workloads) {
      const Result<VmFacts> fenced = ReadFencedVm(context, workload);
      if (!fenced && fenced.error().kind != ErrorKind::kConflict) return fenced.error();
      if (fenced) continue;
      // Both may be running: nothing may go on by itself from here.
      observation.verdict = Verdict::kUnknown;
      observation.evidence["fence"] = Describe(fenced.error());
      return observation;
    }
    observation.verdict = Verdict::kDone;
    observation.evidence = FactsOf(context, observation.before, domains);
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const auto images = ImagesToBoot(context);
    if (!images) return images.error();
    std::map<std::string, DomainFacts> domains;
    Pending pending;
    for (const Workload& workload : context.application->workloads) {
      Result<Pending> started = StartDomain(context, workload, images->at(workload.name));
      if (!started) return started.error();
      if (*started) pending = std::move(*started);
      if (pending) continue;
      const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
      if (!domain) return domain.error();
      domains[workload.name] = *domain;
    }
    if (pending) return *pending;
    return Progress::Done(FactsOf(context, context.before, domains));
  }

  Result<Progress> Undo(const StepContext& context) const override {
    Json handle = context.handle.is_object() ? context.handle : Json::object();
    Pending pending;
    for (const Workload& workload : context.application->workloads) {
      Result<Pending> gone = RemoveDomain(context, workload, handle);
      if (!gone) return gone.error();
      if (*gone) pending = std::move(*gone);
    }
    if (pending) return *pending;
    Json facts = {{"removed", Json::array()}, {"delta", Json::array()}};
    for (const Workload& workload : context.application->workloads) {
      const Status overlays = RemoveOverlays(context, OverlaysOf(context.before, workload), facts);
      if (!overlays) return overlays.error();
    }
    return Progress::Done(std::move(facts));
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    for (const Workload& workload : context.application->workloads) {
      forecast.undo += (forecast.undo.empty() ? "" : "; ") + std::string("stop and remove domain ") + workload.domain;
      const Result<VmFacts> vm = ReadVm(context, workload);
      if (!vm) forecast.problems.push_back(vm.error());
      if (!vm) continue;
      forecast.will += (forecast.will.empty() ? "" : "; ") + std::string("start domain ") + workload.domain + " (" +
                       CountInWords(static_cast<std::size_t>(vm->cpus), "CPU") + ", " + std::to_string(vm->memory_mib) +
                       " MiB, " + vm->firmware + ", " + CountInWords(vm->disks.size(), "disk") + ", " +
                       CountInWords(vm->nics.size(), "NIC") + ", MACs kept) over overlays, once VM " + workload.vm +
                       " is seen off and fenced";
      for (const NicFacts& nic : vm->nics) {
        const Result<std::string> network = NetworkFor(context, workload, nic);
        if (!network) forecast.problems.push_back(network.error());
      }
    }
    forecast.undo += "; overlays go, or stay as the delta once the target has served";
    return forecast;
  }
};

}  // namespace

const Step& PowerOnTarget() {
  static const PowerOnTargetStep step;
  return step;
}

}  // namespace vmferry
