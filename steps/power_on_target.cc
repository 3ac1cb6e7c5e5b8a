// SPDX-License-Identifier: Apache-2.0
//
// power_on_target: the application starts on the target. Each domain is built from the source VM's hardware and boots
// from overlays over the finished copies, which stay as they are until commit. Never two: the fence of a VM is read
// again right before its domain is started, and nothing starts without it.
#include <string>
#include <utility>

#include "steps/boot_proof.h"
#include "steps/catalogue.h"
#include "steps/contradictions.h"
#include "steps/fence.h"
#include "steps/images.h"
#include "steps/kept_delta.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/pending.h"
#include "steps/systems.h"
#include "steps/target_domain.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "power_on_target";
  spec.purpose = "Defines the domains from the source's hardware, starts them over the finished copies, and has it proved.";
  spec.effect = true;
  spec.deadline = std::chrono::minutes(10);
  spec.parameters = {
      Optional("stopDeadline", ParameterType::kDuration, "30s",
               "on the way back: how long a domain that has served may take to shut down before it is stopped"),
      Choice(std::string(kRollBackData), {std::string(kKeepDelta), std::string(kDiscard)}, std::string(kKeepDelta),
             "on the way back: what becomes of the data that a domain wrote once it had served; runbooks have a key of "
             "this name for it"),
      Optional("networkFilter", ParameterType::kText, "",
               "network filter (libvirt nwfilter) that the traffic of every NIC on a network or bridge passes"),
  };
  for (ParameterSpec& parameter : BootParameters()) spec.parameters.push_back(std::move(parameter));
  spec.reads =
      "power state, fence and hardware of the source VMs; the finished copies and the storage profile attached to "
      "them; the domains of those names; with a boot proof their guest agents, consoles or `bootProbe`";
  spec.changes = "new overlays and domains on the target; runs the domains";
  spec.undo =
      "shuts the domains down and removes them; removes the overlays, or keeps them if the target has served (unless "
      "`rollBackData: discard`): they are the delta, what was written since cutover. Its facts say where it is, how the "
      "domain was stopped, and the commands that mount it read-only";
  spec.loses = kLosesWrites;
  spec.example =
      "cutoverSteps:\n  - power_on_target:\n      bootProof: console # or just: - power_on_target\n"
      "      consolePattern: \"login:|Reached target\"\n      bootDeadline: 3m\n";
  return spec;
}

Json FactsOf(const StepContext& context, const Json& plan, const Json& handle,
             const std::map<std::string, DomainFacts>& domains) {
  Json facts = {{"key", KeyOf(context)}, {"workloads", Json::object()}};
  for (const Workload& workload : context.application->workloads) {
    const DomainFacts& domain = domains.at(workload.name);
    facts["workloads"][workload.name] = {{"domain", workload.domain},
                                         {"uuid", domain.uuid},
                                         {"state", domain.state},
                                         {"macs", domain.macs},
                                         {"overlays", OverlaysOf(plan, workload)}};
    if (Json proof = BootProofOf(context, handle, workload); !proof.is_null())
      facts["workloads"][workload.name]["boot"] = std::move(proof);
    for (const DomainDisk& disk : domain.disks)
      if (!disk.cache.empty())
        facts["workloads"][workload.name]["storage"].push_back(
            {{"disk", disk.target}, {"cache", disk.cache}, {"discard", disk.discard}, {"io", disk.io}});
  }
  return facts;
}

bool AllProved(const StepContext& context) {
  if (!WantsBootProof(context)) return true;
  for (const Workload& workload : context.application->workloads)
    if (BootProofOf(context, context.handle, workload).is_null()) return false;
  return true;
}

// Started once, it must go on running until the proof is there; without a proof asked for, it is just kept running.
// That it was started is kept at once: a guest may stop before it is looked at again, and is not started twice.
Result<Pending> StartOrWatch(const StepContext& context, const Workload& workload, const WorkloadImages& images,
                             Json& handle) {
  if (WantsBootProof(context) && IsBooting(handle, workload)) return RequireStillBooting(context, workload, handle);
  Result<Pending> up = StartDomain(context, workload, images);
  if (!WantsBootProof(context) || !up || !*up) return up;
  const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
  if (!domain) return domain.error();
  if (domain->exists && domain->state == "running") NoteBooting(context, workload, handle);
  return up;
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
    if (!AllProved(context)) return observation;  // it runs, and nobody knows whether it has booted
    observation.verdict = Verdict::kDone;
    observation.evidence = FactsOf(context, observation.before, context.handle, domains);
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Status sensible = RequireNoContradiction(kPowerOnTarget, context.parameters);
    if (!sensible) return sensible.error();
    const auto images = ImagesToBoot(context);
    if (!images) return images.error();
    std::map<std::string, DomainFacts> domains;
    Json handle = context.handle.is_object() ? context.handle : Json::object();
    Pending pending;
    for (const Workload& workload : context.application->workloads) {
      Result<Pending> up = StartOrWatch(context, workload, images->at(workload.name), handle);
      if (up && !*up) up = AwaitBoot(context, workload, handle);
      if (!up) return up.error();
      if (*up) pending = std::move(*up);
      if (pending) continue;
      const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
      if (!domain) return domain.error();
      domains[workload.name] = *domain;
    }
    if (pending && handle.empty()) return *pending;
    if (pending) return WithHandle(context, std::move(*pending), handle);
    return Progress::Done(FactsOf(context, context.before, handle, domains));
  }

  Result<Progress> Undo(const StepContext& context) const override {
    Json handle = context.handle.is_object() ? context.handle : Json::object();
    Pending pending;
    for (const Workload& workload : context.application->workloads) {
      Result<Pending> gone = RemoveDomain(context, workload, handle);
      if (!gone) return gone.error();
      if (*gone) pending = std::move(*gone);
    }
    if (pending && handle.empty()) return *pending;
    if (pending) return WithHandle(context, std::move(*pending), handle);
    Json facts = {{"removed", Json::array()}, {"delta", Json::array()}, {"writes", WhatBecomesOfWrites(context)}};
    for (const Workload& workload : context.application->workloads) {
      const Status overlays = RemoveOverlays(context, workload, handle, facts);
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
    forecast.will += ForecastBoot(context, forecast);
    const bool discards = DiscardsDelta(context);
    forecast.undo += discards ? "; overlays go, with all that the target wrote"
                              : "; overlays go, or stay as the delta once the target has served";
    forecast.loses = std::string(kLosesWrites) +
                     (discards ? ": what the target wrote is DISCARDED (rollBackData: discard)"
                               : ": the source does not have it, but it is kept on the target, as the delta");
    return forecast;
  }

  Result<UndoProof> ProveUndo(const StepContext& context) const override { return ProveDomainsGo(context); }
};

}  // namespace

const Step& PowerOnTarget() {
  static const PowerOnTargetStep step;
  return step;
}

}  // namespace vmferry
