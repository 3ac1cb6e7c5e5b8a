// SPDX-License-Identifier: Apache-2.0
//
// rehearsal_fingerprint: the bracket around a rehearsal. It stands before the first effect, so its undo is the last of
// all: then source and target are read again, and what differs is named. A difference is a fact, not a failure: all that
// can be undone is undone by then, and who changed what else is for people to find out.
// What changes by itself while a VM serves (its host, its tools' state, the version of its configuration) is left out.
#include <algorithm>
#include <string>
#include <utility>

#include "plugins/target_network.h"
#include "plugins/target_volumes.h"
#include "state/digest.h"
#include "steps/catalogue.h"
#include "steps/fingerprint.h"
#include "steps/parameters.h"
#include "steps/pending.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kRehearsalFingerprint;
  spec.purpose = "Rehearsals: notes how source and target are before anything is touched, and compares in the end.";
  spec.effect = true;  // so that it has a before-image and an undo, the last of all
  spec.implicit = true;
  spec.reads =
      "power, hardware, NICs, disks, snapshots and vmferry's marks of the source VMs; domains and volumes of the "
      "application on the target, and the network of the rehearsal";
  spec.changes = "nothing; it is undone, last of all, by comparing";
  spec.undo = "reads the same again; its facts name what differs";
  spec.loses = kLosesNothing;
  spec.example = "# added by `vmferry rehearse`; not written in runbooks\n";
  return spec;
}

Json NicToJson(const NicFacts& nic) {
  return {{"mac", nic.mac},
          {"adapter", nic.adapter},
          {"network", nic.network},
          {"connected", nic.connected},
          {"startConnected", nic.start_connected}};
}

Json DiskToJson(const DiskFacts& disk) {
  return {{"path", disk.path}, {"capacityBytes", disk.capacity_bytes}, {"mode", disk.mode}};
}

Result<Json> FingerprintOfVm(const StepContext& context, const Workload& workload) {
  const Result<VmFacts> vm = ReadVm(context, workload);
  if (!vm) return vm.error();
  Json json = {{"power", vm->power},       {"biosUuid", vm->bios_uuid}, {"cpus", vm->cpus},
               {"memoryMib", vm->memory_mib}, {"firmware", vm->firmware},  {"claim", vm->claim},
               {"migrated", vm->migrated}, {"fence", vm->fence},        {"snapshots", vm->snapshots}};
  for (const NicFacts& nic : vm->nics) json["nics"][nic.id] = NicToJson(nic);
  for (const DiskFacts& disk : vm->disks) json["disks"][disk.id] = DiskToJson(disk);
  return json;
}

Result<Json> FingerprintOfDomain(const StepContext& context, const std::string& name) {
  const Result<DomainFacts> domain = ReadDomain(context, name);
  if (!domain) return domain.error();
  if (!domain->exists) return Json("none");
  Json json = {{"state", domain->state}, {"uuid", domain->uuid}, {"key", domain->key}, {"macs", domain->macs}};
  for (const DomainDisk& disk : domain->disks) json["disks"][disk.target] = {disk.volume, disk.backing};
  return json;
}

// "none" where there is no such network, or the platform cannot tell.
Result<std::string> NetworkState(const StepContext& context, Plugin& target, const std::string& network) {
  const auto facts = Invoke(target, target::kDescribeNetwork, NetworkQuery{network}, context.call);
  if (!facts && facts.error().kind == ErrorKind::kInvalid) return std::string("cannot be told");
  if (!facts) return facts.error();
  return std::string(!facts->exists ? "none" : facts->active ? "active" : "inactive");
}

Result<Json> FingerprintOfTarget(const StepContext& context) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  Json json = {{"domains", Json::object()}, {"pools", Json::object()}, {"networks", Json::object()}};
  for (const Workload& workload : context.application->workloads) {
    for (const std::string& name : {workload.domain, RealDomain(workload.domain)}) {
      Result<Json> domain = FingerprintOfDomain(context, name);
      if (!domain) return domain.error();
      json["domains"][name] = std::move(*domain);
    }
    for (const auto& [datastore, pool] : context.application->storage) {
      const auto volumes = Invoke(**target, target::kListVolumes,
                                  VolumeListQuery{pool, RealDomain(workload.domain) + "-"}, context.call);
      if (!volumes) return volumes.error();
      if (!json["pools"].contains(pool)) json["pools"][pool] = Json::object();
      for (const std::string& volume : volumes->volumes)
        if (IsVolumeOf(volume, RealDomain(workload.domain))) json["pools"][pool][volume] = true;
    }
  }
  for (const auto& [from, network] : context.application->networks) {
    Result<std::string> state = NetworkState(context, **target, network);
    if (!state) return state.error();
    json["networks"][network] = *state;
  }
  return json;
}

Result<Json> TakeFingerprint(const StepContext& context) {
  Json source = Json::object();
  for (const Workload& workload : context.application->workloads) {
    Result<Json> vm = FingerprintOfVm(context, workload);
    if (!vm) return vm.error();
    source[workload.vm] = std::move(*vm);
  }
  Result<Json> target = FingerprintOfTarget(context);
  if (!target) return target.error();
  return Json{{"source", std::move(source)}, {"target", std::move(*target)}};
}

class RehearsalFingerprintStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    Result<Json> fingerprint = TakeFingerprint(context);
    if (!fingerprint) return fingerprint.error();
    Observation observation;
    observation.evidence = {{"sha256", Sha256Hex(fingerprint->dump())}};
    observation.before = {{"fingerprint", std::move(*fingerprint)}};
    if (Member(context.handle, "noted").is_boolean()) observation.verdict = Verdict::kDone;
    return observation;
  }

  // The before-image is in the journal, which is all there is to do. What cannot be read now could not be compared.
  Result<Progress> Apply(const StepContext& context) const override {
    const Result<Json> readable = TakeFingerprint(context);
    if (!readable) return readable.error();
    const Json handle = {{"noted", true}};
    Json facts = {{"sha256", Sha256Hex(Member(context.before, "fingerprint").dump())}};
    return WithHandle(context, Progress::Done(std::move(facts)), handle);
  }

  Result<Progress> Undo(const StepContext& context) const override {
    const Json& before = Member(context.before, "fingerprint");
    const Result<Json> after = TakeFingerprint(context);
    if (!after) return after.error();
    const std::vector<std::string> differences = Differences(before, *after);
    return Progress::Done({{"equal", differences.empty()},
                           {"before", Sha256Hex(before.dump())},
                           {"after", Sha256Hex(after->dump())},
                           {"differences", differences}});
  }

  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    UndoProof proof;
    const Result<Json> fingerprint = TakeFingerprint(context);
    if (!fingerprint)
      proof.problems.push_back(fingerprint.error());
    else
      proof.proves = "source and target can be read and compared";
    return proof;
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    forecast.will = "note how source and target are";
    forecast.undo = "compare";
    const Result<Json> fingerprint = TakeFingerprint(context);
    if (!fingerprint) forecast.problems.push_back(fingerprint.error());
    return forecast;
  }
};

}  // namespace

const Step& RehearsalFingerprint() {
  static const RehearsalFingerprintStep step;
  return step;
}

}  // namespace vmferry
