// SPDX-License-Identifier: Apache-2.0
//
// final_data_sync: every disk of the application, copied cold. Workers (steps/copy.h) copy, several at once; Apply
// starts them, polls them and keeps the exports open. A finished copy is sealed with our key and never made again nor
// removed: not by a retry, not by undo. Requires the fence at every call, so that nobody changes a disk meanwhile.
#include <algorithm>
#include <string>
#include <utility>

#include "steps/catalogue.h"
#include "steps/copying.h"
#include "steps/export.h"
#include "steps/guest_drivers.h"
#include "steps/fence.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/source_snapshot.h"
#include "steps/systems.h"
#include "steps/undo_proof.h"
#include "steps/words.h"
#include "steps/workers.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "final_data_sync";
  spec.purpose = "Copies every disk of the stopped VMs into volumes of the target and seals the finished copies.";
  spec.effect = true;
  spec.undo_continues = true;  // copies on the target are in nobody's way
  spec.deadline = std::chrono::hours(24);
  spec.parameters = {
      Choice(
          "method", {"folder", "nfc"}, "folder",
          "how disks are read: the datastore over HTTPS, or an NFC lease (vSAN, vVols, ESXi without datastore access)"),
      Optional("parallelDisks", ParameterType::kInteger, "2", "how many disks are copied at the same time"),
  };
  spec.reads = "power state and fence of the VMs; their disks' content; the volumes on the target";
  spec.changes = "new volumes in the target's pools; an export of each VM while it is copied";
  spec.undo =
      "stops copying, closes the exports, removes half-made volumes; finished copies are kept and reported (a "
      "rehearsal, which copies from snapshots while the VMs run, removes these and its own finished copies)";
  spec.loses = kLosesNothing;
  spec.example = "cutoverSteps:\n  - final_data_sync: {parallelDisks: 4}\n";
  return spec;
}

Result<Progress> Finish(const StepContext& context, const std::vector<DiskCopy>& copies, const CopyStand& stand) {
  StopCopying(context, copies, "");  // all have ended: forgets their results
  const Status closed = context.application->rehearsal ? RemoveSnapshots(context) : CloseExports(context, true);
  if (!closed) return closed.error();
  Json handle = context.handle;
  if (handle.is_object()) handle["exports"] = Json::object();
  return WithHandle(context, Progress::Done(CopyFacts(context, copies, stand)), handle);
}

void PredictPools(const StepContext& context, const std::vector<DiskCopy>& copies, Forecast& forecast) {
  std::map<std::string, std::uint64_t> needed;
  for (const DiskCopy& copy : copies) needed[copy.pool] += copy.bytes;
  const Result<TargetFacts> target = ReadTarget(context);
  if (!target) forecast.problems.push_back(target.error());
  if (!target) return;
  for (const auto& [name, bytes] : needed) {
    std::uint64_t available = 0;
    for (const PoolFacts& pool : target->pools)
      if (pool.name == name && pool.active) available = pool.available_bytes;
    forecast.will += "; pool " + name + ": " + BytesInWords(bytes) + " of " + BytesInWords(available) + " available";
    if (available < bytes)
      forecast.problems.push_back(TargetError(context, ErrorKind::kInvalid, "pool " + name,
                                              "not enough space: " + BytesInWords(bytes) + " needed, " +
                                                  BytesInWords(available) + " available in an active pool",
                                              "free space in the pool or map the datastore to another pool"));
  }
}

class FinalDataSyncStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const Result<std::vector<DiskCopy>> copies = ListCopies(context);
    if (!copies) return copies.error();
    const Result<CopyStand> stand = StandOf(context, *copies);
    if (!stand) return stand.error();
    Observation observation;
    observation.before = {{"key", context.key}, {"copies", *copies}};
    observation.evidence = {{"finished", stand->sealed}, {"of", copies->size()}};
    if (stand->sealed == copies->size() && !HasOpenExport(context.handle)) {
      observation.verdict = Verdict::kDone;
      observation.evidence = CopyFacts(context, *copies, *stand);
    } else if (stand->any_running) {
      observation.verdict = Verdict::kRunning;
    } else if (stand->any_volume || HasOpenExport(context.handle)) {
      observation.verdict = Verdict::kPartial;
    }
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const std::vector<DiskCopy> copies = CopiesFrom(context.before);
    const auto vms = RequireSources(context, copies);
    if (!vms) return vms.error();
    const Result<CopyStand> stand = StandOf(context, copies);
    if (!stand) return stand.error();
    if (stand->sealed == copies.size()) return Finish(context, copies, *stand);
    Result<Pending> opened = context.application->rehearsal
                                 ? TakeSnapshots(context)
                                 : OpenExports(context, TextOf(context.parameters, "method", "folder"));
    if (!opened) return opened.error();
    if (*opened) return **opened;
    std::string lost;
    const auto percent =
        static_cast<int>(100 * DoneBytes(context, copies, *stand) / std::max<std::uint64_t>(1, TotalBytes(copies)));
    Result<Pending> kept = KeepExports(context, percent, &lost);
    if (!kept) return kept.error();
    // The workers of a lost export end before another is opened, so that their failure is not taken for a new one.
    if (*kept && !StopCopying(context, copies, lost)) return Progress::NotYet(kCopyPoll, "an export was lost");
    if (*kept) return **kept;
    const Result<CopyRound> round = GoRound(context, copies, *stand, *vms);
    if (!round) return round.error();
    if (round->error) return *round->error;
    return CopyProgress(context, copies, *stand, *round);
  }

  Result<Progress> Undo(const StepContext& context) const override {
    const std::vector<DiskCopy> copies = CopiesFrom(context.before);
    if (!StopCopying(context, copies, "")) return Progress::NotYet(milliseconds(200), "stopping the copies");
    // A check has no undo of its own that could stop it.
    for (const Workload& workload : context.application->workloads)
      if (!context.workers->Stop(InspectionKey(context, workload)))
        return Progress::NotYet(milliseconds(200), "stopping the look into the disks of " + workload.name);
    const bool rehearsal = context.application->rehearsal;
    const Status closed = rehearsal ? RemoveSnapshots(context) : CloseExports(context, false);
    if (!closed) return closed.error();
    const Result<Plugin*> target = TargetOf(context);
    if (!target) return target.error();
    Json facts = {{"kept", Json::array()}, {"removed", Json::array()}};
    for (const DiskCopy& copy : copies) {
      const Result<VolumeFacts> volume = ReadVolume(context, copy.pool, copy.volume);
      if (!volume) return volume.error();
      if (!volume->exists) continue;
      const bool keep = !volume->seal.empty() && !GoesWithRehearsal(context, *volume);
      facts[keep ? "kept" : "removed"].push_back(copy.pool + "/" + copy.volume);
      if (keep) continue;
      const auto removed = Invoke(**target, target::kEnsureNoVolume,
                                  RemoveVolumeRequest{copy.pool, copy.volume, rehearsal}, context.call);
      if (!removed) return removed.error();
    }
    return Progress::Done(std::move(facts));
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    forecast.undo = "remove half-made volumes; finished copies are kept";
    const Result<std::vector<DiskCopy>> copies = ListCopies(context);
    if (!copies) forecast.problems.push_back(copies.error());
    const bool rehearsal = context.application->rehearsal;
    forecast.will = std::string(rehearsal ? "take a snapshot of each VM and copy " : "copy ") +
                    (copies ? CountInWords(copies->size(), "disk") + ", " + BytesInWords(TotalBytes(*copies))
                            : std::string("the disks")) +
                    ", by " + TextOf(context.parameters, "method", "folder") + ", " +
                    std::to_string(IntegerOf(context.parameters, "parallelDisks", 2)) + " at once";
    if (copies) PredictPools(context, *copies, forecast);
    return forecast;
  }

  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    UndoProof proof;
    ProvePools(context, proof);
    Prove(proof, "only half-made volumes of this step go");
    return proof;
  }
};

}  // namespace

const Step& FinalDataSync() {
  static const FinalDataSyncStep step;
  return step;
}

}  // namespace vmferry
