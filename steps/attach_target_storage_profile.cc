// SPDX-License-Identifier: Apache-2.0
//
// attach_target_storage_profile: how the disks of a VM do their I/O on the target, and that the pool keeps the room
// they may come to need. The domain does not exist yet, so the settings are journaled here, and power_on_target defines
// the domain with them and looks whether they arrived. The room is held by a thin volume in the pool: every run that
// reserves room counts it, until commit or rollback removes it. Programs that do not know it see only what is free.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "steps/catalogue.h"
#include "steps/images.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/storage_profile.h"
#include "steps/systems.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kAttachStorageProfile;
  spec.purpose =
      "Attaches a storage profile to the VM's disks on the target: pool, cache, discard, I/O, reserved room.";
  spec.scope = Scope::kWorkload;
  spec.effect = true;
  spec.recovery = Recovery::kObservable;
  spec.undo_continues = true;  // a reservation on the target is in nobody's way
  spec.parameters = {
      Required("storagePools", ParameterType::kTextList,
               "the target's pools that the profile stands for; every disk must lie in one of them"),
      Choice("cache", {"none", "writeback", "writethrough", "directsync", "unsafe"}, "none",
             "the host's cache; unsafe also needs allowUnsafe"),
      Choice("discard", {"unmap", "ignore"}, "unmap", "whether blocks that the guest frees are freed in the pool"),
      Choice("io", {"threads", "native", "io_uring"}, "threads",
             "how QEMU reads and writes; native needs cache none "
             "or directsync"),
      Optional("reservePercent", ParameterType::kInteger, "100",
               "share of the disks' size, in percent, that the pool must have free for what the target writes before "
               "commit, and that is kept from other runs; 0: none"),
      Optional("allowUnsafe", ParameterType::kBoolean, "false", "the data may be lost: cache unsafe is allowed"),
  };
  spec.reads = "the finished copies; the pools' free and reserved room";
  spec.changes =
      "a thin volume NAME.reserve in each pool; the settings are part of the domain that power_on_target defines";
  spec.undo = "removes the reservation";
  spec.loses = kLosesNothing;
  spec.example =
      "cutoverSteps:\n  - attach_target_storage_profile:\n      storagePools: [images]\n      cache: none\n"
      "      io: native\n      reservePercent: 50\n";
  return spec;
}

bool IsOneOf(const Json& pools, const std::string& pool) {
  return pools.is_array() && std::find(pools.begin(), pools.end(), Json(pool)) != pools.end();
}

std::string PoolsInWords(const Json& parameters) {
  std::vector<std::string> names;
  for (const Json& pool : Member(parameters, "storagePools")) names.push_back(pool.get<std::string>());
  return ListInWords(names);
}

Error InOtherPool(const StepContext& context, const std::string& object, const std::string& pool) {
  return TargetError(
      context, ErrorKind::kInvalid, object,
      "it lies in pool " + pool + ", and the profile is for " + PoolsInWords(context.parameters),
      "map its datastore to one of those pools in the site's storage mapping, or name " + pool + " in `storagePools`");
}

Result<WorkloadImages> ImagesOf(const StepContext& context) {
  const auto images = ImagesToBoot(context);
  if (!images) return images.error();
  for (const Image& image : images->at(context.workload->name).disks)
    if (!IsOneOf(Member(context.parameters, "storagePools"), image.pool))
      return InOtherPool(context, "volume " + image.pool + "/" + image.volume, image.pool);
  return images->at(context.workload->name);
}

Json FactsOf(const StepContext& context, const WorkloadImages& images, const std::vector<Reservation>& reservations) {
  const StorageProfile profile = ProfileOf(context.parameters);
  Json disks = Json::array();
  for (const Image& image : images.disks) disks.push_back({{"pool", image.pool}, {"volume", image.volume}});
  return {{"cache", profile.cache},
          {"discard", profile.discard},
          {"io", profile.io},
          {"disks", disks},
          {"reservations", reservations}};
}

std::string InWords(const StorageProfile& profile) {
  return "cache " + profile.cache + ", discard " + profile.discard + ", io " + profile.io;
}

