// SPDX-License-Identifier: Apache-2.0
//
// retire_source: after a commit, and with an approval of its own, the source VM leaves the inventory. Its files and disks
// stay on their datastore, so that it can be registered again until somebody deletes them on purpose.
#include <string>

#include "plugins/source_retire.h"
#include "steps/catalogue.h"
#include "steps/names.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "retire_source";
  spec.purpose = "After commit: takes the source VM out of the inventory, once a person approved that; its disks stay.";
  spec.scope = Scope::kWorkload;
  spec.effect = true;
  spec.recovery = Recovery::kObservable;
  spec.point_of_no_return = true;
  spec.needs_approval = true;
  spec.implicit = true;
  spec.reads = "the source VM: its mark of migration, its power state, where its disks are";
  spec.changes = "the source platform's inventory; no file";
  spec.loses = kLosesNothing;
  spec.undo = "impossible by vmferry: register the VM again from the folder of its disks, which the journal names";
  spec.example = "retireSource: true # in the runbook; the step itself is not written\n";
  return spec;
}

class RetireSourceStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    Observation observation;
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    if (!vm && vm.error().kind != ErrorKind::kNotFound) return vm.error();
    if (!vm) {
      observation.verdict = Verdict::kDone;
      observation.evidence = {{"inventory", "no such VM"}};
      if (context.before.is_object() && context.before.contains("disks"))
        observation.evidence["disks"] = context.before["disks"];
      return observation;
    }
    observation.before = {{"path", vm->path}, {"host", vm->host}, {"disks", DiskPaths(*vm)}};
    observation.evidence = {{"inventory", vm->path}};
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Workload& workload = *context.workload;
    const Json facts = {{"unregistered", workload.vm}, {"disks", context.before.value("disks", Json::array())}};
    const Result<VmFacts> vm = ReadVm(context, workload);
    if (!vm && vm.error().kind == ErrorKind::kNotFound) return Progress::Done(facts);
    if (!vm) return vm.error();
    const Result<Plugin*> source = SourceOf(context);
    if (!source) return source.error();
    const UnregisterRequest request{workload.vm, MigratedText(context, workload)};
    const auto reply = Invoke(**source, source::kUnregisterVm, request, context.call);
    if (!reply) return reply.error();
    return Progress::Done(facts);
  }

  Result<Progress> Undo(const StepContext& context) const override {
    return SourceError(context, ErrorKind::kInvalid, *context.workload, "it was retired after the point of no return",
                       "register it again from the folder of its disks");
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    return Forecast{"with an approval of its own: take VM " + context.workload->vm +
                        " out of the inventory; its disks stay where they are",
                    MakeSpec().undo, {}};
  }

 private:
  static Json DiskPaths(const VmFacts& vm) {
    Json paths = Json::array();
    for (const DiskFacts& disk : vm.disks) paths.push_back(disk.path);
    return paths;
  }
};

}  // namespace

const Step& RetireSource() {
  static const RetireSourceStep step;
  return step;
}

}  // namespace vmferry
