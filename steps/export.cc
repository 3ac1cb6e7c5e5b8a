// SPDX-License-Identifier: Apache-2.0
#include "steps/export.h"

#include <utility>

#include "plugins/source_platform.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/workers.h"

namespace vmferry {
namespace {

Json FreshHandle(const StepContext& context) {
  return {{"process", context.workers->id()}, {"exports", Json::object()}};
}

Progress Again(const StepContext& context, const Json& handle, std::string text) {
  return WithHandle(context, Progress::NotYet(std::chrono::milliseconds(0), std::move(text)), handle);
}

}  // namespace

std::string ExportOf(const Json& handle, const std::string& workload) {
  return TextOf(Member(handle, "exports"), workload);
}

bool HasOpenExport(const Json& handle) {
  const Json& exports = Member(handle, "exports");
  if (!exports.is_object()) return false;
  for (const Json& entry : exports)
    if (entry.is_string() && !entry.get_ref<const std::string&>().empty()) return true;
  return false;
}

Result<Pending> OpenExports(const StepContext& context, const std::string& method) {
  Json handle = context.handle.is_object() ? context.handle : FreshHandle(context);
  if (TextOf(handle, "process") != context.workers->id()) {
    const Status closed = CloseExports(context, false);
    if (!closed) return closed.error();
    handle = FreshHandle(context);
  }
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  for (const Workload& workload : context.application->workloads) {
    if (Member(handle, "exports").contains(workload.name)) continue;
    const auto opened = Invoke(**source, source::kOpenExport, OpenExportRequest{workload.vm, method}, context.call);
    // An export that a dead process left behind stands in the way until the platform lets it expire.
    if (!opened)
      return WaitOut(context, opened.error(), "waiting until VM " + workload.vm + " can be exported", handle,
                     handle["busySinceMs"]);
    handle["exports"][workload.name] = opened->handle;
    handle.erase("busySinceMs");
    return Pending(Again(context, handle, "opened the export of VM " + workload.vm));
  }
  return Pending();
}

Result<Pending> KeepExports(const StepContext& context, int percent, std::string* lost) {
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  for (const Workload& workload : context.application->workloads) {
    const std::string open = ExportOf(context.handle, workload.name);
    if (open.empty()) continue;
    const auto kept = Invoke(**source, source::kKeepExport, KeepExportRequest{open, percent}, context.call);
    if (kept) continue;
    if (kept.error().kind != ErrorKind::kNotFound) return kept.error();
    *lost = workload.name;
    Json handle = context.handle;
    handle["exports"].erase(workload.name);
    return Pending(Again(context, handle, "the export of VM " + workload.vm + " is gone; opening another"));
  }
  return Pending();
}

Status CloseExports(const StepContext& context, bool completed) {
  const Json& exports = Member(context.handle, "exports");
  if (!HasOpenExport(context.handle)) return Ok();
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  for (const Json& entry : exports) {
    const std::string open = entry.is_string() ? entry.get<std::string>() : "";
    if (open.empty()) continue;
    const auto closed = Invoke(**source, source::kCloseExport, CloseExportRequest{open, completed}, context.call);
    if (!closed) return closed.error();
  }
  return Ok();
}

}  // namespace vmferry
