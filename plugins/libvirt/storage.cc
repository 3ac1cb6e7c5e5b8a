// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/storage.h"

#include <libvirt/virterror.h>

#include <cstdio>
#include <iterator>
#include <optional>
#include <pugixml.hpp>
#include <string_view>

#include "plugins/libvirt/domain_xml.h"

namespace vmferry::libvirt {
namespace {

// Sizes are in bytes as libvirt prints them; other units only come from people, and are refused by reading as 0.
std::uint64_t Bytes(const pugi::xml_node& size) {
  const std::string_view unit = size.attribute("unit").as_string("bytes");
  return unit == "bytes" || unit == "B" ? size.text().as_ullong() : 0;
}

// What the pool has now; by a new connection if the session's is dead.
std::optional<virStoragePoolInfo> PoolSizes(const Session& session, const std::string& pool) {
  const Result<Session> open = session.connection()->Open(Access::kRead);
  if (!open) return std::nullopt;
  const PoolHandle handle(virStoragePoolLookupByName(open->get(), pool.c_str()));
  virStoragePoolInfo info{};
  if (handle) virStoragePoolRefresh(handle.get(), 0);
  const bool known = handle && virStoragePoolGetInfo(handle.get(), &info) == 0;
  virResetLastError();
  return known ? std::optional(info) : std::nullopt;
}

void SetBytes(pugi::xml_node parent, const char* name, std::uint64_t bytes) {
  pugi::xml_node size = parent.append_child(name);
  size.append_attribute("unit") = "bytes";
  size.text().set(static_cast<unsigned long long>(bytes));
}

}  // namespace

std::string VolumeObject(const std::string& pool, const std::string& volume) {
  return "volume " + pool + "/" + volume;
}
std::string PoolObject(const std::string& pool) {
  return "pool " + pool;
}

Result<PoolHandle> FindPool(const Session& session, const std::string& pool) {
  PoolHandle handle(virStoragePoolLookupByName(session.get(), pool.c_str()));
  if (!handle) return session.Fail(PoolObject(pool), "cannot be found", "check the storage mapping in the site file");
  if (virStoragePoolIsActive(handle.get()) != 1)
    return session.Refuse(ErrorKind::kInvalid, PoolObject(pool), "is not active", "start it: virsh pool-start " + pool);
  return handle;
}

Result<VolumeHandle> FindVolume(const Session& session, virStoragePoolPtr pool, const std::string& volume,
                                Listing listing) {
  for (const bool refreshed : {false, true}) {
    VolumeHandle handle(virStorageVolLookupByName(pool, volume.c_str()));
    if (handle) return handle;
    const Failure failure = LastFailure();
    if (failure.code != VIR_ERR_NO_STORAGE_VOL)
      return session.Fail(failure, VolumeObject(virStoragePoolGetName(pool), volume), "cannot be looked up");
    // libvirt lists a pool when it starts and when told to. A refusal (uploads at work) is no answer to our question.
    if (listing == Listing::kAsItIs) break;
    if (!refreshed && virStoragePoolRefresh(pool, 0) < 0) virResetLastError();
  }
  return VolumeHandle();
}

VolumeDocument ParseVolume(const std::string& xml) {
  pugi::xml_document document;
  VolumeDocument volume;
  if (!document.load_string(xml.c_str())) return volume;
  const pugi::xml_node root = document.child("volume");
  volume.type = root.attribute("type").as_string("file");
  volume.path = root.child("target").child("path").child_value();
  volume.format = root.child("target").child("format").attribute("type").value();
  volume.capacity_bytes = Bytes(root.child("capacity"));
  volume.allocation_bytes = Bytes(root.child("allocation"));
  volume.physical_bytes = Bytes(root.child("physical"));
  volume.backing = root.child("backingStore").child("path").child_value();
  // Block pools name no format: what lies on the device is ours to know, and we write raw.
  if (volume.format.empty() || volume.format == "unknown") volume.format = "raw";
  return volume;
}

Result<VolumeDocument> ReadVolume(const Session& session, virStorageVolPtr volume, const std::string& object) {
  const Text xml(virStorageVolGetXMLDesc(volume, 0));
  if (!xml) return session.Fail(object, "cannot be described");
  return ParseVolume(xml.str());
}

std::string BuildVolumeXml(const NewVolume& volume) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("volume");
  root.append_child("name").text().set(volume.name.c_str());
  SetBytes(root, "capacity", volume.capacity_bytes);
  SetBytes(root, "allocation", 0);
  root.append_child("target").append_child("format").append_attribute("type") = volume.format.c_str();
  if (!volume.backing_path.empty()) {
    pugi::xml_node backing = root.append_child("backingStore");
    backing.append_child("path").text().set(volume.backing_path.c_str());
    backing.append_child("format").append_attribute("type") = volume.backing_format.c_str();
  }
  return Print(root);
}

Error StorageFailure(const Session& session, const Failure& failure, const std::string& pool, const std::string& object,
                     const std::string& what) {
  constexpr std::uint64_t kLeastUseful = 1024 * 1024;
  const Error error = session.Fail(failure, object, what);
  const bool told = IsNoSpace(failure);
  const bool lost = error.kind == ErrorKind::kUnknownOutcome || error.kind == ErrorKind::kUnavailable;
  if (!told && !lost) return error;
  // libvirtd 9.0 often drops the client when a write finds no room, instead of saying so.
  const std::optional<virStoragePoolInfo> sizes = PoolSizes(session, pool);
  if (!told && (!sizes || sizes->available >= kLeastUseful)) return error;
  const std::string numbers =
      !sizes ? "" : " (capacity " + HumanBytes(sizes->capacity) + ", available " + HumanBytes(sizes->available) + ")";
  return session.Refuse(ErrorKind::kInvalid, object,
                        what + ": pool " + pool + " is full" + numbers + ": " + failure.message,
                        "free room in the pool or map the disk to another one");
}

std::string HumanBytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace vmferry::libvirt
