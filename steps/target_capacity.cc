// SPDX-License-Identifier: Apache-2.0
//
// target_capacity: the target can hold and run the application. Space is summed over all VMs of the application, since
// they share pools; memory likewise.
#include <algorithm>

#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "target_capacity";
  spec.purpose = "Checks that the target's pools, memory, CPUs, networks and firmware are enough for the application.";
  spec.scope = Scope::kWorkload;
  spec.parameters = {
      Choice("format", {"raw", "qcow2"}, "qcow2",
             "disk format that convert_image will make: qcow2 needs room for the raw copy and the converted one"),
      Optional("reserve", ParameterType::kSize, "", "space that must stay free in every pool, in bytes"),
  };
  spec.reads = "the target's pools, memory, CPUs, firmwares and networks, and the hardware of the application's VMs";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example = "preChecks:\n  - target_capacity: {reserve: 10GiB}\n";
  return spec;
}

// What the whole application needs.
struct Need {
  std::map<std::string, std::uint64_t> bytes_of_pool;
  std::int64_t memory_mib = 0;
};

struct Report {
  const StepContext& context;
  Findings& findings;

  void Refuse(std::string object, std::string message, std::string advice) {
    findings.problems.push_back(
        TargetError(context, ErrorKind::kInvalid, std::move(object), std::move(message), std::move(advice)));
  }
};

void AddNeed(Report& report, const Workload& workload, const VmFacts& vm, Need& need) {
  const std::uint64_t copies = TextOf(report.context.parameters, "format", "qcow2") == "raw" ? 1 : 2;
  need.memory_mib += vm.memory_mib;
  for (const DiskFacts& disk : vm.disks) {
    const Result<std::string> pool = PoolFor(report.context, workload, disk);
    if (pool)
      need.bytes_of_pool[*pool] += copies * disk.capacity_bytes;
    else if (workload.name == report.context.workload->name)
      report.findings.problems.push_back(pool.error());
  }
}

void CheckPools(Report& report, const TargetFacts& target, const Need& need) {
  const auto reserve = static_cast<std::uint64_t>(IntegerOf(report.context.parameters, "reserve", 0));
  for (const auto& [name, bytes] : need.bytes_of_pool) {
    const auto pool = std::find_if(target.pools.begin(), target.pools.end(),
                                   [&name = name](const PoolFacts& facts) { return facts.name == name; });
    if (pool == target.pools.end()) {
      report.Refuse("pool " + name, "the target has no such pool", "create it, or map the datastore to another pool");
      continue;
    }
    report.findings.facts["pools"].push_back(
        {{"pool", name}, {"neededBytes", bytes}, {"reserveBytes", reserve}, {"availableBytes", pool->available_bytes}});
    report.findings.will += "; pool " + name + ": " + BytesInWords(bytes) + " needed, " +
                            BytesInWords(pool->available_bytes) + " available";
    if (!pool->active)
      report.Refuse("pool " + name, "it is not active", "start it on the target (`virsh pool-start " + name + "`)");
    else if (pool->available_bytes < bytes + reserve)
      report.Refuse("pool " + name,
                    "not enough space: " + BytesInWords(bytes) + " needed by the application" +
                        (reserve == 0 ? "" : " and " + BytesInWords(reserve) + " reserved") + ", " +
                        BytesInWords(pool->available_bytes) + " available",
                    "free space in the pool, enlarge it, or map the datastore to another pool");
  }
}

void CheckHost(Report& report, const TargetFacts& target, const VmFacts& vm, const Need& need) {
  const std::string host = "host " + target.host;
  const bool told = target.memory_free_mib >= 0;
  const std::int64_t memory = told ? target.memory_free_mib : target.memory_mib;
  report.findings.facts["memory"] = {{"neededMib", need.memory_mib}, {"freeMib", target.memory_free_mib}};
  if (memory < need.memory_mib)
    report.Refuse(host,
                  "not enough memory: " + std::to_string(need.memory_mib) + " MiB needed by the application, " +
                      std::to_string(memory) + " MiB " + (told ? "free" : "in all"),
                  "free memory on the host or choose another target");
  if (target.cpus < vm.cpus)
    report.Refuse(host, "the VM has " + CountInWords(vm.cpus, "CPU") + ", the host " + std::to_string(target.cpus),
                  "give the VM fewer CPUs or choose another target");
}

bool Has(const std::vector<std::string>& items, const std::string& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

void CheckCapabilities(Report& report, const TargetFacts& target, const VmFacts& vm) {
  const std::string host = "host " + target.host;
  const std::string& type = report.context.application->domain_type;
  if (type.empty() || type == "auto" ? target.domain_types.empty() : !Has(target.domain_types, type))
    report.Refuse(host,
                  "it cannot run domains of type " + (type.empty() ? "auto" : type) +
                      " (usable: " + ListInWords(target.domain_types) + ")",
                  "enable virtualisation on the host, or set the platform's domainType");
  if (!Has(target.firmwares, vm.firmware))
    report.Refuse(host, "it has no firmware " + vm.firmware + " (usable: " + ListInWords(target.firmwares) + ")",
                  vm.firmware == "efi" ? "install OVMF on the host" : "choose another target");
  for (const NicFacts& nic : vm.nics) {
    const Result<std::string> network = NetworkFor(report.context, *report.context.workload, nic);
    if (!network) {
      report.findings.problems.push_back(network.error());
    } else if (network->starts_with("network:") && !Has(target.networks, *network) &&
               !Has(target.networks, network->substr(8))) {
      report.Refuse(*network, "the target has no such network (known: " + ListInWords(target.networks) + ")",
                    "define it on the target, or map " + nic.network + " to another network");
    }
  }
}

class TargetCapacityStep final : public Inspection {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Findings Look(const StepContext& context) const override {
    Findings findings;
    Report report{context, findings};
    findings.will = "check that " + context.application->target + " has room for VM " + context.workload->vm;
    findings.facts = {{"pools", Json::array()}};
    Need need;
    VmFacts ours;
    for (const Workload& workload : context.application->workloads) {
      const Result<VmFacts> vm = ReadVm(context, workload);
      if (!vm) findings.problems.push_back(vm.error());
      if (!vm) continue;
      AddNeed(report, workload, *vm, need);
      if (workload.name == context.workload->name) ours = *vm;
    }
    const Result<TargetFacts> target = ReadTarget(context);
    if (!target) findings.problems.push_back(target.error());
    if (!findings.problems.empty()) return findings;
    findings.facts["product"] = target->product;
    CheckPools(report, *target, need);
    CheckHost(report, *target, ours, need);
    CheckCapabilities(report, *target, ours);
    return findings;
  }
};

}  // namespace

const Step& TargetCapacity() {
  static const TargetCapacityStep step;
  return step;
}

}  // namespace vmferry
