// SPDX-License-Identifier: Apache-2.0
//
// merge_overlay: the point of no return. What the target wrote since cutover is merged, live, into the volumes below;
// from then on there is no untouched copy to go back to.
#include <algorithm>
#include <string>

#include "steps/catalogue.h"
#include "steps/parameters.h"
#include "steps/storage_profile.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "merge_overlay";
  spec.purpose = "Commit: merges the overlay of the running domain into its disks.";
  spec.scope = Scope::kWorkload;
  spec.effect = true;
  spec.recovery = Recovery::kObservable;
  spec.point_of_no_return = true;
  spec.implicit = true;
  spec.deadline = std::chrono::hours(12);
  spec.reads = "the domain's disks";
  spec.changes = "the volumes below the overlays; the overlays and the room reserved for them go";
  spec.undo = "impossible: this is the point of no return";
  spec.loses = kLosesWrites;
  spec.example = "# added to the commit phase; not written in runbooks\n";
  return spec;
}

std::string DomainObject(const StepContext& context) {
  return "domain " + context.workload->domain;
}

// The key on the domain: that of the power_on_target step that made it.
std::string DomainKey(const StepContext& context) {
  return TextOf(context.earlier("power_on_target", ""), "key");
}

bool Merged(const DomainFacts& domain) {
  return std::all_of(domain.disks.begin(), domain.disks.end(),
                     [](const DomainDisk& disk) { return disk.backing.empty(); });
}

// The domain, if it is there and ours.
Result<DomainFacts> ReadOurs(const StepContext& context) {
  Result<DomainFacts> domain = ReadDomain(context, context.workload->domain);
  if (!domain) return domain;
  if (!domain->exists)
    return TargetError(context, ErrorKind::kNotFound, DomainObject(context), "the domain is gone",
                       "find out who removed it; nothing was merged");
  if (domain->key.empty() || domain->key != DomainKey(context))
    return TargetError(context, ErrorKind::kConflict, DomainObject(context), "the domain is not the one this run made",
                       "find out who replaced it; nothing was merged");
  return domain;
}

Json FactsOf(const DomainFacts& domain) {
  Json disks = Json::array();
  for (const DomainDisk& disk : domain.disks) disks.push_back({{"target", disk.target}, {"volume", disk.volume}});
  return {{"disks", disks}, {"state", domain.state}};
}

// Nothing grows beside the disks any more, so the room that attach_target_storage_profile reserved is not needed.
Result<bool> RoomIsReleased(const StepContext& context) {
  for (const Reservation& reservation : AttachedReservations(context, *context.workload)) {
    const Result<bool> there = IsReserved(context, reservation);
    if (!there) return there.error();
    if (*there) return false;
  }
  return true;
}

Result<Progress> Release(const StepContext& context, const DomainFacts& domain) {
  for (const Reservation& reservation : AttachedReservations(context, *context.workload)) {
    const Status gone = Unreserve(context, reservation);
    if (!gone) return gone.error();
  }
  return Progress::Done(FactsOf(domain));
}

class MergeOverlayStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const Result<DomainFacts> domain = ReadOurs(context);
    if (!domain) return domain.error();
    Observation observation;
    observation.before = FactsOf(*domain);
    observation.evidence = FactsOf(*domain);
    const bool some = std::any_of(domain->disks.begin(), domain->disks.end(),
                                  [](const DomainDisk& disk) { return disk.backing.empty(); });
    const Result<bool> released = RoomIsReleased(context);
    if (!released) return released.error();
    if (Merged(*domain) && *released)
      observation.verdict = Verdict::kDone;
    else if (some)
      observation.verdict = Verdict::kPartial;
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Result<DomainFacts> domain = ReadOurs(context);
    if (!domain) return domain.error();
    if (Merged(*domain)) return Release(context, *domain);
    const Result<Plugin*> target = TargetOf(context);
    if (!target) return target.error();
    const auto merge =
        Invoke(**target, target::kMergeOverlays, DomainRequest{context.workload->domain, domain->key}, context.call);
    if (!merge) return merge.error();
    Progress progress = Progress::NotYet(std::chrono::milliseconds(merge->done ? 0 : 1000),
                                         "merging the overlay of " + DomainObject(context));
    progress.meter.done = static_cast<std::uint64_t>(std::clamp(merge->percent, 0, 100));
    progress.meter.total = 100;
    progress.meter.unit = "percent";
    return progress;
  }

  Result<Progress> Undo(const StepContext& context) const override {
    return TargetError(context, ErrorKind::kInvalid, DomainObject(context),
                       "merging was the point of no return: the copy it booted from is gone",
                       "go back by restoring a backup, or by migrating the domain as a new run");
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    return Forecast{"merge the overlay of " + DomainObject(context) + " into its disks, live", MakeSpec().undo, {}};
  }
};

}  // namespace

const Step& MergeOverlay() {
  static const MergeOverlayStep step;
  return step;
}

}  // namespace vmferry
