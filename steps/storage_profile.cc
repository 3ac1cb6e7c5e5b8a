// SPDX-License-Identifier: Apache-2.0
#include "steps/storage_profile.h"

#include <algorithm>
#include <map>

#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

constexpr std::uint64_t kSector = 512;

std::uint64_t Share(std::uint64_t bytes, std::uint64_t percent) {
  const std::uint64_t share = bytes / 100 * percent + (bytes % 100 * percent + 99) / 100;
  return (share + kSector - 1) / kSector * kSector;
}

const PoolFacts* FindPool(const TargetFacts& target, const std::string& name) {
  const auto pool = std::find_if(target.pools.begin(), target.pools.end(),
                                 [&name](const PoolFacts& facts) { return facts.name == name; });
  return pool == target.pools.end() ? nullptr : &*pool;
}

Error NoRoom(const StepContext& context, const PoolFacts& pool, std::uint64_t bytes) {
  return TargetError(context, ErrorKind::kInvalid, "pool " + pool.name,
                     "not enough room to reserve " + BytesInWords(bytes) + ": " + BytesInWords(pool.available_bytes) +
                         " available, of which " + BytesInWords(pool.reserved_bytes) + " are reserved for others",
                     "free space in the pool, commit what was moved there before, or lower `reservePercent`");
}

// "cache none" of (disk's, wanted) when they differ.
void Compare(const std::string& name, const std::string& there, const std::string& wanted, std::string& differences) {
  if (there == wanted) return;
  differences +=
      (differences.empty() ? "" : ", ") + name + " " + (there.empty() ? "not set" : there) + " instead of " + wanted;
}

}  // namespace

StorageProfile ProfileOf(const Json& parameters) {
  return {TextOf(parameters, "cache", "none"), TextOf(parameters, "discard", "unmap"),
          TextOf(parameters, "io", "threads")};
}

std::vector<Contradiction> StorageContradictions(const Json& parameters) {
  std::vector<Contradiction> found;
  const StorageProfile profile = ProfileOf(parameters);
  if (profile.io == "native" && profile.cache != "none" && profile.cache != "directsync")
    found.push_back({"`io: native` needs `cache: none` or `cache: directsync`, not " + profile.cache +
                         ": native I/O works on files that are opened without the host's cache only",
                     "change `io` to threads or io_uring, or `cache` to none or directsync"});
  const Json& allowed = Member(parameters, "allowUnsafe");
  if (profile.cache == "unsafe" && !(allowed.is_boolean() && allowed.get<bool>()))
    found.push_back({"`cache: unsafe` ignores the guest's flushes: a host that fails corrupts its file systems",
                     "choose another cache, or say `allowUnsafe: true` if the data may be lost"});
  if (IntegerOf(parameters, "reservePercent", 100) > 100)
    found.push_back({"`reservePercent` is more than 100: an overlay cannot outgrow its disk", "write 100 or less"});
  const Json& pools = Member(parameters, "storagePools");
  if (pools.is_array() && pools.empty())
    found.push_back({"`storagePools` names no pool", "name the pools that the profile is for"});
  return found;
}

std::optional<StorageProfile> AttachedProfile(const StepContext& context, const Workload& workload) {
  const Json facts = context.earlier(kAttachStorageProfile, workload.name);
  if (!facts.is_object()) return std::nullopt;
  return StorageProfile{TextOf(facts, "cache"), TextOf(facts, "discard"), TextOf(facts, "io")};
}

std::vector<Reservation> ReservationsOf(const Json& json) {
  const Json& list = Member(json, "reservations");
  return list.is_array() ? list.get<std::vector<Reservation>>() : std::vector<Reservation>();
}

std::vector<Reservation> AttachedReservations(const StepContext& context, const Workload& workload) {
  return ReservationsOf(context.earlier(kAttachStorageProfile, workload.name));
}

