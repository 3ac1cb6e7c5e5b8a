// SPDX-License-Identifier: Apache-2.0
//
// The fake as a target platform: volumes, as libvirt's storage pools of type dir keep them (thin, raw or qcow2).
#include <algorithm>

#include "plugins/fake/fake_plugin.h"
#include "plugins/fake/volume_writer.h"
#include "plugins/target_volumes.h"

namespace vmferry {
namespace {

std::string ObjectOf(const std::string& pool, const std::string& volume) {
  return "volume " + volume + " of pool " + pool;
}

Result<FakePool*> ResolvePool(const Scene& scene, const std::string& name) {
  FakePool* pool = FindPool(scene.world, name);
  if (pool == nullptr) return Fail(scene, ErrorKind::kNotFound, "pool " + name, "there is no such storage pool");
  return pool;
}

Result<FakeVolume*> ResolveVolume(const Scene& scene, const std::string& pool, const std::string& name) {
  const Result<FakePool*> owner = ResolvePool(scene, pool);
  if (!owner) return owner.error();
  FakeVolume* volume = FindVolume(scene.world, pool, name);
  if (volume == nullptr) return Fail(scene, ErrorKind::kNotFound, ObjectOf(pool, name), "there is no such volume");
  return volume;
}

Result<VolumeFacts> DescribeVolume(Scene& scene, const VolumeQuery& query) {
  const Result<FakePool*> pool = ResolvePool(scene, query.pool);
  if (!pool) return pool.error();
  const FakeVolume* volume = FindVolume(scene.world, query.pool, query.volume);
  VolumeFacts facts;
  if (volume == nullptr) return facts;
  facts.exists = true;
  facts.path = VolumePath(query.pool, volume->name);
  facts.format = volume->format;
  facts.capacity_bytes = volume->capacity_bytes;
  facts.allocation_bytes = volume->content.allocated_bytes();
  if (!volume->backing.empty()) facts.backing = VolumePath(query.pool, volume->backing);
  facts.seal = volume->seal;
  return facts;
}

Result<VolumeList> ListVolumes(Scene& scene, const VolumeListQuery& query) {
  const Result<FakePool*> pool = ResolvePool(scene, query.pool);
  if (!pool) return pool.error();
  VolumeList list;
  for (const FakeVolume& volume : (*pool)->volumes)
    if (volume.name.starts_with(query.prefix)) list.volumes.push_back(volume.name);
  std::sort(list.volumes.begin(), list.volumes.end());
  return list;
}

Status CheckVolumeRequest(const Scene& scene, const EnsureVolumeRequest& request) {
  const std::string object = ObjectOf(request.pool, request.volume);
  if (request.volume.empty() || request.volume.find('/') != std::string::npos)
    return Fail(scene, ErrorKind::kInvalid, object, "not a name for a volume");
  if (request.format != "raw" && request.format != "qcow2")
    return Fail(scene, ErrorKind::kInvalid, object, "unknown format \"" + request.format + "\"");
  if (!request.backing_volume.empty() && request.format != "qcow2")
    return Fail(scene, ErrorKind::kInvalid, object, "only a qcow2 volume can lie over another");
  if (request.backing_volume.empty() && request.capacity_bytes == 0)
    return Fail(scene, ErrorKind::kInvalid, object, "the capacity is 0");
  return Ok();
}

Status CheckSpace(const Scene& scene, const FakePool& pool, const EnsureVolumeRequest& request) {
  const std::uint64_t available = pool.capacity_bytes - UsedBytes(pool);
  if (!request.backing_volume.empty() || request.capacity_bytes <= available) return Ok();
  return Fail(scene, ErrorKind::kInvalid, ObjectOf(request.pool, request.volume),
              "the pool is full: " + std::to_string(request.capacity_bytes) + " bytes wanted, " +
                  std::to_string(available) + " of " + std::to_string(pool.capacity_bytes) + " available",
              "make room in the pool or map the disk to another");
}

Result<VolumeReply> EnsureVolume(Scene& scene, const EnsureVolumeRequest& request) {
  const Result<FakePool*> pool = ResolvePool(scene, request.pool);
  if (!pool) return pool.error();
  if (const Status valid = CheckVolumeRequest(scene, request); !valid) return valid.error();
  std::uint64_t capacity = request.capacity_bytes;
  if (!request.backing_volume.empty()) {
    const Result<FakeVolume*> backing = ResolveVolume(scene, request.pool, request.backing_volume);
    if (!backing) return backing.error();
    if (capacity == 0) capacity = (*backing)->capacity_bytes;
  }
  if (const FakeVolume* there = FindVolume(scene.world, request.pool, request.volume)) {
    if (there->format == request.format && there->capacity_bytes == capacity &&
        there->backing == request.backing_volume)
      return VolumeReply{VolumePath(request.pool, request.volume)};
    return Fail(scene, ErrorKind::kConflict, ObjectOf(request.pool, request.volume),
                "another volume of this name is there: " + there->format + ", " +
                    std::to_string(there->capacity_bytes) + " bytes",
                "remove it or choose another name");
  }
  if (const Status space = CheckSpace(scene, **pool, request); !space) return space.error();
  FakeVolume volume;
  volume.name = request.volume;
  volume.format = request.format;
  volume.capacity_bytes = capacity;
  volume.backing = request.backing_volume;
  volume.backing_format = request.backing_format;
  volume.content.KeepZeros(!volume.backing.empty());
  (*pool)->volumes.push_back(std::move(volume));
  Record(scene.world, scene.call, "volume-created", request.pool + "/" + request.volume);
  return VolumeReply{VolumePath(request.pool, request.volume)};
}

Result<Done> EnsureNoVolume(Scene& scene, const RemoveVolumeRequest& request) {
  const Result<FakePool*> pool = ResolvePool(scene, request.pool);
  if (!pool) return pool.error();
  const FakeVolume* volume = FindVolume(scene.world, request.pool, request.volume);
  if (volume == nullptr) return Done{};
  const bool sealed = !volume->seal.empty();
  if (sealed && !request.include_sealed)
    return Fail(scene, ErrorKind::kConflict, ObjectOf(request.pool, request.volume),
                "is a sealed copy: " + volume->seal, "sealed copies are kept for a retry; remove it on purpose");
  Record(scene.world, scene.call, "volume-removed", request.pool + "/" + request.volume,
         {{"was_sealed", sealed}, {"in_use", InUse(scene.world, request.pool, request.volume)}});
  std::erase_if((*pool)->volumes, [&](const FakeVolume& entry) { return entry.name == request.volume; });
  return Done{};
}

// Whose seal it is; the text itself if it is not an object with a key.
std::string SealKey(const std::string& seal) {
  const Json json = Json::parse(seal, nullptr, false);
  return json.is_object() && json.contains("key") ? json.at("key").dump() : seal;
}

Result<Done> SealVolume(Scene& scene, const SealVolumeRequest& request) {
  const Result<FakeVolume*> volume = ResolveVolume(scene, request.pool, request.volume);
  if (!volume) return volume.error();
  if (request.seal.empty())
    return Fail(scene, ErrorKind::kInvalid, ObjectOf(request.pool, request.volume), "the seal is empty");
  if (!(*volume)->complete)
    return Fail(scene, ErrorKind::kInvalid, ObjectOf(request.pool, request.volume), "its copy was never finished");
  if (!(*volume)->seal.empty()) {
    if (SealKey((*volume)->seal) == SealKey(request.seal)) return Done{};  // the first seal stays
    return Fail(scene, ErrorKind::kConflict, ObjectOf(request.pool, request.volume),
                "is sealed already: " + (*volume)->seal);
  }
  (*volume)->seal = request.seal;
  Record(scene.world, scene.call, "volume-sealed", request.pool + "/" + request.volume, {{"seal", request.seal}});
  return Done{};
}

Result<VolumeReply> ConvertVolume(Scene& scene, const ConvertVolumeRequest& request) {
  const Result<FakeVolume*> from = ResolveVolume(scene, request.pool, request.from);
  if (!from) return from.error();
  const std::string object = ObjectOf(request.pool, request.to);
  if (request.from == request.to) return Fail(scene, ErrorKind::kInvalid, object, "cannot be converted onto itself");
  if (request.format != "raw" && request.format != "qcow2")
    return Fail(scene, ErrorKind::kInvalid, object, "unknown format \"" + request.format + "\"");
  Result<SparseBytes> content = ReadThroughChain(scene.world, request.pool, request.from);
  if (!content) return Fail(scene, content.error().kind, content.error().object, content.error().message);
  FakePool& pool = **ResolvePool(scene, request.pool);
  if (const FakeVolume* there = FindVolume(scene.world, request.pool, request.to); there && !there->seal.empty()) {
    if (there->format == request.format) return VolumeReply{VolumePath(request.pool, request.to)};
    return Fail(scene, ErrorKind::kConflict, object, "a sealed copy of another format is there");
  }
  std::erase_if(pool.volumes, [&](const FakeVolume& entry) { return entry.name == request.to; });
  const std::uint64_t available = pool.capacity_bytes - UsedBytes(pool);
  if (content->allocated_bytes() > available)
    return Fail(scene, ErrorKind::kInvalid, object,
                "the pool is full: " + std::to_string(content->allocated_bytes()) + " bytes wanted, " +
                    std::to_string(available) + " available");
  FakeVolume volume;
  volume.name = request.to;
  volume.format = request.format;
  volume.capacity_bytes = FindVolume(scene.world, request.pool, request.from)->capacity_bytes;
  volume.complete = true;
  volume.content = std::move(*content);
  pool.volumes.push_back(std::move(volume));
  Record(scene.world, scene.call, "volume-converted", request.pool + "/" + request.to, {{"from", request.from}});
  return VolumeReply{VolumePath(request.pool, request.to)};
}

Result<VolumeReply> BeginWrite(Scene& scene, const WriteVolumeRequest& request) {
  const Result<FakeVolume*> found = ResolveVolume(scene, request.pool, request.volume);
  if (!found) return found.error();
  FakeVolume& volume = **found;
  const std::string object = ObjectOf(request.pool, request.volume);
  if (!volume.seal.empty()) return Fail(scene, ErrorKind::kConflict, object, "is a sealed copy: " + volume.seal);
  if (InUse(scene.world, request.pool, request.volume))
    return Fail(scene, ErrorKind::kConflict, object, "is in use by a running domain");
  if (volume.format != "raw")
    return Fail(scene, ErrorKind::kInvalid, object, "is " + volume.format + "; a disk's bytes go into a raw volume");
  if (request.offset + request.length > volume.capacity_bytes)
    return Fail(scene, ErrorKind::kInvalid, object,
                std::to_string(request.length) + " bytes at " + std::to_string(request.offset) +
                    " go beyond its capacity of " + std::to_string(volume.capacity_bytes));
  volume.content.Truncate(request.offset);
  volume.durable_bytes = std::min(volume.complete ? volume.capacity_bytes : volume.durable_bytes, request.offset);
  volume.complete = false;
  Record(scene.world, scene.call, "volume-written", request.pool + "/" + request.volume,
         {{"offset", request.offset}, {"finished", false}});
  return VolumeReply{VolumePath(request.pool, request.volume)};
}

}  // namespace

bool InUse(const WorldData& world, const std::string& pool, const std::string& volume) {
  for (const FakeDomain& domain : world.domains) {
    if (domain.state == "off") continue;
    for (const DomainDiskSpec& disk : domain.spec.disks) {
      if (disk.pool != pool) continue;
      std::string name = disk.volume;
      while (!name.empty()) {
        if (name == volume) return true;
        const FakeVolume* below = FindVolume(world, pool, name);
        name = below == nullptr ? "" : below->backing;
      }
    }
  }
  return false;
}

void FakePlugin::ServeVolumes() {
  On(target::kDescribeVolume, DescribeVolume);
  On(target::kListVolumes, ListVolumes);
  On(target::kEnsureVolume, EnsureVolume);
  On(target::kEnsureNoVolume, EnsureNoVolume);
  On(target::kSealVolume, SealVolume);
  On(target::kConvertVolume, ConvertVolume);
  using Opened = std::pair<VolumeReply, std::shared_ptr<VolumeWriter>>;
  ServeStream<WriteVolumeRequest, VolumeReply, VolumeWriter>(
      target::kWriteVolume, [this](const WriteVolumeRequest& request, const CallContext& context) -> Result<Opened> {
        const Result<VolumeReply> begun = Perform<VolumeReply>(
            target::kWriteVolume.spec, context, [&](Scene& scene) { return BeginWrite(scene, request); });
        if (!begun) return begun.error();
        return Opened{*begun, std::make_shared<FakeVolumeWriter>(world_, system_, request, context.stop)};
      });
}

}  // namespace vmferry
