// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/seals.h"

#include <algorithm>
#include <string_view>

#include "plugins/libvirt/transfer.h"

namespace vmferry::libvirt {
namespace {

constexpr std::string_view kSuffix = ".seal";
constexpr std::uint64_t kLargestSeal = 64 * 1024;

// Whether `seal` says the same as `standing`: by its key, else word for word.
bool SameSeal(const std::string& standing, const std::string& seal) {
  const Json ours = Json::parse(seal, nullptr, false);
  const Json theirs = Json::parse(standing, nullptr, false);
  if (ours.contains("key") && theirs.contains("key")) return ours["key"] == theirs["key"];
  return ours == theirs;
}

Result<VolumeHandle> CreateSeal(const Session& session, virStoragePoolPtr pool, const std::string& name,
                                std::uint64_t bytes) {
  const std::string xml = BuildVolumeXml({name, "raw", bytes, "", ""});
  VolumeHandle handle(virStorageVolCreateXML(pool, xml.c_str(), 0));
  const std::string pool_name = virStoragePoolGetName(pool);
  if (!handle)
    return StorageFailure(session, LastFailure(), pool_name, VolumeObject(pool_name, name), "cannot be created");
  return handle;
}

}  // namespace

std::string SealName(const std::string& volume) {
  return volume + std::string(kSuffix);
}
bool IsSealName(const std::string& volume) {
  return volume.ends_with(kSuffix);
}

std::string SealText(const std::string& bytes) {
  std::string text = bytes.substr(0, bytes.find('\0'));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const Json seal = Json::parse(text, nullptr, false);
  return seal.is_object() ? text : std::string();
}

Result<std::string> ReadSeal(const Session& session, virStoragePoolPtr pool, const std::string& volume,
                             Listing listing) {
  Result<VolumeHandle> handle = FindVolume(session, pool, SealName(volume), listing);
  if (!handle) return handle.error();
  if (!*handle) return std::string();
  const std::string pool_name = virStoragePoolGetName(pool);
  Result<VolumeDocument> document = ReadVolume(session, handle->get(), VolumeObject(pool_name, SealName(volume)));
  if (!document) return document.error();
  const OpenVolume seal{pool_name, SealName(volume), std::move(*handle), *document};
  Result<std::string> bytes = ReadHead(session, seal, kLargestSeal);
  if (!bytes) return bytes.error();
  return SealText(*bytes);
}

Status RemoveSeal(const Session& session, virStoragePoolPtr pool, const std::string& volume) {
  Result<VolumeHandle> handle = FindVolume(session, pool, SealName(volume));
  if (!handle) return handle.error();
  if (*handle && virStorageVolDelete(handle->get(), 0) < 0)
    return session.Fail(VolumeObject(virStoragePoolGetName(pool), SealName(volume)), "cannot be removed");
  return Ok();
}

Result<Done> SealVolume(const Session& session, const SealVolumeRequest& request) {
  const std::string object = VolumeObject(request.pool, request.volume);
  const std::string text = SealText(request.seal);
  if (text.empty() || text.size() >= kLargestSeal)
    return session.Refuse(ErrorKind::kInvalid, object, "a seal must be one JSON object of less than 64 KiB");
  Result<PoolHandle> pool = FindPool(session, request.pool);
  if (!pool) return pool.error();
  Result<VolumeHandle> volume = FindVolume(session, pool->get(), request.volume);
  if (!volume) return volume.error();
  if (!*volume) return session.Refuse(ErrorKind::kNotFound, object, "does not exist, so it cannot be sealed");
  Result<std::string> standing = ReadSeal(session, pool->get(), request.volume);
  if (!standing) return standing.error();
  if (!standing->empty() && SameSeal(*standing, text)) return Done{};
  if (!standing->empty())
    return session.Refuse(ErrorKind::kConflict, object, "is sealed already, by another copy: " + *standing);
  // What stands there is at most the beginning of a seal.
  if (Status removed = RemoveSeal(session, pool->get(), request.volume); !removed) return removed.error();

  const std::string name = SealName(request.volume);
  Result<VolumeHandle> created = CreateSeal(session, pool->get(), name, text.size() + 1);
  if (!created) return created.error();
  Result<VolumeDocument> document = ReadVolume(session, created->get(), VolumeObject(request.pool, name));
  if (!document) return document.error();
  const OpenVolume seal{request.pool, name, std::move(*created), *document};
  const bool rounded_up = document->capacity_bytes > text.size() + 1;
  if (Status written = WriteHead(session, seal, text + "\n" + (rounded_up ? std::string(1, '\0') : "")); !written)
    return written.error();
  return Done{};
}

}  // namespace vmferry::libvirt
