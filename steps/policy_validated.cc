// SPDX-License-Identifier: Apache-2.0
//
// policy_validated: what of a policy only the platform can tell, before anything is touched: which devices of its host
// a VM uses. Nothing offline knows them, and they may change until the run begins.
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
  spec.name = "policy_validated";
  spec.purpose = "Checks that the VM uses GPUs and other devices of its host only in the modes that a policy allows.";
  spec.scope = Scope::kWorkload;
  spec.implicit = true;
  spec.parameters = {
      Required("policy", ParameterType::kText, "name of the policy"),
      Required("allowModes", ParameterType::kTextList, "passthrough, sriov, vgpu, mig; none of them if empty"),
      Optional("overridden", ParameterType::kBoolean, "false", "what is not allowed is noted and let through"),
  };
  spec.reads = "the VM's PCI pass-through and virtual GPU devices";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example = "# added for a WorkloadPolicy with gpuScheduling; not written in runbooks\n";
  return spec;
}

std::vector<std::string> Modes(const StepContext& context) {
  std::vector<std::string> modes;
  for (const Json& mode : Member(context.parameters, "allowModes")) modes.push_back(mode.get<std::string>());
  return modes;
}

std::string InWords(const GpuFacts& gpu) {
  return gpu.label + (gpu.device.empty() ? "" : " (" + gpu.device + ")") + " has mode " + gpu.mode;
}

class PolicyValidatedStep final : public Inspection {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Findings Look(const StepContext& context) const override {
    Findings findings;
    const std::vector<std::string> allowed = Modes(context);
    const std::string policy = TextOf(context.parameters, "policy");
    const bool overridden = Member(context.parameters, "overridden") == true;
    findings.will = "check that VM " + context.workload->vm + " uses devices of its host only as policy " + policy +
                    " allows: " + ListInWords(allowed) + (overridden ? "; overridden: others are let through" : "");
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    if (!vm) {
      findings.problems.push_back(vm.error());
      return findings;
    }
    findings.facts = {{"policy", policy}, {"devices", Json::array()}, {"violations", Json::array()}};
    for (const GpuFacts& gpu : vm->gpus) {
      findings.facts["devices"].push_back(gpu);
      if (std::find(allowed.begin(), allowed.end(), gpu.mode) != allowed.end()) continue;
      findings.facts["violations"].push_back(InWords(gpu));
      if (!overridden) findings.problems.push_back(Violation(context, policy, gpu, allowed));
    }
    return findings;
  }

 private:
  static Error Violation(const StepContext& context, const std::string& policy, const GpuFacts& gpu,
                         const std::vector<std::string>& allowed) {
    return SourceError(context, ErrorKind::kInvalid, *context.workload,
                       InWords(gpu) + ", which policy " + policy + ", gpuScheduling.allowModes, does not allow",
                       "allowed: " + ListInWords(allowed) + "; change the device or the policy, or override it with "
                       "`--override-policy gpuScheduling.allowModes --reason ...`");
  }
};

}  // namespace

const Step& PolicyValidated() {
  static const PolicyValidatedStep step;
  return step;
}

}  // namespace vmferry
