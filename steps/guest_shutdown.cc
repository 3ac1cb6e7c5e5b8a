// SPDX-License-Identifier: Apache-2.0
#include "steps/guest_shutdown.h"

#include <string>
#include <utility>
#include <vector>

#include "steps/fence.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/quiesce_commands.h"
#include "steps/quiesce_forecast.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPowerPoll{1000};

// How one VM stands on its way off.
struct Stand {
  bool off = false;
  std::string refusal;  // the guest will not go by itself: why
  std::string waiting;  // in words
};

PowerRequest RequestFor(const StepContext& context, const Workload& workload, const Json& handle) {
  return PowerRequest{workload.vm, ClaimText(context, workload), TextOf(Member(handle, "tasks"), workload.name)};
}

Result<Stand> PowerOff(const StepContext& context, const Workload& workload, Json& handle) {
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  const auto reply = Invoke(**source, source::kEnsurePoweredOff, RequestFor(context, workload, handle), context.call);
  if (!reply) return reply.error();
  Stand stand;
  stand.off = reply->done;
  handle["tasks"][workload.name] = reply->task;
  stand.waiting = "powering off VM " + workload.vm;
  return stand;
}

// Without asking; that it is about to be done is journaled first.
Result<Stand> CutPower(const StepContext& context, const Workload& workload, Json& handle) {
  if (Member(handle, "tasks").contains(workload.name)) return PowerOff(context, workload, handle);
  handle["tasks"][workload.name] = "";
  Stand stand;
  stand.waiting = "about to power off VM " + workload.vm;
  return stand;
}

Result<Stand> AskGuest(const StepContext& context, const Workload& workload, Json& handle) {
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  PowerRequest request = RequestFor(context, workload, handle);
  request.task.clear();
  const auto reply = Invoke(**source, source::kRequestShutdown, request, context.call);
  Stand stand;
  if (!reply && reply.error().kind != ErrorKind::kInvalid) return reply.error();
  if (!reply) {  // the platform cannot ask the guest: a refusal, not a failure
    stand.refusal = "its guest cannot be asked to shut down: " + reply.error().message;
    return stand;
  }
  handle["requested"][workload.name] = context.elapsed.count();
  if (handle.contains("refused")) handle["refused"].erase(workload.name);
  stand.off = reply->done;
  stand.waiting = "shutting down the guest of VM " + workload.vm;
  return stand;
}

Result<Stand> StopGuest(const StepContext& context, const Workload& workload, Json& handle) {
  const Result<VmFacts> vm = ReadVm(context, workload);
  if (!vm) return vm.error();
  const Status claimed = RequireClaim(context, workload, *vm);
  if (!claimed) return claimed.error();
  Stand stand;
  stand.off = vm->power == "off";
  if (stand.off) return stand;
  if (vm->power != "on")
    return SourceError(context, ErrorKind::kConflict, workload, "it is " + vm->power, "resume it, or shut it down");
  if (Member(handle, "forced").contains(workload.name)) return PowerOff(context, workload, handle);
  if (!AsksGuests(context)) return CutPower(context, workload, handle);
  if (!Member(handle, "requested").contains(workload.name)) return AskGuest(context, workload, handle);
  const milliseconds patience = DurationOf(context.parameters, "guestShutdownDeadline", kGuestShutdownStandard);
  if (WaitedSince(context, handle["requested"][workload.name]) >= patience)
    stand.refusal = "its guest did not shut down within " + DurationInWords(patience);
  stand.waiting = "waiting for the guest of VM " + workload.vm + " to shut down";
  return stand;
}

struct Refusal {
  const Workload* workload;
  std::string why;
};

// As onRefusal declares. A forced power-off is journaled before it is done; after a hold every guest is asked again.
Progress Refused(const StepContext& context, const std::vector<Refusal>& refusals, Json& handle) {
  const std::string policy = TextOf(context.parameters, "onRefusal");
  std::string why;
  for (const Refusal& refusal : refusals) {
    why += (why.empty() ? "" : "; ") + SourceName(context) + ": VM " + refusal.workload->vm + ": " + refusal.why;
    handle[policy == "force" ? "forced" : "refused"][refusal.workload->name] = refusal.why;
    if (policy == "hold" && handle.contains("requested")) handle["requested"].erase(refusal.workload->name);
  }
  if (policy == "force") return Progress::NotYet(milliseconds(0), "powering off: " + why);
  if (policy == "hold") return Progress::Hold(why + "; shut it down yourself or resume to ask again");
  return Progress::RollBack(why);
}

Result<Pending> FenceVm(const StepContext& context, const Workload& workload) {
  const std::string claim = ClaimText(context, workload);
  Result<VmFacts> vm = ReadVm(context, workload);
  if (!vm) return vm.error();
  if (IsFenced(*vm, claim)) return Pending();
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  const Json& before = Member(Member(Member(context.before, "workloads"), workload.name), "nics");
  SetNicStartRequest request{workload.vm, claim, {}, ""};
  for (const NicFacts& nic : vm->nics) request.nics.push_back(NicStart{nic.id, false});
  request.fence = FenceText(claim, before.is_array() ? before.get<std::vector<NicStart>>() : NicStarts(*vm));
  const auto reply = Invoke(**source, source::kSetNicStart, request, context.call);
  if (!reply) return reply.error();
  return Pending(Progress::NotYet(milliseconds(0), "VM " + workload.vm + " is fenced"));
}

}  // namespace

Result<Pending> StopGuests(const StepContext& context, Json& handle) {
  std::vector<Refusal> refusals;
  std::string waiting;
  for (const Workload& workload : context.application->workloads) {
    const Result<Stand> stand = StopGuest(context, workload, handle);
    if (!stand) return stand.error();
    if (!stand->refusal.empty()) refusals.push_back({&workload, stand->refusal});
    if (!stand->off) waiting = stand->waiting;
  }
  if (!refusals.empty()) {
    Progress progress = Refused(context, refusals, handle);
    return Pending(WithHandle(context, std::move(progress), handle));
  }
  if (!waiting.empty()) return Pending(WithHandle(context, Progress::NotYet(kPowerPoll, waiting), handle));
  return Pending();
}

Result<Pending> FenceVms(const StepContext& context) {
  Pending pending;
  for (const Workload& workload : context.application->workloads) {
    Result<Pending> fenced = FenceVm(context, workload);
    if (!fenced) return fenced.error();
    if (*fenced) pending = std::move(*fenced);
  }
  return pending;
}

}  // namespace vmferry
