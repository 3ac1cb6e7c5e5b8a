// SPDX-License-Identifier: Apache-2.0
#include "steps/systems.h"

#include <utility>

#include "steps/names.h"
#include "steps/parameters.h"

namespace vmferry {
namespace {

std::string SystemName(const StepContext& context, const std::string& name) {
  const Result<Plugin*> plugin = context.systems->Find(name);
  return plugin ? (*plugin)->system() : name;
}

}  // namespace

Result<Plugin*> SourceOf(const StepContext& context) {
  return context.systems->Find(context.application->source);
}

Result<Plugin*> TargetOf(const StepContext& context) {
  return context.systems->Find(context.application->target);
}

Result<Plugin*> ServiceOf(const StepContext& context, std::string_view parameter) {
  return context.systems->Find(TextOf(context.parameters, parameter));
}

Result<VmFacts> ReadVm(const StepContext& context, const Workload& workload) {
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  return Invoke(**source, source::kDescribeVm, VmQuery{workload.vm}, context.call);
}

Result<TargetFacts> ReadTarget(const StepContext& context) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  return Invoke(**target, target::kDescribeTarget, PlatformQuery{}, context.call);
}

Result<DomainFacts> ReadDomain(const StepContext& context, const std::string& domain) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  return Invoke(**target, target::kDescribeDomain, DomainQuery{domain}, context.call);
}

Result<VolumeFacts> ReadVolume(const StepContext& context, const std::string& pool, const std::string& volume) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  return Invoke(**target, target::kDescribeVolume, VolumeQuery{pool, volume}, context.call);
}

std::string SourceName(const StepContext& context) {
  return SystemName(context, context.application->source);
}

Error SourceError(const StepContext& context, ErrorKind kind, const Workload& workload, std::string message,
                  std::string advice) {
  return Error{kind, SystemName(context, context.application->source), "VM " + workload.vm, std::move(message),
               std::move(advice)};
}

Error TargetError(const StepContext& context, ErrorKind kind, std::string object, std::string message,
                  std::string advice) {
  return Error{kind, SystemName(context, context.application->target), std::move(object), std::move(message),
               std::move(advice)};
}

Status RequireClaim(const StepContext& context, const Workload& workload, const VmFacts& vm) {
  const std::string ours = ClaimText(context, workload);
  if (vm.claim == ours) return Ok();
  if (vm.claim.empty())
    return SourceError(context, ErrorKind::kConflict, workload,
                       "it no longer carries the claim of this run (" + ours + ")",
                       "find out who removed vmferry.claim from the VM before going on");
  const std::string other = RunOf(vm.claim);
  return SourceError(context, ErrorKind::kConflict, workload, "it is claimed by run " + other + " (" + vm.claim + ")",
                     "see `vmferry status " + other + "`; finish it with `vmferry commit " + other +
                         "` or `vmferry rollback " + other + "`, from the journal that run lives in");
}

Result<std::string> PoolFor(const StepContext& context, const Workload& workload, const DiskFacts& disk) {
  const std::string datastore = DatastoreOf(disk.path);
  const auto pool = context.application->storage.find(datastore);
  if (!datastore.empty() && pool != context.application->storage.end()) return pool->second;
  if (datastore.empty())
    return SourceError(context, ErrorKind::kInvalid, workload,
                       disk.label + " is not on a datastore (" + disk.path + ")",
                       "move the disk to a datastore, or take it off the VM");
  return SourceError(context, ErrorKind::kInvalid, workload,
                     disk.label + " is on datastore " + datastore + ", which the site maps to no pool of the target",
                     "add `" + datastore + ": POOL` to the site's storage mapping");
}

Result<std::string> NetworkFor(const StepContext& context, const Workload& workload, const NicFacts& nic) {
  const auto network = context.application->networks.find(nic.network);
  if (network != context.application->networks.end()) return network->second;
  return SourceError(context, ErrorKind::kInvalid, workload,
                     nic.label + " is on network " + nic.network + ", which the site maps to no network of the target",
                     "add `" + nic.network + ": network:NAME` (or bridge:NAME, none) to the site's network mapping");
}

}  // namespace vmferry
