// SPDX-License-Identifier: Apache-2.0
#include "steps/source_return.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "steps/fence.h"
#include "steps/health_page.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/pending.h"
#include "steps/quiesce_commands.h"
#include "steps/quiesce_forecast.h"
#include "steps/systems.h"
#include "steps/traffic.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPoll{1000};
// A guest that was asked to shut down but is still on may yet go: it is watched before it counts as back.
constexpr milliseconds kSettle{15000};  // one that had its whole time and stayed on

const Json& BeforeOf(const StepContext& context, const Workload& workload) {
  return Member(Member(context.before, "workloads"), workload.name);
}

bool WasOn(const StepContext& context, const Workload& workload) {
  return TextOf(BeforeOf(context, workload), "power") == "on";
}

// Never two: the source does not come back while its target domain runs. An unreachable target does not block the way
// back: power_on_target's own undo, which went before, has stopped the domain.
Status RequireTargetOff(const StepContext& context, const Workload& workload) {
  const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
  if (!domain && !SafeToRetry(domain.error())) return domain.error();
  if (!domain || !domain->exists || domain->key.empty() || domain->state == "off") return Ok();
  return TargetError(context, ErrorKind::kConflict, "domain " + workload.domain,
                     "it is " + domain->state + ", so VM " + workload.vm + " must not be powered on",
                     "stop the domain (`virsh shutdown " + workload.domain + "`), then repeat the rollback");
}

Result<Pending> LiftFence(const StepContext& context, const Workload& workload, const VmFacts& vm) {
  const Json& before = BeforeOf(context, workload);
  const Json& nics = Member(before, "nics");
  SetNicStartRequest request{workload.vm, ClaimText(context, workload), {}, TextOf(before, "fence")};
  bool differs = vm.fence != request.fence;
  for (const NicStart& was : nics.is_array() ? nics.get<std::vector<NicStart>>() : std::vector<NicStart>()) {
    for (const NicFacts& nic : vm.nics) {
      if (nic.id != was.id) continue;  // taken off the VM since: nothing to restore
      request.nics.push_back(was);
      differs = differs || nic.start_connected != was.start_connected;
    }
  }
  if (!differs) return Pending();
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  const auto reply = Invoke(**source, source::kSetNicStart, request, context.call);
  if (!reply) return reply.error();
  return Pending(Progress::NotYet(milliseconds(0), "VM " + workload.vm + ": fence lifted"));
}

Result<Pending> PowerOn(const StepContext& context, const Workload& workload, Json& handle) {
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  const std::string task = TextOf(Member(Member(handle, "undo"), "tasks"), workload.name);
  const auto reply = Invoke(**source, source::kEnsurePoweredOn,
                            PowerRequest{workload.vm, ClaimText(context, workload), task}, context.call);
  // An export left open blocks power-on until it expires.
  if (!reply)
    return WaitOut(context, reply.error(), "waiting until VM " + workload.vm + " can be powered on", handle,
                   handle["undo"]["busySinceMs"][workload.name]);
  handle["undo"]["poweredOn"][workload.name] = true;
  handle["undo"]["tasks"][workload.name] = reply->task;
  return Pending(WithHandle(
      context, Progress::NotYet(reply->done ? milliseconds(0) : kPoll, "powering on VM " + workload.vm), handle));
}

bool MayStillGoOff(const StepContext& context, const Workload& workload, const Json& handle) {
  const bool back = Member(Member(handle, "undo"), "poweredOn").contains(workload.name);
  if (back) return false;
  if (Member(handle, "refused").contains(workload.name)) return context.elapsed < kSettle;
  if (!Member(Member(handle, "requested"), workload.name).is_number())  // its power may have been about to be cut
    return Member(handle, "tasks").contains(workload.name) && context.elapsed < kSettle;
  // Asked a moment ago, perhaps: it has all the time it was given.
  return context.elapsed < DurationOf(context.parameters, "guestShutdownDeadline", kGuestShutdownStandard) + kSettle;
}

