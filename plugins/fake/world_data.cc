// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/world_data.h"

#include <algorithm>

#include "state/clock.h"

namespace vmferry {
namespace {

template <class List, class Match>
auto* FindIn(List& list, Match match) {
  const auto found = std::find_if(list.begin(), list.end(), match);
  return found == list.end() ? nullptr : &*found;
}

Error BrokenChain(const std::string& pool, const std::string& volume, const std::string& why) {
  return Error{ErrorKind::kCorrupt, "", "volume " + volume + " of pool " + pool, why, ""};
}

}  // namespace

void Record(WorldData& world, std::string_view call, std::string effect, std::string object, Json detail) {
  Touch(world);
  world.history.push_back({world.revision, SystemClock().Now().wall_ms, std::string(call), std::move(effect),
                           std::move(object), std::move(detail)});
  if (world.history.size() > world.history_limit)
    world.history.erase(world.history.begin(), world.history.end() - static_cast<std::ptrdiff_t>(world.history_limit));
}

FakePool* FindPool(WorldData& world, const std::string& name) {
  return FindIn(world.pools, [&](const FakePool& pool) { return pool.name == name; });
}

FakeVolume* FindVolume(WorldData& world, const std::string& pool, const std::string& name) {
  FakePool* owner = FindPool(world, pool);
  if (owner == nullptr) return nullptr;
  return FindIn(owner->volumes, [&](const FakeVolume& volume) { return volume.name == name; });
}

FakeSnapshot* FindSnapshot(FakeVm& vm, const std::string& key) {
  return FindIn(vm.snapshots, [&](const FakeSnapshot& snapshot) { return snapshot.key == key; });
}

FakeDomain* FindDomain(WorldData& world, const std::string& name) {
  return FindIn(world.domains, [&](const FakeDomain& domain) { return domain.spec.domain == name; });
}

FakeLease* FindLease(WorldData& world, const std::string& id) {
  return FindIn(world.leases, [&](const FakeLease& lease) { return lease.id == id; });
}

FakeLease* LeaseOf(WorldData& world, const FakeVm& vm) {
  return FindIn(world.leases, [&](const FakeLease& lease) { return lease.vm == vm.facts.path; });
}

FakeVm* FindVmByPath(WorldData& world, const std::string& path_or_name) {
  return FindIn(world.vms,
                [&](const FakeVm& vm) { return vm.facts.path == path_or_name || vm.facts.name == path_or_name; });
}

// The look-ups change nothing.
const FakeVolume* FindVolume(const WorldData& world, const std::string& pool, const std::string& name) {
  return FindVolume(const_cast<WorldData&>(world), pool, name);
}

const FakeDomain* FindDomain(const WorldData& world, const std::string& name) {
  return FindDomain(const_cast<WorldData&>(world), name);
}

const FakeVm* FindVmByPath(const WorldData& world, const std::string& path_or_name) {
  return FindVmByPath(const_cast<WorldData&>(world), path_or_name);
}

void LoseUnfinished(WorldData& world) {
  for (FakePool& pool : world.pools)
    for (FakeVolume& volume : pool.volumes)
      if (!volume.complete && volume.backing.empty()) volume.content.Truncate(volume.durable_bytes);
}

std::uint64_t UsedBytes(const FakePool& pool) {
  std::uint64_t used = pool.others_use_bytes;
  for (const FakeVolume& volume : pool.volumes) used += volume.content.allocated_bytes();
  if (pool.others_fill_after > 0 && pool.written_bytes >= pool.others_fill_after) used = pool.capacity_bytes;
  return std::min(used, pool.capacity_bytes);
}

std::string VolumePath(const std::string& pool, const std::string& volume) {
  return "/fake/" + pool + "/" + volume;
}

Result<SparseBytes> ReadThroughChain(const WorldData& world, const std::string& pool, const std::string& volume) {
  const FakeVolume* found = FindVolume(world, pool, volume);
  if (found == nullptr) return BrokenChain(pool, volume, "does not exist");
  if (found->backing.empty()) return found->content;
  const FakeVolume* below = FindVolume(world, pool, found->backing);
  if (below == nullptr) return BrokenChain(pool, volume, "its backing " + found->backing + " does not exist");
  if (below->format != found->backing_format)
    return BrokenChain(pool, volume, "its backing is " + below->format + ", not " + found->backing_format);
  Result<SparseBytes> content = ReadThroughChain(world, pool, found->backing);
  if (content) content->Overlay(found->content);
  return content;
}

bool OnNetwork(const FakeVm& vm) {
  const auto& nics = vm.facts.nics;
  return vm.facts.power == "on" &&
         std::any_of(nics.begin(), nics.end(), [](const NicFacts& nic) { return nic.connected; });
}

bool OnNetwork(const FakeDomain& domain) {
  const auto& nics = domain.spec.nics;
  return domain.state == "running" &&
         std::any_of(nics.begin(), nics.end(), [](const DomainNicSpec& nic) { return nic.network != "none"; });
}

}  // namespace vmferry
