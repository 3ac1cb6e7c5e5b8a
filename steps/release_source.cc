// SPDX-License-Identifier: Apache-2.0
//
// release_source: the end of a commit. The claim on the source VM becomes a mark that says where the VM went. The
// fence stays: the VM is kept, off and without network, until somebody deletes it on purpose.
#include <string>

#include "steps/catalogue.h"
#include "steps/fence.h"
#include "steps/names.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "release_source";
  spec.purpose = "Commit: replaces the claim on the source VM by the mark that it was migrated; the fence stays.";
  spec.scope = Scope::kWorkload;
  spec.effect = true;
  spec.recovery = Recovery::kObservable;
  spec.point_of_no_return = true;
  spec.implicit = true;
  spec.reads = "claim, mark and fence of the source VM";
  spec.changes = "extraConfig vmferry.claim and vmferry.migrated of the source VM";
  spec.undo = "impossible: it comes after the point of no return";
  spec.loses = kLosesNothing;
  spec.example = "# added to the commit phase; not written in runbooks\n";
  return spec;
}

class ReleaseSourceStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    if (!vm) return vm.error();
    Observation observation;
    observation.before = {{"claim", vm->claim}, {"migrated", vm->migrated}};
    observation.evidence = {{"migrated", vm->migrated}, {"fence", !vm->fence.empty()}};
    if (Released(context, *vm)) observation.verdict = Verdict::kDone;
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Workload& workload = *context.workload;
    const Result<VmFacts> vm = ReadVm(context, workload);
    if (!vm) return vm.error();
    const std::string mark = MigratedText(context, workload);
    const Json facts = {{"migrated", mark}, {"fence", true}};
    if (Released(context, *vm)) return Progress::Done(facts);
    const Status fenced = RequireFenced(context, workload, *vm);
    if (!fenced) return fenced.error();
    const Result<Plugin*> source = SourceOf(context);
    if (!source) return source.error();
    const auto reply = Invoke(**source, source::kReleaseVm,
                              ReleaseRequest{workload.vm, ClaimText(context, workload), mark}, context.call);
    if (!reply) return reply.error();
    return Progress::Done(facts);
  }

  Result<Progress> Undo(const StepContext& context) const override {
    return SourceError(context, ErrorKind::kInvalid, *context.workload, "it was released after the point of no return",
                       "to move it again, remove vmferry.migrated from the VM and begin a new run");
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    return Forecast{
        "mark VM " + context.workload->vm + " as migrated, remove its claim, keep its fence", MakeSpec().undo, {}};
  }

 private:
  static bool Released(const StepContext& context, const VmFacts& vm) {
    return vm.claim.empty() && vm.migrated == MigratedText(context, *context.workload);
  }
};

}  // namespace

const Step& ReleaseSource() {
  static const ReleaseSourceStep step;
  return step;
}

}  // namespace vmferry