Result<std::vector<Reservation>> PlanReservations(const StepContext& context, const Workload& workload,
                                                  const WorkloadImages& images) {
  const auto percent = static_cast<std::uint64_t>(IntegerOf(context.parameters, "reservePercent", 100));
  std::map<std::string, std::uint64_t> bytes_of_pool;
  for (const Image& image : images.disks) {
    const Status sealed = RequireSealed(context, image);
    if (!sealed) return sealed.error();
    const Result<VolumeFacts> volume = ReadVolume(context, image.pool, image.volume);
    if (!volume) return volume.error();
    bytes_of_pool[image.pool] += Share(volume->capacity_bytes, percent);
  }
  std::vector<Reservation> reservations;
  for (const auto& [pool, bytes] : bytes_of_pool)
    if (bytes > 0) reservations.push_back({pool, ReserveName(workload.domain, KeyOf(context)), bytes});
  return reservations;
}

Result<bool> IsReserved(const StepContext& context, const Reservation& reservation) {
  const Result<VolumeFacts> volume = ReadVolume(context, reservation.pool, reservation.volume);
  if (!volume) return volume.error();
  return volume->exists && volume->capacity_bytes >= reservation.bytes;
}

std::optional<Error> RoomProblem(const StepContext& context, const TargetFacts& target, const std::string& pool,
                                 std::uint64_t bytes) {
  const PoolFacts* facts = FindPool(target, pool);
  if (facts == nullptr || !facts->active)
    return TargetError(context, ErrorKind::kInvalid, "pool " + pool,
                       facts == nullptr ? "the target has no such pool" : "it is not active",
                       facts == nullptr ? "create it, or name another in `storagePools`"
                                        : "start it on the target (`virsh pool-start " + pool + "`)");
  const std::uint64_t free = facts->available_bytes - std::min(facts->available_bytes, facts->reserved_bytes);
  if (free < bytes) return NoRoom(context, *facts, bytes);
  return std::nullopt;
}

Status Reserve(const StepContext& context, const Reservation& reservation) {
  const Result<bool> there = IsReserved(context, reservation);
  if (!there) return there.error();
  if (*there) return Ok();
  const Result<TargetFacts> before = ReadTarget(context);
  if (!before) return before.error();
  if (auto problem = RoomProblem(context, *before, reservation.pool, reservation.bytes)) return *problem;
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  const EnsureVolumeRequest request{reservation.pool, reservation.volume, "raw", reservation.bytes, "", ""};
  const auto made = Invoke(**target, target::kEnsureVolume, request, context.call);
  if (!made) return made.error();
  // Two runs may have looked at the same time: then the room is short now, and ours goes again.
  const Result<TargetFacts> after = ReadTarget(context);
  if (!after) return after.error();
  if (const auto problem = RoomProblem(context, *after, reservation.pool, 0); !problem) {
    const PoolFacts* pool = FindPool(*after, reservation.pool);
    if (pool->reserved_bytes <= pool->available_bytes) return Ok();
    const Status gone = Unreserve(context, reservation);
    if (!gone) return gone;
    return NoRoom(context, *pool, reservation.bytes);
  }
  return Ok();
}

Status Unreserve(const StepContext& context, const Reservation& reservation) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  const auto removed = Invoke(**target, target::kEnsureNoVolume,
                              RemoveVolumeRequest{reservation.pool, reservation.volume, false}, context.call);
  if (!removed) return removed.error();
  return Ok();
}

Status RequireProfile(const StepContext& context, const DomainFacts& domain, const std::vector<std::string>& volumes,
                      const StorageProfile& profile) {
  for (const std::string& volume : volumes) {
    const auto disk = std::find_if(domain.disks.begin(), domain.disks.end(), [&volume](const DomainDisk& candidate) {
      return candidate.volume.ends_with("/" + volume);
    });
    std::string differences;
    if (disk == domain.disks.end()) {
      differences = "the domain has no such disk";
    } else {
      Compare("cache", disk->cache, profile.cache, differences);
      Compare("discard", disk->discard, profile.discard, differences);
      Compare("io", disk->io, profile.io, differences);
    }
    if (!differences.empty())
      return TargetError(context, ErrorKind::kConflict, "disk " + volume,
                         "the domain's definition does not have the storage profile: " + differences,
                         "see `virsh dumpxml` and what the site's extraDomainXml changes");
  }
  return Ok();
}

}  // namespace vmferry
