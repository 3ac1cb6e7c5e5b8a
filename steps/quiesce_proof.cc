// SPDX-License-Identifier: Apache-2.0
#include "steps/quiesce_proof.h"

#include <algorithm>
#include <string>
#include <utility>

#include "plugins/source_privileges.h"
#include "steps/health_page.h"
#include "steps/parameters.h"
#include "steps/quiesce_commands.h"
#include "steps/systems.h"
#include "steps/traffic.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr const char* kBootEstimate = "bootEstimate";
constexpr milliseconds kBootStandard{180000};

void Estimate(UndoProof& proof, milliseconds time, const std::string& words) {
  proof.takes += time;
  proof.estimate += (proof.estimate.empty() ? "" : ", ") + DurationInWords(time) + " " + words;
}

void ProvePrivileges(const StepContext& context, const Workload& workload, UndoProof& proof) {
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return Note(proof, source.error());
  const auto facts = Invoke(**source, source::kDescribePrivileges, VmQuery{workload.vm}, context.call);
  if (!facts) return Note(proof, facts.error());
  if (!facts->missing.empty())
    return Note(proof, SourceError(context, ErrorKind::kDenied, workload,
                                   "the user lacks the privileges " + ListInWords(facts->missing),
                                   "grant them to the user on this VM or a folder above it"));
  Prove(proof, facts->unproven.empty() ? "privileges suffice" : "privileges cannot be proved: " + facts->unproven);
}

// A NIC that does not connect at power-on would stay off the network, since that is what it was set to.
void ProveNics(const StepContext& context, const Workload& workload, const VmFacts& vm, UndoProof& proof) {
  for (const NicFacts& nic : vm.nics)
    if (vm.power == "on" && nic.connected && !nic.start_connected)
      Note(proof, SourceError(context, ErrorKind::kConflict, workload,
                              nic.label + " (" + nic.mac + ") is connected now, but not at power-on, so that the VM would "
                              "come back without it",
                              "let it connect at power-on"));
}

// True if it would be powered on again.
bool ProveVm(const StepContext& context, const Workload& workload, UndoProof& proof) {
  const Result<VmFacts> vm = ReadVm(context, workload);
  if (!vm) {
    Note(proof, vm.error());
    return false;
  }
  if (vm->disks.empty())
    Note(proof, SourceError(context, ErrorKind::kConflict, workload, "it has no disks to boot from",
                            "see what became of its disks"));
  if (vm->power != "on" && vm->power != "off")
    Note(proof, SourceError(context, ErrorKind::kConflict, workload,
                            "it is " + vm->power + ", and could not be brought back to that", "resume it, or shut it down"));
  ProveNics(context, workload, *vm, proof);
  Prove(proof, "VM " + workload.vm + " is " + vm->power + " with " + CountInWords(vm->disks.size(), "disk") + " and " +
                   CountInWords(vm->nics.size(), "NIC"));
  ProvePrivileges(context, workload, proof);
  return vm->power == "on";
}

// What the way back waits for must be true while the source still serves, else it waits in vain.
void ProveHealthPage(const StepContext& context, UndoProof& proof) {
  const std::string url = TextOf(context.parameters, "sourceHealthUrl");
  if (url.empty() || TextOf(context.parameters, "probe").empty()) return;
  const Result<std::string> complaint = PageComplaint(context, url);
  if (!complaint) return Note(proof, complaint.error());
  if (complaint->empty()) return Prove(proof, url + " is healthy");
  Note(proof, Error{ErrorKind::kUnavailable, SourceName(context), url,
                    "the way back would wait for it in vain: " + *complaint, "correct `sourceHealthUrl`, or mend the page"});
}

void ProveStart(const StepContext& context, UndoProof& proof) {
  if (TextOf(context.parameters, "startCommand").empty()) return;
  Forecast forecast;
  const std::string will = ForecastStartCommand(context, forecast);
  for (Error& problem : forecast.problems) proof.problems.push_back(std::move(problem));
  if (!will.empty()) Prove(proof, "startCommand can be asked for");
  Estimate(proof, CommandDeadline(context), "at most for startCommand (commandDeadline)");
}

void ProveTraffic(const StepContext& context, UndoProof& proof) {
  const Result<std::optional<Place>> place = PlaceOf(context, "sourceServer", false);
  if (!place) return Note(proof, place.error());
  if (*place) ProvePlace(context, **place, proof);
}

}  // namespace

ParameterSpec BootEstimateParameter() {
  return Optional(kBootEstimate, ParameterType::kDuration, "3m",
                  "how long the source takes from power-on until it serves, as far as you know: part of the estimate of "
                  "how long a rollback takes");
}

Result<UndoProof> ProveReturn(const StepContext& context) {
  UndoProof proof;
  bool any_on = false;
  for (const Workload& workload : context.application->workloads) any_on |= ProveVm(context, workload, proof);
  if (any_on) {
    Estimate(proof, DurationOf(context.parameters, kBootEstimate, kBootStandard),
             std::string("for the source to boot (") + kBootEstimate + ")");
    ProveHealthPage(context, proof);
    ProveStart(context, proof);
  }
  ProveTraffic(context, proof);
  return proof;
}

}  // namespace vmferry
