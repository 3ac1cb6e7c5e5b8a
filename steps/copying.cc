// SPDX-License-Identifier: Apache-2.0
#include "steps/copying.h"

#include <algorithm>
#include <utility>

#include "steps/export.h"
#include "steps/fence.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

std::string WorkerKey(const StepContext& context, const DiskCopy& copy) {
  return KeyOf(context) + "/" + copy.workload + "/" + copy.disk;
}

CopyJob JobFor(const StepContext& context, Plugin* source, Plugin* target, const DiskCopy& copy, const VmFacts& vm) {
  Json seal = {{"key", KeyOf(context)},
               {"run", context.run},
               {"vm", copy.vm},
               {"disk", copy.disk},
               {"bytes", copy.bytes},
               {"instanceUuid", vm.instance_uuid},
               {"changeVersion", vm.change_version}};
  return CopyJob{source,
                 target,
                 copy,
                 TextOf(context.parameters, "method", "folder"),
                 ExportOf(context.handle, copy.workload),
                 context.application->rehearsal ? KeyOf(context) : "",
                 std::move(seal)};
}

}  // namespace

Result<CopyStand> StandOf(const StepContext& context, const std::vector<DiskCopy>& copies) {
  CopyStand stand;
  for (const DiskCopy& copy : copies) {
    const Result<VolumeFacts> volume = ReadVolume(context, copy.pool, copy.volume);
    if (!volume) return volume.error();
    stand.seals.push_back(volume->exists ? SealOf(volume->seal, KeyOf(context)) : Json());
    if (stand.seals.back().is_object()) ++stand.sealed;
    stand.any_volume = stand.any_volume || volume->exists;
    stand.any_running = stand.any_running || context.workers->Running(WorkerKey(context, copy));
  }
  return stand;
}

Json CopyFacts(const StepContext& context, const std::vector<DiskCopy>& copies, const CopyStand& stand) {
  Json facts = {{"key", KeyOf(context)}, {"workloads", Json::object()}};
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const DiskCopy& copy = copies[i];
    bytes += copy.bytes;
    facts["workloads"][copy.workload]["disks"].push_back({{"disk", copy.disk},
                                                          {"label", copy.label},
                                                          {"pool", copy.pool},
                                                          {"volume", copy.volume},
                                                          {"format", "raw"},
                                                          {"bytes", copy.bytes},
                                                          {"sha256", TextOf(stand.seals[i], "sha256")}});
  }
  facts["bytes"] = bytes;
  return facts;
}

Result<std::map<std::string, VmFacts>> RequireSources(const StepContext& context, const std::vector<DiskCopy>& copies) {
  std::map<std::string, VmFacts> vms;
  for (const Workload& workload : context.application->workloads) {
    Result<VmFacts> vm = ReadFencedVm(context, workload);
    if (!vm) return vm.error();
    std::vector<std::pair<std::string, std::uint64_t>> listed, there;
    for (const DiskCopy& copy : copies)
      if (copy.workload == workload.name) listed.emplace_back(copy.disk, copy.bytes);
    for (const DiskFacts& disk : vm->disks) there.emplace_back(disk.id, disk.capacity_bytes);
    if (listed != there)
      return SourceError(context, ErrorKind::kConflict, workload, "its disks changed since the copy began",
                         "somebody changed the VM during the run: find out who, and roll back");
    vms[workload.name] = std::move(*vm);
  }
  return vms;
}

std::uint64_t DoneBytes(const StepContext& context, const std::vector<DiskCopy>& copies, const CopyStand& stand) {
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const std::string key = WorkerKey(context, copies[i]);
    if (stand.seals[i].is_object())
      done += copies[i].bytes;
    else if (context.workers->Running(key))
      done += context.workers->Poll(key, WorkerBody()).done;  // it is there, so the body is not used
  }
  return done;
}

std::uint64_t TotalBytes(const std::vector<DiskCopy>& copies) {
  std::uint64_t total = 0;
  for (const DiskCopy& copy : copies) total += copy.bytes;
  return total;
}

bool StopCopying(const StepContext& context, const std::vector<DiskCopy>& copies, const std::string& workload) {
  bool ended = true;
  for (const DiskCopy& copy : copies)
    if (workload.empty() || copy.workload == workload) ended &= context.workers->Stop(WorkerKey(context, copy));
  return ended;
}

Result<CopyRound> GoRound(const StepContext& context, const std::vector<DiskCopy>& copies, const CopyStand& stand,
                          const std::map<std::string, VmFacts>& vms) {
  const Result<Plugin*> source = SourceOf(context);
  if (!source) return source.error();
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  const auto limit =
      static_cast<std::size_t>(std::max<std::int64_t>(1, IntegerOf(context.parameters, "parallelDisks", 2)));
  std::vector<bool> was_running;
  for (const DiskCopy& copy : copies) was_running.push_back(context.workers->Running(WorkerKey(context, copy)));
  CopyRound round;
  for (const bool pass : {true, false}) {  // first those under way, then those that wait for their turn
    for (std::size_t i = 0; i < copies.size(); ++i) {
      if (stand.seals[i].is_object() || was_running[i] != pass || (!pass && round.running >= limit)) continue;
      const std::string key = WorkerKey(context, copies[i]);
      const WorkerView view = context.workers->Poll(
          key, CopyBody(JobFor(context, *source, *target, copies[i], vms.at(copies[i].workload))));
      if (!view.finished) ++round.running;
      if (!view.finished) continue;
      context.workers->Stop(key);
      round.ended = true;
      if (!view.result && !round.error) round.error = view.result.error();
    }
  }
  return round;
}

Progress CopyProgress(const StepContext& context, const std::vector<DiskCopy>& copies, const CopyStand& stand,
                      const CopyRound& round) {
  Progress progress = Progress::NotYet(round.ended ? milliseconds(0) : kCopyPoll, "");
  progress.meter.done = DoneBytes(context, copies, stand);
  progress.meter.total = TotalBytes(copies);
  progress.meter.unit = "bytes";
  progress.meter.text = "copying: " + std::to_string(stand.sealed) + " of " + CountInWords(copies.size(), "disk") +
                        " finished, " + std::to_string(round.running) + " under way";
  const double seconds = std::chrono::duration<double>(context.elapsed).count();
  if (seconds > 0)
    progress.meter.text +=
        ", " + BytesInWords(static_cast<std::uint64_t>(static_cast<double>(progress.meter.done) / seconds)) + "/s";
  return progress;
}

}  // namespace vmferry
