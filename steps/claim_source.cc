// SPDX-License-Identifier: Apache-2.0
//
// claim_source: the first effect on a VM. Writes this run's claim onto it, so that no other run, whichever journal it
// lives in, touches the VM until this one ends. Another's claim and a migrated VM are refused by Observe already,
// before any intent: nothing was touched.
#include "steps/catalogue.h"
#include "steps/names.h"
#include "steps/systems.h"
#include "steps/undo_proof.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "claim_source";
  spec.purpose = "Claims the source VM for this run; a VM claimed by another run is a conflict.";
  spec.scope = Scope::kWorkload;
  spec.effect = true;
  spec.recovery = Recovery::kObservable;
  spec.implicit = true;
  spec.reads = "the VM's configuration and its version";
  spec.changes = "extraConfig vmferry.claim of the source VM";
  spec.undo = "removes the claim";
  spec.loses = kLosesNothing;
  spec.example = "# added before the first effect on a VM; not written in runbooks\n";
  return spec;
}

// kConflict if the VM is not free for this run.
Status RequireFree(const StepContext& context, const VmFacts& vm) {
  const Workload& workload = *context.workload;
  if (vm.claim == ClaimText(context, workload)) return Ok();
  if (!vm.claim.empty()) return RequireClaim(context, workload, vm);
  if (vm.migrated.empty()) return Ok();
  return SourceError(
      context, ErrorKind::kConflict, workload, "it was already migrated (" + vm.migrated + ")",
      "see `vmferry audit show " + RunOf(vm.migrated) + "`; remove vmferry.migrated from the VM to move it again");
}

class ClaimSourceStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    if (!vm) return vm.error();
    const Status free = RequireFree(context, *vm);
    if (!free && context.before.is_null()) return free.error();
    Observation observation;  // after an intent, Apply says what is in the way
    observation.before = {{"claim", ""}};
    observation.evidence = {{"claim", vm->claim}, {"path", vm->path}};
    if (vm->claim == ClaimText(context, *context.workload)) observation.verdict = Verdict::kDone;
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    if (!vm) return vm.error();
    const Status free = RequireFree(context, *vm);
    if (!free) return free.error();
    const std::string claim = ClaimText(context, *context.workload);
    const Json facts = {{"claim", claim}, {"path", vm->path}};
    if (vm->claim == claim) return Progress::Done(facts);
    const Result<Plugin*> source = SourceOf(context);
    if (!source) return source.error();
    const auto reply =
        Invoke(**source, source::kClaimVm, ClaimRequest{context.workload->vm, claim, vm->change_version}, context.call);
    if (!reply) return reply.error();
    return Progress::Done(facts);
  }

  Result<Progress> Undo(const StepContext& context) const override {
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    if (!vm) return vm.error();
    const std::string claim = ClaimText(context, *context.workload);
    if (vm->claim != claim) return Progress::Done({{"released", false}, {"claim", vm->claim}});
    const Result<Plugin*> source = SourceOf(context);
    if (!source) return source.error();
    const auto reply =
        Invoke(**source, source::kReleaseVm, ReleaseRequest{context.workload->vm, claim, ""}, context.call);
    if (!reply) return reply.error();
    return Progress::Done({{"released", true}});
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    forecast.will = "claim VM " + context.workload->vm + " for this run (extraConfig vmferry.claim)";
    forecast.undo = "remove the claim";
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    const Status free = vm ? RequireFree(context, *vm) : Status(vm.error());
    if (!free) forecast.problems.push_back(free.error());
    return forecast;
  }

  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    if (!vm) return vm.error();
    if (const Status free = RequireFree(context, *vm); !free) return free.error();
    const std::string by = vm->claim.empty() ? "nobody" : "this run";
    return UndoProof{"VM " + context.workload->vm + " is claimed by " + by, {}, {}, ""};
  }
};

}  // namespace

const Step& ClaimSource() {
  static const ClaimSourceStep step;
  return step;
}

}  // namespace vmferry
