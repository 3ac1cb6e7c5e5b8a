// SPDX-License-Identifier: Apache-2.0
#include "steps/target_domain.h"

#include <utility>

#include "plugins/source_platform.h"
#include "plugins/target_platform.h"
#include "steps/boot_proof.h"
#include "steps/fence.h"
#include "steps/kept_delta.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/storage_profile.h"
#include "steps/systems.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPoll{1000};
constexpr milliseconds kStandardStop{30000};

Result<DefineRequest> DefinitionOf(const StepContext& context, const Workload& workload, const VmFacts& vm,
                                   const WorkloadImages& images, const std::vector<Overlay>& overlays) {
  DefineRequest request;
  request.domain = workload.domain;
  request.key = KeyOf(context);
  request.uuid = vm.bios_uuid;
  request.description =
      "moved by vmferry, run " + context.run + ", from " + context.application->source + " " + vm.path;
  request.cpus = vm.cpus;
  request.cores_per_socket = vm.cores_per_socket;
  request.memory_mib = vm.memory_mib;
  request.firmware = vm.firmware;
  request.secure_boot = vm.secure_boot;
  request.disk_bus = images.disk_bus;
  request.domain_type = context.application->domain_type.empty() ? "auto" : context.application->domain_type;
  request.extra_xml = workload.extra_domain_xml;
  PrepareForProof(context, overlays.empty() ? "" : overlays.front().pool, request);
  const std::optional<StorageProfile> profile = AttachedProfile(context, workload);
  for (const Overlay& overlay : overlays) {
    DomainDiskSpec& disk = request.disks.emplace_back(DomainDiskSpec{overlay.pool, overlay.volume, "qcow2"});
    if (profile) disk.cache = profile->cache, disk.discard = profile->discard, disk.io = profile->io;
  }
  for (const NicFacts& nic : vm.nics) {
    const Result<std::string> network = NetworkFor(context, workload, nic);
    if (!network) return network.error();
    const bool filtered = network->starts_with("network:") || network->starts_with("bridge:");
    request.nics.push_back(DomainNicSpec{nic.mac, *network, images.nic_model,
                                         filtered ? TextOf(context.parameters, "networkFilter") : ""});
  }
  return request;
}

Status MakeOverlays(const StepContext& context, const WorkloadImages& images, const std::vector<Overlay>& overlays) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  for (const Image& image : images.disks) {
    const Status sealed = RequireSealed(context, image);
    if (!sealed) return sealed;
  }
  for (const Overlay& overlay : overlays) {
    const Result<VolumeFacts> base = ReadVolume(context, overlay.pool, overlay.base);
    if (!base) return base.error();
    const EnsureVolumeRequest request{overlay.pool,         overlay.volume, "qcow2",
                                      base->capacity_bytes, overlay.base,   overlay.base_format};
    const auto made = Invoke(**target, target::kEnsureVolume, request, context.call);
    if (!made) return made.error();
  }
  return Ok();
}

// The platform says itself whether the storage profile arrived.
Status RequireAttached(const StepContext& context, const Workload& workload, const std::vector<Overlay>& overlays) {
  const std::optional<StorageProfile> profile = AttachedProfile(context, workload);
  if (!profile) return Ok();
  const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
  if (!domain) return domain.error();
  std::vector<std::string> volumes;
  for (const Overlay& overlay : overlays) volumes.push_back(overlay.volume);
  return RequireProfile(context, *domain, volumes, *profile);
}

Status Define(const StepContext& context, const Workload& workload, const VmFacts& vm, const WorkloadImages& images,
              const std::vector<Overlay>& overlays) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  const Result<DefineRequest> request = DefinitionOf(context, workload, vm, images, overlays);
  if (!request) return request.error();
  const auto defined = Invoke(**target, target::kEnsureDefined, *request, context.call);
  if (!defined) return defined.error();
  return RequireAttached(context, workload, overlays);
}

// Its power is cut in the next call, once the journal says so: a delta that was torn off must not pass for a clean one.
Result<Pending> Force(const StepContext& context, const std::string& domain, Json& handle) {
  if (Member(handle, "stopForced").contains(domain)) return Pending();
  handle["stopForced"][domain] = context.elapsed.count();
  return Pending(WithHandle(context, Progress::NotYet(milliseconds(0), "stopping domain " + domain), handle));
}

// A domain that has served is asked first; nothing once it need not be waited for.
Result<Pending> LetStop(const StepContext& context, Plugin& target, const DomainRequest& request, Json& handle) {
  const milliseconds patience = DurationOf(context.parameters, "stopDeadline", kStandardStop);
  const bool asked = Member(handle, "stopAsked").contains(request.domain);
  if (!context.target_served) return Pending();
  if (asked && WaitedSince(context, handle["stopAsked"][request.domain]) >= patience)
    return Force(context, request.domain, handle);
  Progress waiting = Progress::NotYet(kPoll, "waiting for domain " + request.domain + " to shut down");
  if (asked) return Pending(WithHandle(context, std::move(waiting), handle));
  const auto stop = Invoke(target, target::kRequestStop, request, context.call);
  if (!stop && stop.error().kind != ErrorKind::kInvalid) return stop.error();
  if (!stop) return Force(context, request.domain, handle);  // it cannot be asked
  handle["stopAsked"][request.domain] = context.elapsed.count();
  return Pending(WithHandle(context, std::move(waiting), handle));
}

}  // namespace

