// SPDX-License-Identifier: Apache-2.0
//
// vm_exists: the source VM is there, is the only one of its path, and can be moved as it is now. What cannot be moved
// is refused here, before anything is touched, all reasons at once (the yardstick: Forklift's vSphere conditions).
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "vm_exists";
  spec.purpose = "Checks that the source VM exists, that its path names one VM only, and that it can be moved now.";
  spec.scope = Scope::kWorkload;
  spec.reads = "the VM's power state, hardware, snapshots, disks, networks and vmferry's marks on it";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example = "preChecks:\n  - vm_exists\n";
  return spec;
}

// Collects problems of one VM.
struct Refusals {
  const StepContext& context;
  std::vector<Error>& problems;

  void Add(ErrorKind kind, std::string message, std::string advice) {
    problems.push_back(SourceError(context, kind, *context.workload, std::move(message), std::move(advice)));
  }
  void Take(const Result<std::string>& mapped) {
    if (!mapped) problems.push_back(mapped.error());
  }
};

void RefuseOwner(Refusals& refusals, const StepContext& context, const VmFacts& vm) {
  const std::string ours = ClaimText(context, *context.workload);
  if (!vm.migrated.empty() && vm.claim != ours) {
    const std::string run = RunOf(vm.migrated);
    refusals.Add(ErrorKind::kConflict, "it was already migrated (" + vm.migrated + ")",
                 "see `vmferry audit show " + run + "`; remove vmferry.migrated from the VM to move it again");
  }
  if (!vm.claim.empty() && vm.claim != ours)
    refusals.problems.push_back(RequireClaim(context, *context.workload, vm).error());
}

void RefuseState(Refusals& refusals, const VmFacts& vm) {
  if (vm.power == "suspended")
    refusals.Add(ErrorKind::kInvalid, "it is suspended", "resume it, or shut it down, and try again");
  else if (vm.power != "on" && vm.power != "off")
    refusals.Add(ErrorKind::kInvalid, "its power state is not known (" + vm.power + ")", "look at the host it runs on");
  if (!vm.snapshots.empty())
    refusals.Add(ErrorKind::kInvalid, "it has snapshots: " + ListInWords(vm.snapshots),
                 "remove or consolidate them: disks with snapshots are not copied");
  if (vm.tpm)
    refusals.Add(ErrorKind::kInvalid, "it has a virtual TPM, whose secrets cannot be moved",
                 "take the TPM off the VM after saving what it protects (BitLocker recovery keys)");
}

void RefuseDisk(Refusals& refusals, const StepContext& context, const DiskFacts& disk) {
  if (disk.raw_device_mapping) {
    refusals.Add(ErrorKind::kInvalid, disk.label + " is a raw device mapping", "copy it to a VMDK first");
    return;
  }
  if (disk.mode.starts_with("independent"))
    refusals.Add(ErrorKind::kInvalid, disk.label + " is independent (" + disk.mode + ")",
                 "set its mode to dependent (persistent)");
  if (disk.shared)
    refusals.Add(ErrorKind::kInvalid, disk.label + " is shared with other VMs", "shared disks cannot be moved");
  if (disk.capacity_bytes == 0)
    refusals.Add(ErrorKind::kInvalid, disk.label + " has size zero or its size is not known",
                 "look at " + disk.path + " on the platform");
  refusals.Take(PoolFor(context, *context.workload, disk));
}

Json Summary(const VmFacts& vm) {
  Json facts = {{"path", vm.path},
                {"power", vm.power},
                {"tools", vm.tools},
                {"cpus", vm.cpus},
                {"memoryMib", vm.memory_mib},
                {"firmware", vm.firmware},
                {"secureBoot", vm.secure_boot},
                {"host", vm.host},
                {"instanceUuid", vm.instance_uuid},
                {"disks", Json::array()},
                {"nics", Json::array()},
                {"warnings", Json::array()}};
  for (const DiskFacts& disk : vm.disks)
    facts["disks"].push_back({{"label", disk.label}, {"path", disk.path}, {"bytes", disk.capacity_bytes}});
  for (const NicFacts& nic : vm.nics)
    facts["nics"].push_back({{"label", nic.label}, {"mac", nic.mac}, {"network", nic.network}});
  if (vm.power == "on" && vm.tools != "running")
    facts["warnings"].push_back("guest tools are " + (vm.tools.empty() ? "unknown" : vm.tools) +
                                ": quiesce_application cannot shut the guest down and will do as onRefusal says");
  if (!vm.fence.empty()) facts["warnings"].push_back("it carries a vmferry.fence: its NICs may not connect");
  return facts;
}

class VmExistsStep final : public Inspection {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Findings Look(const StepContext& context) const override {
    Findings findings;
    findings.will = "check that VM " + context.workload->vm + " can be moved";
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    if (!vm) {
      findings.problems.push_back(vm.error());
      return findings;
    }
    findings.will += " (" + vm->power + ", tools " + vm->tools + ", " + CountInWords(vm->cpus, "CPU") + ", " +
                     std::to_string(vm->memory_mib) + " MiB memory, " + DisksInWords(vm->disks) + ", " +
                     CountInWords(vm->nics.size(), "NIC") + ")";
    findings.facts = Summary(*vm);
    Refusals refusals{context, findings.problems};
    RefuseOwner(refusals, context, *vm);
    RefuseState(refusals, *vm);
    if (vm->disks.empty()) refusals.Add(ErrorKind::kInvalid, "it has no disks", "there is nothing to move");
    for (const DiskFacts& disk : vm->disks) RefuseDisk(refusals, context, disk);
    for (const NicFacts& nic : vm->nics) refusals.Take(NetworkFor(context, *context.workload, nic));
    return findings;
  }
};

}  // namespace

const Step& VmExists() {
  static const VmExistsStep step;
  return step;
}

}  // namespace vmferry
