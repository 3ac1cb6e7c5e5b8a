// SPDX-License-Identifier: Apache-2.0
#include "steps/fence.h"

#include <algorithm>

#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

bool FenceCarries(const std::string& fence, const std::string& claim) {
  return TextOf(Json::parse(fence, nullptr, false), "claim") == claim;
}

// Empty when the fence stands.
std::string WhatIsMissing(const VmFacts& vm, const std::string& claim) {
  if (vm.power != "off") return "it is powered " + vm.power;
  for (const NicFacts& nic : vm.nics)
    if (nic.start_connected) return nic.label + " (" + nic.mac + ") connects at power-on";
  if (vm.fence.empty()) return "it carries no vmferry.fence";
  if (!FenceCarries(vm.fence, claim)) return "its vmferry.fence is not of this run";
  return "";
}

// The clone has the source's addresses, so it must not meet it.
Status RequireIsolated(const StepContext& context, const Workload& workload, const VmFacts& vm) {
  const Status claimed = RequireClaim(context, workload, vm);
  if (!claimed) return claimed;
  const std::string& isolated = context.application->rehearsal_network;
  for (const NicFacts& nic : vm.nics) {
    const Result<std::string> network = NetworkFor(context, workload, nic);
    if (!network) return network.error();
    if (isolated.empty() || *network != isolated)
      return SourceError(context, ErrorKind::kConflict, workload,
                         nic.label + " of its clone would stand on " + *network + ", not on the rehearsal's network",
                         "report this as a bug of vmferry");
  }
  return Ok();
}

}  // namespace

std::string FenceText(const std::string& claim, const std::vector<NicStart>& before) {
  Json nics = Json::array();
  for (const NicStart& nic : before) nics.push_back(Json(nic));
  return Json{{"claim", claim}, {"nics", nics}}.dump();
}

std::vector<NicStart> NicStarts(const VmFacts& vm) {
  std::vector<NicStart> starts;
  for (const NicFacts& nic : vm.nics) starts.push_back(NicStart{nic.id, nic.start_connected});
  return starts;
}

bool IsFenced(const VmFacts& vm, const std::string& claim) {
  return WhatIsMissing(vm, claim).empty();
}

Status RequireFenced(const StepContext& context, const Workload& workload, const VmFacts& vm) {
  const Status claimed = RequireClaim(context, workload, vm);
  if (!claimed) return claimed;
  const std::string missing = WhatIsMissing(vm, ClaimText(context, workload));
  if (missing.empty()) return Ok();
  return SourceError(context, ErrorKind::kConflict, workload,
                     "the fence that quiesce_application set is broken: " + missing,
                     "somebody changed the VM during the run: find out who, and roll back");
}

Result<VmFacts> ReadFencedVm(const StepContext& context, const Workload& workload) {
  Result<VmFacts> vm = ReadVm(context, workload);
  if (!vm) return vm;
  const Status fenced = context.application->rehearsal ? RequireIsolated(context, workload, *vm)
                                                       : RequireFenced(context, workload, *vm);
  if (!fenced) return fenced.error();
  return vm;
}

}  // namespace vmferry