Json PlanDomains(const StepContext& context, const std::map<std::string, WorkloadImages>& images) {
  Json plan = {{"key", context.key}, {"workloads", Json::object()}};
  for (const Workload& workload : context.application->workloads) {
    Json& entry = plan["workloads"][workload.name];
    entry = {{"domain", workload.domain}, {"overlays", Json::array()}};
    int number = 0;
    for (const Image& image : images.at(workload.name).disks)
      entry["overlays"].push_back(
          Overlay{image.pool, OverlayName(workload.domain, context.key, ++number), image.volume, image.format});
  }
  return plan;
}

std::vector<Overlay> OverlaysOf(const Json& plan, const Workload& workload) {
  const Json& list = Member(Member(Member(plan, "workloads"), workload.name), "overlays");
  return list.is_array() ? list.get<std::vector<Overlay>>() : std::vector<Overlay>();
}

Result<Pending> StartDomain(const StepContext& context, const Workload& workload, const WorkloadImages& images) {
  const Result<VmFacts> vm = ReadFencedVm(context, workload);
  if (!vm) return vm.error();
  const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
  if (!domain) return domain.error();
  if (domain->exists && domain->key != KeyOf(context))
    return TargetError(context, ErrorKind::kConflict, "domain " + workload.domain,
                       "a domain of this name is there, and it is not of this step", "remove or rename that domain");
  if (domain->exists && domain->state == "running") return Pending();
  const std::vector<Overlay> overlays = OverlaysOf(context.before, workload);
  const Status made = MakeOverlays(context, images, overlays);
  if (!made) return made.error();
  const Status defined = Define(context, workload, *vm, images, overlays);
  if (!defined) return defined.error();
  const Result<VmFacts> still_fenced = ReadFencedVm(context, workload);  // promise 4: right before the start
  if (!still_fenced) return still_fenced.error();
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  const auto started =
      Invoke(**target, target::kEnsureRunning, DomainRequest{workload.domain, KeyOf(context)}, context.call);
  if (!started) return started.error();
  return Pending(Progress::NotYet(started->done ? milliseconds(0) : kPoll, "starting domain " + workload.domain));
}

Result<Pending> RemoveDomain(const StepContext& context, const Workload& workload, Json& handle) {
  const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
  if (!domain) return domain.error();
  if (!domain->exists || domain->key != KeyOf(context)) return Pending();
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  const DomainRequest request{workload.domain, KeyOf(context)};
  if (domain->state != "off") {
    Result<Pending> let = LetStop(context, **target, request, handle);
    if (!let || *let) return let;
    const auto stopped = Invoke(**target, target::kEnsureStopped, request, context.call);
    if (!stopped) return stopped.error();
    if (!stopped->done) return Pending(Progress::NotYet(kPoll, "stopping domain " + workload.domain));
  }
  const auto undefined = Invoke(**target, target::kEnsureUndefined, request, context.call);
  if (!undefined) return undefined.error();
  return Pending();
}

std::string_view HowStopped(const Json& handle, const Workload& workload) {
  if (Member(handle, "stopForced").contains(workload.domain)) return "forced";
  return Member(handle, "stopAsked").contains(workload.domain) ? "shut down" : "was off";
}

UndoProof ProveDomainsGo(const StepContext& context) {
  UndoProof proof;
  const std::string ours = TextOf(context.earlier("power_on_target", ""), "key");
  for (const Workload& workload : context.application->workloads) {
    const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
    if (!domain)
      Note(proof, domain.error());
    else if (!domain->exists)
      Prove(proof, "no other domain is called " + workload.domain);
    else if (!ours.empty() && domain->key == ours)
      Prove(proof, "domain " + workload.domain + " is ours");
    else
      Note(proof, TargetError(context, ErrorKind::kConflict, "domain " + workload.domain,
                              "a domain of this name is there, and it is not of this run, so that it could not be removed",
                              "remove or rename that domain, or give the workload another `domain`"));
  }
  Prove(proof, "privileges on the target cannot be proved, only used");
  proof.takes = DurationOf(context.parameters, "stopDeadline", kStandardStop);
  proof.estimate = DurationInWords(proof.takes) + " for the domain to shut down (stopDeadline)";
  return proof;
}

Status RemoveOverlays(const StepContext& context, const Workload& workload, const Json& handle, Json& facts) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  std::vector<std::pair<Overlay, VolumeFacts>> kept;
  for (const Overlay& overlay : OverlaysOf(context.before, workload)) {
    const Result<VolumeFacts> volume = ReadVolume(context, overlay.pool, overlay.volume);
    if (!volume) return volume.error();
    if (!volume->exists) continue;
    const bool served = context.target_served && !DiscardsDelta(context);
    if (served || !volume->seal.empty()) {
      kept.emplace_back(overlay, *volume);
      continue;
    }
    facts["removed"].push_back(overlay.pool + "/" + overlay.volume);
    const auto removed = Invoke(**target, target::kEnsureNoVolume,
                                RemoveVolumeRequest{overlay.pool, overlay.volume, false}, context.call);
    if (!removed) return removed.error();
  }
  for (Json& delta : DeltaFacts(workload, kept, HowStopped(handle, workload))) facts["delta"].push_back(std::move(delta));
  return Ok();
}

}  // namespace vmferry