Result<Pending> ReturnVm(const StepContext& context, const Workload& workload, Json& handle) {
  const Result<VmFacts> vm = ReadVm(context, workload);
  if (!vm) return vm.error();
  const Status claimed = RequireClaim(context, workload, *vm);
  if (!claimed) return claimed.error();
  const Status alone = RequireTargetOff(context, workload);
  if (!alone) return alone.error();
  Result<Pending> lifted = LiftFence(context, workload, *vm);
  if (!lifted || *lifted) return lifted;
  if (!WasOn(context, workload)) return Pending();
  if (vm->power != "on") return PowerOn(context, workload, handle);
  if (MayStillGoOff(context, workload, handle))
    return Pending(Progress::NotYet(
        kPoll, "watching VM " + workload.vm + ": its guest was asked to shut down and may still do so"));
  return Pending();
}

// Nothing comes back that could be healthy or get traffic: the server stays out of service.
bool NothingWasOn(const StepContext& context) {
  for (const Workload& workload : context.application->workloads)
    if (WasOn(context, workload)) return false;
  return true;
}

Result<Pending> WaitHealthy(const StepContext& context) {
  const std::string url = TextOf(context.parameters, "sourceHealthUrl");
  if (url.empty() || TextOf(context.parameters, "probe").empty() || NothingWasOn(context)) return Pending();
  const Result<std::string> complaint = PageComplaint(context, url);
  if (!complaint) return complaint.error();
  if (complaint->empty()) return Pending();
  return Pending(Progress::NotYet(kPoll, "waiting for the source: " + *complaint));
}

Result<Pending> ReturnTraffic(const StepContext& context) {
  const Result<std::optional<Place>> place = PlaceOf(context, "sourceServer", false);
  if (!place) return place.error();
  const Json& before = Member(context.before, "traffic");
  const std::string state = TextOf(before, "state");
  if (!*place || state.empty()) return Pending();
  const int weight = static_cast<int>(IntegerOf(before, "weight", -1));
  if (state == "ready" && NothingWasOn(context)) return Pending();
  if (state == "ready") return PutInService(context, **place, weight, TextOf(before, "health") != "down");
  const Result<LbServer> server = ReadServer(context, **place);
  if (!server) return server.error();
  if (server->state == state && server->weight == weight) return Pending();
  const Status set = SetServer(context, **place, state, weight);
  if (!set) return set.error();
  return Pending();
}

Json Report(const StepContext& context) {
  Json facts = {{"workloads", Json::object()}};
  for (const Workload& workload : context.application->workloads)
    facts["workloads"][workload.name] = {{"power", TextOf(BeforeOf(context, workload), "power")}, {"fence", false}};
  const Json& traffic = Member(context.before, "traffic");
  if (traffic.is_object()) facts["traffic"] = traffic;
  return facts;
}

}  // namespace

Result<Progress> ReturnSource(const StepContext& context) {
  Json handle = context.handle.is_object() ? context.handle : Json::object();
  Result<Pending> quiet = AwaitStopCommand(context, handle);
  if (!quiet) return quiet.error();
  if (*quiet) return **quiet;
  Pending pending;
  for (const Workload& workload : context.application->workloads) {
    Result<Pending> returned = ReturnVm(context, workload, handle);
    if (!returned) return returned.error();
    if (*returned) pending = std::move(*returned);
  }
  if (pending) {
    if (handle.empty()) return *pending;
    return WithHandle(context, std::move(*pending), handle);
  }
  Result<Pending> started = StartApplication(context, handle);
  if (!started) return started.error();
  if (*started) return **started;
  for (Result<Pending> (*rung)(const StepContext&) : {&WaitHealthy, &ReturnTraffic}) {
    Result<Pending> reached = rung(context);
    if (!reached) return reached.error();
    if (*reached) return **reached;
  }
  return Progress::Done(Report(context));
}

}  // namespace vmferry
