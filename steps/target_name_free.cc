// SPDX-License-Identifier: Apache-2.0
//
// target_name_free: nothing stands on the target under the name the workload will get there.
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/parameters.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "target_name_free";
  spec.purpose = "Checks that no domain of the workload's name exists on the target platform.";
  spec.scope = Scope::kWorkload;
  spec.reads = "the domain of that name on the target platform, if there is one";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example = "preChecks:\n  - target_name_free\n";
  return spec;
}

Error Taken(const StepContext& context, const DomainFacts& domain) {
  const std::string owner = domain.key.empty() ? "it was not made by vmferry"
                                               : "it was made by vmferry under key " + domain.key.substr(0, 12);
  return TargetError(context, ErrorKind::kConflict, "domain " + context.workload->domain,
                     "the name is taken: a domain with uuid " + domain.uuid + " is " + domain.state + "; " + owner,
                     "give the workload another `domain` in the site file, or remove that domain yourself");
}

// Two workloads of one application must not want the same name either.
std::vector<Error> Twins(const StepContext& context) {
  std::vector<Error> problems;
  for (const Workload& other : context.application->workloads)
    if (other.name != context.workload->name && other.domain == context.workload->domain)
      problems.push_back(TargetError(context, ErrorKind::kInvalid, "domain " + other.domain,
                                     "workload " + other.name + " has the same domain name",
                                     "give each workload its own `domain` in the site file"));
  return problems;
}

class TargetNameFreeStep final : public Inspection {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Findings Look(const StepContext& context) const override {
    const std::string& name = context.workload->domain;
    Findings findings;
    findings.will = "check that no domain " + name + " exists on " + context.application->target;
    findings.facts = {{"domain", name}};
    findings.problems = Twins(context);
    const Result<DomainFacts> domain = ReadDomain(context, name);
    if (!domain) {
      findings.problems.push_back(domain.error());
    } else if (domain->exists) {
      const std::string ours = TextOf(context.earlier("power_on_target", ""), "key");
      if (ours.empty() || domain->key != ours) findings.problems.push_back(Taken(context, *domain));
    }
    return findings;
  }
};

}  // namespace

const Step& TargetNameFree() {
  static const TargetNameFreeStep step;
  return step;
}

}  // namespace vmferry
