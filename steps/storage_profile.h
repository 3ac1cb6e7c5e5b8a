// SPDX-License-Identifier: Apache-2.0
//
// StorageProfile: how the domain's disks do their I/O on the target, and the room in the pool that is theirs.
// attach_target_storage_profile attaches it, power_on_target defines the domain with it, merge_overlay gives the room
// back at commit. They hand it on by the facts of the first:
//   {"cache", "discard", "io", "disks": [{"pool", "volume"}], "reservations": [{"pool", "volume", "bytes"}]}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/target_platform.h"
#include "steps/contradictions.h"
#include "steps/images.h"
#include "steps/step.h"

namespace vmferry {

inline constexpr std::string_view kAttachStorageProfile = "attach_target_storage_profile";

struct StorageProfile {
  std::string cache;
  std::string discard;
  std::string io;
};

// Room in a pool: a thin volume whose capacity is taken for used by every run that looks (PoolFacts::reserved_bytes).
struct Reservation {
  std::string pool;
  std::string volume;
  std::uint64_t bytes = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Reservation, pool, volume, bytes)

// Of the step's parameters.
StorageProfile ProfileOf(const Json& parameters);
std::vector<Contradiction> StorageContradictions(const Json& parameters);

// What was attached to the workload's disks; nothing if the runbook attaches no profile.
std::optional<StorageProfile> AttachedProfile(const StepContext& context, const Workload& workload);
// What was reserved for it; of the facts or the before-image of the step.
std::vector<Reservation> ReservationsOf(const Json& json);
std::vector<Reservation> AttachedReservations(const StepContext& context, const Workload& workload);

// One reservation for each pool: `percent` of the disks' capacity, so that overlays can grow. Reads the volumes; an
// Error if one is not a finished copy.
Result<std::vector<Reservation>> PlanReservations(const StepContext& context, const Workload& workload,
                                                  const WorkloadImages& images);
// True if it is there, whole.
Result<bool> IsReserved(const StepContext& context, const Reservation& reservation);
// Makes it, if the pool has that much room besides what others have reserved; else kInvalid, with the sizes.
Status Reserve(const StepContext& context, const Reservation& reservation);
// Not there: ok.
Status Unreserve(const StepContext& context, const Reservation& reservation);
// Why the pool cannot take `bytes` more; nothing if it can.
std::optional<Error> RoomProblem(const StepContext& context, const TargetFacts& target, const std::string& pool,
                                 std::uint64_t bytes);

// kConflict unless the domain's disks on `volumes` have the profile, as the platform tells it.
Status RequireProfile(const StepContext& context, const DomainFacts& domain, const std::vector<std::string>& volumes,
                      const StorageProfile& profile);

}  // namespace vmferry
