// SPDX-License-Identifier: Apache-2.0
#include "steps/quiesce_forecast.h"

#include <optional>
#include <string>
#include <utility>

#include "steps/parameters.h"
#include "steps/quiesce_commands.h"
#include "steps/systems.h"
#include "steps/traffic.h"
#include "steps/words.h"

namespace vmferry {
namespace {

Error ToolsMissing(const StepContext& context, const Workload& workload, const VmFacts& vm) {
  return SourceError(context, ErrorKind::kInvalid, workload,
                     "its guest cannot be asked to shut down: guest tools are " + vm.tools,
                     "start the guest tools, or declare `onRefusal: force`");
}

void PredictVm(const StepContext& context, const Workload& workload, Forecast& forecast) {
  const Result<VmFacts> vm = ReadVm(context, workload);
  if (!vm) {
    forecast.problems.push_back(vm.error());
    return;
  }
  const std::string policy = TextOf(context.parameters, "onRefusal");
  const std::string patience =
      DurationInWords(DurationOf(context.parameters, "guestShutdownDeadline", kGuestShutdownStandard));
  forecast.will += (forecast.will.empty() ? "" : "; ");
  if (vm->power == "on" && !AsksGuests(context)) {
    forecast.will += "power off VM " + workload.vm + " (on) without asking its guest; ";
  } else if (vm->power == "on") {
    forecast.will += "shut down VM " + workload.vm + " (on, tools " + vm->tools + "), at most " + patience + ", then " +
                     (policy == "rollBack" ? "roll back" : policy) + "; ";
    if (vm->tools != "running" && policy != "force") forecast.problems.push_back(ToolsMissing(context, workload, *vm));
  }
  forecast.will += "fence VM " + workload.vm + " (" + vm->power + ", " + CountInWords(vm->nics.size(), "NIC") +
                   " not to connect at power-on)";
  forecast.undo += (forecast.undo.empty() ? "" : "; ") + std::string(vm->power == "on" ? "power on" : "leave off") +
                   " VM " + workload.vm + ", NICs as they were";
}

void PredictTraffic(const StepContext& context, Forecast& forecast) {
  const Result<std::optional<Place>> place = PlaceOf(context, "sourceServer", false);
  if (!place) forecast.problems.push_back(place.error());
  if (!place || !*place) return;
  const Result<LbServer> server = ReadServer(context, **place);
  if (!server) {
    forecast.problems.push_back(server.error());
    return;
  }
  const LbServer& facts = *server;
  const std::string name = (*place)->pool + "/" + facts.name;
  forecast.will = "drain server " + name + " (" + facts.state + ", " + facts.health + ", " +
                  CountInWords(static_cast<std::size_t>(facts.sessions), "session") + "), at most " +
                  DurationInWords(DurationOf(context.parameters, "drainDeadline", kDrainStandard)) +
                  ", then maintenance";
  forecast.undo = "server " + name + " " + facts.state + " again, last";
  if (!server->agreed)
    forecast.problems.push_back(PlaceError(**place, ErrorKind::kConflict,
                                           "the load balancer's instances differ about it",
                                           "bring the instances to the same state first"));
}

}  // namespace

Forecast ForecastQuiesce(const StepContext& context) {
  Forecast forecast;
  PredictTraffic(context, forecast);
  for (const Contradiction& found : QuiesceContradictions(context.parameters))
    forecast.problems.push_back(
        Error{ErrorKind::kInvalid, "vmferry", "parameters of quiesce_application", found.message, found.hint});
  std::string last = std::exchange(forecast.undo, "");  // traffic comes back after the VMs
  if (const std::string stop = ForecastStopCommand(context, forecast); !stop.empty())
    forecast.will += (forecast.will.empty() ? "" : "; ") + stop;
  if (const std::string start = ForecastStartCommand(context, forecast); !start.empty())
    last = start + (last.empty() ? "" : "; ") + last;
  for (const Workload& workload : context.application->workloads) PredictVm(context, workload, forecast);
  forecast.undo += (forecast.undo.empty() || last.empty() ? "" : "; ") + last;
  return forecast;
}

}  // namespace vmferry
