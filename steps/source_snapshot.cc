// SPDX-License-Identifier: Apache-2.0
#include "steps/source_snapshot.h"

#include <utility>

#include "plugins/source_platform.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

SnapshotRequest SnapshotOf(const StepContext& context, const Workload& workload) {
  return {workload.vm, "vmferry rehearsal", KeyOf(context)};
}

}  // namespace

Result<Pending> TakeSnapshots(const StepContext& context) {
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  Json handle = context.handle.is_object() ? context.handle : Json::object();
  for (const Workload& workload : context.application->workloads) {
    if (Member(handle, "snapshots").contains(workload.name)) continue;
    const auto taken = Invoke(**source, source::kEnsureSnapshot, SnapshotOf(context, workload), context.call);
    if (!taken) return taken.error();
    handle["snapshots"][workload.name] = true;
    Progress next = Progress::NotYet(std::chrono::milliseconds(0), "took a snapshot of VM " + workload.vm);
    return Pending(WithHandle(context, std::move(next), handle));
  }
  return Pending();
}

Status RemoveSnapshots(const StepContext& context) {
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  for (const Workload& workload : context.application->workloads) {
    const auto removed = Invoke(**source, source::kEnsureNoSnapshot, SnapshotOf(context, workload), context.call);
    if (!removed) return removed.error();
  }
  return Ok();
}

}  // namespace vmferry
