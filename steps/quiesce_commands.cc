// SPDX-License-Identifier: Apache-2.0
#include "steps/quiesce_commands.h"

#include <string>
#include <utility>

#include "plugins/command.h"
#include "steps/command_run.h"
#include "steps/parameters.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kCommandStandard{300000};

bool IsGiven(const StepContext& context, std::string_view parameter) {
  return !TextOf(context.parameters, parameter).empty();
}

// `key` as it was journaled: undo has another one than the step.
CommandRung RungOf(const StepContext& context, const std::string& parameter, const Json& slot, const char* suffix) {
  const std::string key = TextOf(slot, "key", context.key.substr(0, 12) + suffix);
  return {parameter, key, CommandDeadline(context), false};
}
CommandRung StopRung(const StepContext& context, const Json& slot) {
  return RungOf(context, "stopCommand", slot, "-stop");
}
CommandRung StartRung(const StepContext& context, const Json& slot) {
  CommandRung rung = RungOf(context, "startCommand", slot, "-start");
  rung.again = true;
  return rung;
}

// As onRefusal declares. Going on is journaled first; after a hold it is run again.
Result<Pending> Refused(const StepContext& context, const CommandRung& rung, const std::string& why, Json& handle) {
  const std::string policy = TextOf(context.parameters, "onRefusal");
  if (policy == "hold") {
    if (const Status forgotten = ForgetCommand(context, rung); !forgotten) return forgotten.error();
    handle.erase("stop");
    return Pending(WithHandle(
        context, Progress::Hold(why + "; stop the application yourself or mend the command, then resume to run it again"),
        handle));
  }
  handle["stop"]["failed"] = why;
  Progress next = policy == "force" ? Progress::NotYet(milliseconds(0), "going on: " + why) : Progress::RollBack(why);
  return Pending(WithHandle(context, std::move(next), handle));
}

// It was stopped by us in some way, as far as the journal knows.
bool WasStopped(const Json& handle) {
  for (const char* trace : {"commandRan", "requested", "forced", "tasks"})
    if (!Member(handle, trace).is_null()) return true;
  return !Member(Member(handle, "undo"), "poweredOn").is_null();
}

bool AnyWasOn(const StepContext& context) {
  for (const Json& before : Member(context.before, "workloads"))
    if (TextOf(before, "power") == "on") return true;
  return false;
}

}  // namespace

std::vector<ParameterSpec> QuiesceCommandParameters() {
  return {
      Service("stopCommand", "command", false,
              "the service whose program stops the application, after the drain and before the guests are shut down; "
              "it must end with exit code 0, else `onRefusal` says what to do"),
      Service("startCommand", "command", false,
              "the service whose program starts the application on the way back, once the VMs are on and before its "
              "health is asked for; it may be run again, so it must not mind that the application runs already"),
      Optional("commandDeadline", ParameterType::kDuration, "5m",
               "how long each of them may take before it is ended, which is a failure"),
      Choice("guestShutdown", {"yes", "no"}, "yes",
             "whether the guests are asked to shut down; with no, which needs `stopCommand`, the VMs are powered off"),
  };
}

std::vector<Contradiction> QuiesceContradictions(const Json& parameters) {
  if (TextOf(parameters, "guestShutdown") != "no" || !TextOf(parameters, "stopCommand").empty()) return {};
  return {{"`guestShutdown: no` without `stopCommand` would cut the power of a working application",
           "name the service that stops the application as `stopCommand`, or leave `guestShutdown` at yes"}};
}

milliseconds CommandDeadline(const StepContext& context) {
  return DurationOf(context.parameters, "commandDeadline", kCommandStandard);
}

bool AsksGuests(const StepContext& context) {
  return TextOf(context.parameters, "guestShutdown") != "no";
}

Result<Pending> StopApplication(const StepContext& context, Json& handle) {
  if (!IsGiven(context, "stopCommand") || !AnyWasOn(context)) return Pending();
  Json& slot = handle["stop"];
  const CommandRung rung = StopRung(context, slot);
  std::string failure;
  handle["commandRan"] = true;
  Result<Pending> ran = AwaitCommand(context, rung, handle, slot, failure);
  if (!ran || *ran || failure.empty()) return ran;
  return Refused(context, rung, failure, handle);
}

Result<Pending> AwaitStopCommand(const StepContext& context, Json& handle) {
  if (!CommandBegan(Member(handle, "stop")) || Member(handle["stop"], "forgotten") == Json(true)) return Pending();
  Json& slot = handle["stop"];
  const CommandRung rung = StopRung(context, slot);
  const bool over = slot.contains("output") || slot.contains("failed");
  const Result<Plugin*> service = ServiceOf(context, rung.parameter);
  if (!service) return service.error();
  const auto run = Invoke(**service, command::kReadRun, CommandKey{rung.key}, context.call);
  if (!run) return run.error();
  if (!over && run->state == "running" && WaitedSince(context, slot["sinceMs"]) < rung.patience)
    return Pending(WithHandle(
        context, Progress::NotYet(milliseconds(1000), (*service)->system() + ": stopCommand still runs"), handle));
  if (const Status forgotten = ForgetCommand(context, rung); !forgotten) return forgotten.error();
  slot["forgotten"] = true;
  return Pending(WithHandle(context, Progress::NotYet(milliseconds(0), "stopCommand is over"), handle));
}

Result<Pending> StartApplication(const StepContext& context, Json& handle) {
  if (!IsGiven(context, "startCommand") || !WasStopped(handle) || !AnyWasOn(context)) return Pending();
  Json& slot = handle["undo"]["start"];
  const CommandRung rung = StartRung(context, slot);
  std::string failure;
  Result<Pending> ran = AwaitCommand(context, rung, handle, slot, failure);
  if (!ran || *ran || failure.empty()) return ran;
  if (const Status forgotten = ForgetCommand(context, rung); !forgotten) return forgotten.error();
  return Error{ErrorKind::kConflict, "vmferry", "startCommand", "failed: " + failure,
               "start the application yourself or mend the command, then repeat the rollback, which runs it again"};
}

std::string ForecastStopCommand(const StepContext& context, Forecast& forecast) {
  if (!IsGiven(context, "stopCommand")) return "";
  const std::string will = ForecastCommand(context, StopRung(context, Json()), forecast);
  const std::string policy = TextOf(context.parameters, "onRefusal");
  return will.empty() ? "" : will + ", and if it fails " + (policy == "rollBack" ? "roll back" : policy);
}

std::string ForecastStartCommand(const StepContext& context, Forecast& forecast) {
  if (!IsGiven(context, "startCommand")) return "";
  return ForecastCommand(context, StartRung(context, Json()), forecast);
}

}  // namespace vmferry
