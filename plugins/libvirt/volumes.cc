// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/volumes.h"

#include <libvirt/virterror.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "plugins/libvirt/seals.h"
#include "plugins/libvirt/storage.h"
#include "plugins/libvirt/transfer.h"

namespace vmferry::libvirt {
namespace {

// A volume with all we know of it; `handle` is empty if there is none.
struct Found {
  PoolHandle pool;
  VolumeHandle handle;
  VolumeDocument document;
};

Result<Found> Find(const Session& session, const std::string& pool, const std::string& volume) {
  if (IsSealName(volume))
    return session.Refuse(ErrorKind::kInvalid, VolumeObject(pool, volume), "names ending in .seal are for seals");
  Result<PoolHandle> found_pool = FindPool(session, pool);
  if (!found_pool) return found_pool.error();
  Result<VolumeHandle> handle = FindVolume(session, found_pool->get(), volume);
  if (!handle) return handle.error();
  Found found{std::move(*found_pool), std::move(*handle), {}};
  if (!found.handle) return found;
  Result<VolumeDocument> document = ReadVolume(session, found.handle.get(), VolumeObject(pool, volume));
  if (!document) return document.error();
  found.document = std::move(*document);
  return found;
}

// As Find, but the volume must be there.
Result<Found> Require(const Session& session, const std::string& pool, const std::string& volume) {
  Result<Found> found = Find(session, pool, volume);
  if (found && !found->handle)
    return session.Refuse(ErrorKind::kNotFound, VolumeObject(pool, volume), "does not exist");
  return found;
}

Result<VolumeReply> Create(const Session& session, virStoragePoolPtr pool, const NewVolume& volume) {
  const std::string pool_name = virStoragePoolGetName(pool);
  const std::string object = VolumeObject(pool_name, volume.name);
  const VolumeHandle handle(virStorageVolCreateXML(pool, BuildVolumeXml(volume).c_str(), 0));
  if (!handle) return StorageFailure(session, LastFailure(), pool_name, object, "cannot be created");
  Result<VolumeDocument> document = ReadVolume(session, handle.get(), object);
  if (!document) return document.error();
  return VolumeReply{document->path};
}

// A raw file that an interrupted upload left shorter than it was created (see volume_writer.cc). One that was never
// written to cannot be that.
bool IsCutOff(const VolumeDocument& volume, const NewVolume& wanted) {
  return volume.type == "file" && volume.format == "raw" && wanted.format == "raw" && volume.allocation_bytes > 0 &&
         volume.capacity_bytes < wanted.capacity_bytes;
}

bool IsAsWanted(const VolumeDocument& volume, const NewVolume& wanted) {
  const bool rounded_up = volume.type == "block" && volume.capacity_bytes > wanted.capacity_bytes;
  return volume.format == wanted.format && volume.backing == wanted.backing_path &&
         (volume.capacity_bytes == wanted.capacity_bytes || rounded_up);
}

std::string Describe(const std::string& format, std::uint64_t bytes, const std::string& backing) {
  return format + " of " + std::to_string(bytes) + " bytes" + (backing.empty() ? "" : " over " + backing);
}

// An existing volume either is what was asked for, or can be made so without losing a byte, or is a conflict.
Result<VolumeReply> Accept(const Session& session, Found& found, const EnsureVolumeRequest& request,
                           const NewVolume& wanted) {
  const std::string object = VolumeObject(request.pool, request.volume);
  if (IsAsWanted(found.document, wanted)) return VolumeReply{found.document.path};
  if (IsCutOff(found.document, wanted)) {
    Result<std::string> seal = ReadSeal(session, found.pool.get(), request.volume);
    if (!seal) return seal.error();
    if (seal->empty()) {
      if (virStorageVolResize(found.handle.get(), wanted.capacity_bytes, 0) < 0)
        return StorageFailure(session, LastFailure(), request.pool, object, "cannot be resized");
      return VolumeReply{found.document.path};
    }
  }
  return session.Refuse(ErrorKind::kConflict, object,
                        "exists already as " +
                            Describe(found.document.format, found.document.capacity_bytes, found.document.backing) +
                            ", wanted is " + Describe(wanted.format, wanted.capacity_bytes, wanted.backing_path),
                        "remove or rename it if it is not needed");
}

}  // namespace

Result<VolumeFacts> DescribeVolume(const Session& session, const VolumeQuery& query) {
  Result<Found> found = Find(session, query.pool, query.volume);
  if (!found) return found.error();
  if (!found->handle) return VolumeFacts{};
  // Asked again and again by steps that wait.
  Result<std::string> seal = ReadSeal(session, found->pool.get(), query.volume, Listing::kAsItIs);
  if (!seal) return seal.error();
  const VolumeDocument& volume = found->document;
  return VolumeFacts{true,           volume.path,     volume.format, volume.capacity_bytes, volume.allocation_bytes,
                     volume.backing, std::move(*seal)};
}

Result<VolumeList> ListVolumes(const Session& session, const VolumeListQuery& query) {
  Result<PoolHandle> pool = FindPool(session, query.pool);
  if (!pool) return pool.error();
  // Refused while uploads are at work; then what libvirt knows must do.
  if (virStoragePoolRefresh(pool->get(), 0) < 0) virResetLastError();
  virStorageVolPtr* array = nullptr;
  const int count = virStoragePoolListAllVolumes(pool->get(), &array, 0);
  if (count < 0) return session.Fail(PoolObject(query.pool), "its volumes cannot be listed");
  VolumeList list;
  for (int i = 0; i < count; ++i) {
    const VolumeHandle volume(array[i]);
    const char* name = virStorageVolGetName(volume.get());
    if (name != nullptr && !IsSealName(name) && std::string_view(name).starts_with(query.prefix))
      list.volumes.emplace_back(name);
  }
  std::free(array);
  std::sort(list.volumes.begin(), list.volumes.end());
  return list;
}

Result<VolumeReply> EnsureVolume(const Session& session, const EnsureVolumeRequest& request) {
  Result<Found> found = Find(session, request.pool, request.volume);
  if (!found) return found.error();
  NewVolume wanted{request.volume, request.format, request.capacity_bytes, "", ""};
  if (!request.backing_volume.empty()) {
    Result<Found> backing = Require(session, request.pool, request.backing_volume);
    if (!backing) return backing.error();
    wanted.backing_path = backing->document.path;
    wanted.backing_format = request.backing_format.empty() ? backing->document.format : request.backing_format;
    if (wanted.capacity_bytes == 0) wanted.capacity_bytes = backing->document.capacity_bytes;
  }
  if (found->handle) return Accept(session, *found, request, wanted);
  return Create(session, found->pool.get(), wanted);
}

Result<Done> EnsureNoVolume(const Session& session, const RemoveVolumeRequest& request) {
  const std::string object = VolumeObject(request.pool, request.volume);
  Result<Found> found = Find(session, request.pool, request.volume);
  if (!found) return found.error();
  if (found->handle && !request.include_sealed) {
    Result<std::string> seal = ReadSeal(session, found->pool.get(), request.volume);
    if (!seal) return seal.error();
    if (!seal->empty())
      return session.Refuse(ErrorKind::kConflict, object, "is a finished copy (sealed) and is kept",
                            "remove it deliberately if it is not needed any more");
  }
  // The seal goes first: a volume without a seal is merely unfinished, a seal without its volume would lie.
  if (Status removed = RemoveSeal(session, found->pool.get(), request.volume); !removed) return removed.error();
  if (found->handle && virStorageVolDelete(found->handle.get(), 0) < 0)
    return session.Fail(object, "cannot be removed");
  return Done{};
}

Result<VolumeReply> ConvertVolume(const Session& session, const ConvertVolumeRequest& request) {
  const std::string object = VolumeObject(request.pool, request.to);
  Result<Found> from = Require(session, request.pool, request.from);
  if (!from) return from.error();
  Result<Found> to = Find(session, request.pool, request.to);
  if (!to) return to.error();
  if (to->handle) {
    Result<std::string> seal = ReadSeal(session, to->pool.get(), request.to);
    if (!seal) return seal.error();
    if (!seal->empty()) return VolumeReply{to->document.path};
    if (virStorageVolDelete(to->handle.get(), 0) < 0) return session.Fail(object, "a half-made copy cannot be removed");
  }
  const std::string xml = BuildVolumeXml({request.to, request.format, from->document.capacity_bytes, "", ""});
  VolumeHandle made(virStorageVolCreateXMLFrom(to->pool.get(), xml.c_str(), from->handle.get(), 0));
  if (!made)
    return StorageFailure(session, LastFailure(), request.pool, object, "cannot be converted from " + request.from);
  Result<VolumeDocument> document = ReadVolume(session, made.get(), object);
  if (!document) return document.error();
  const OpenVolume open{request.pool, request.to, std::move(made), *document};
  if (Status durable = Durable(session, open); !durable) return durable.error();
  return VolumeReply{document->path};
}

Result<std::pair<VolumeReply, std::shared_ptr<VolumeWriter>>> WriteVolume(const Session& session,
                                                                          const WriteVolumeRequest& request,
                                                                          std::stop_token stop) {
  const std::string object = VolumeObject(request.pool, request.volume);
  Result<Found> found = Require(session, request.pool, request.volume);
  if (!found) return found.error();
  if (found->document.format != "raw")
    return session.Refuse(ErrorKind::kInvalid, object,
                          "is " + found->document.format + "; only raw volumes are written to");
  Result<std::string> seal = ReadSeal(session, found->pool.get(), request.volume);
  if (!seal) return seal.error();
  if (!seal->empty())
    return session.Refuse(ErrorKind::kConflict, object, "is a finished copy (sealed) and is not written to");
  const std::uint64_t capacity = found->document.capacity_bytes;
  const std::uint64_t length =
      request.length != 0 || request.offset >= capacity ? request.length : capacity - request.offset;
  if (length == 0 || request.offset > capacity || length > capacity - request.offset)
    return session.Refuse(ErrorKind::kInvalid, object,
                          "a write of " + std::to_string(length) + " bytes at " + std::to_string(request.offset) +
                              " does not fit its " + std::to_string(capacity) + " bytes");
  VolumeReply reply{found->document.path};
  auto writer = OpenWriter(session, OpenVolume{request.pool, request.volume, std::move(found->handle), found->document},
                           request.offset, length, std::move(stop));
  if (!writer) return writer.error();
  return std::make_pair(std::move(reply), std::move(*writer));
}

}  // namespace vmferry::libvirt