// Where the disks will lie, by the site's mapping; what is wrong goes into `problems`.
std::map<std::string, std::uint64_t> FutureBytes(const StepContext& context, const VmFacts& vm,
                                                 std::vector<Error>& problems) {
  std::map<std::string, std::uint64_t> bytes_of_pool;
  for (const DiskFacts& disk : vm.disks) {
    const Result<std::string> pool = PoolFor(context, *context.workload, disk);
    if (!pool) problems.push_back(pool.error());
    if (!pool) continue;
    if (!IsOneOf(Member(context.parameters, "storagePools"), *pool))
      problems.push_back(InOtherPool(context, context.workload->name + " " + disk.label, *pool));
    bytes_of_pool[*pool] += disk.capacity_bytes;
  }
  return bytes_of_pool;
}

class AttachTargetStorageProfileStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const auto images = ImagesToBoot(context);
    if (!images) return images.error();
    const WorkloadImages& ours = images->at(context.workload->name);
    const auto reservations = PlanReservations(context, *context.workload, ours);
    if (!reservations) return reservations.error();
    Observation observation;
    observation.before = {{"key", KeyOf(context)}, {"reservations", *reservations}};
    std::size_t held = 0;
    for (const Reservation& reservation : *reservations) {
      const Result<bool> there = IsReserved(context, reservation);
      if (!there) return there.error();
      held += *there ? 1 : 0;
    }
    observation.evidence = {{"reserved", held}, {"of", reservations->size()}};
    if (held > 0) observation.verdict = Verdict::kPartial;
    if (held < reservations->size()) return observation;
    const Result<WorkloadImages> fitting = ImagesOf(context);
    const Status sensible = RequireNoContradiction(spec().name, context.parameters);
    if (!fitting || !sensible) return observation;  // Apply says why
    observation.verdict = Verdict::kDone;
    observation.evidence = FactsOf(context, ours, *reservations);
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Status sensible = RequireNoContradiction(spec().name, context.parameters);
    if (!sensible) return sensible.error();
    const Result<WorkloadImages> images = ImagesOf(context);
    if (!images) return images.error();
    for (const Image& image : images->disks) {
      const Status sealed = RequireSealed(context, image);
      if (!sealed) return sealed.error();
    }
    const std::vector<Reservation> reservations = ReservationsOf(context.before);
    for (const Reservation& reservation : reservations) {
      const Status reserved = Reserve(context, reservation);
      if (!reserved) return reserved.error();
    }
    return Progress::Done(FactsOf(context, *images, reservations));
  }

  Result<Progress> Undo(const StepContext& context) const override {
    Json facts = {{"removed", Json::array()}};
    for (const Reservation& reservation : ReservationsOf(context.before)) {
      const Status gone = Unreserve(context, reservation);
      if (!gone) return gone.error();
      facts["removed"].push_back(reservation.pool + "/" + reservation.volume);
    }
    return Progress::Done(std::move(facts));
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    forecast.undo = "remove the reservation";
    const auto percent = static_cast<std::uint64_t>(IntegerOf(context.parameters, "reservePercent", 100));
    forecast.will = "attach to the disks of " + context.workload->name + ": " + InWords(ProfileOf(context.parameters));
    const Status sensible = RequireNoContradiction(spec().name, context.parameters);
    if (!sensible) forecast.problems.push_back(sensible.error());
    const Result<VmFacts> vm = ReadVm(context, *context.workload);
    const Result<TargetFacts> target = ReadTarget(context);
    if (!vm) forecast.problems.push_back(vm.error());
    if (!target) forecast.problems.push_back(target.error());
    if (!vm || !target) return forecast;
    for (const auto& [pool, bytes] : FutureBytes(context, *vm, forecast.problems)) {
      forecast.will += "; reserve " + BytesInWords(bytes / 100 * percent) + " in pool " + pool;
      if (auto problem = RoomProblem(context, *target, pool, bytes / 100 * percent))
        forecast.problems.push_back(std::move(*problem));
    }
    return forecast;
  }

  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    const Result<TargetFacts> target = ReadTarget(context);
    if (!target) return target.error();
    UndoProof proof;
    for (const Json& pool : Member(context.parameters, "storagePools"))
      if (auto problem = RoomProblem(context, *target, pool.get<std::string>(), 0)) Note(proof, *problem);
    Prove(proof, "active on the target: " + PoolsInWords(context.parameters) + ", from where the reservation goes");
    return proof;
  }
};

}  // namespace

const Step& AttachTargetStorageProfile() {
  static const AttachTargetStorageProfileStep step;
  return step;
}

}  // namespace vmferry
