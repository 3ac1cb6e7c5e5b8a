// SPDX-License-Identifier: Apache-2.0
//
// Pools and volumes as the rest of this plugin finds them. Format of a volume's XML:
// https://libvirt.org/formatstorage.html#storage-volume-xml.
#pragma once

#include <cstdint>
#include <string>

#include "plugins/libvirt/connection.h"
#include "plugins/target_platform.h"

namespace vmferry::libvirt {

// "volume POOL/NAME", "pool NAME"
std::string VolumeObject(const std::string& pool, const std::string& volume);
std::string PoolObject(const std::string& pool);

// The pool, active. kNotFound if there is none, kInvalid if it is not active.
Result<PoolHandle> FindPool(const Session& session, const std::string& pool);
// Whether libvirt's list of a pool is believed when a volume is missing in it, or made anew first. Making it anew
// costs a look into every volume of the pool, so it is not for what is asked often.
enum class Listing { kAsItIs, kFresh };
// The volume of that name; an empty handle if there is none.
Result<VolumeHandle> FindVolume(const Session& session, virStoragePoolPtr pool, const std::string& volume,
                                Listing listing = Listing::kFresh);

// A volume's XML, read.
struct VolumeDocument {
  std::string path;
  std::string type;  // "file", "block", "network"
  std::string format;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t allocation_bytes = 0;
  std::uint64_t physical_bytes = 0;
  std::string backing;
};
VolumeDocument ParseVolume(const std::string& xml);
Result<VolumeDocument> ReadVolume(const Session& session, virStorageVolPtr volume, const std::string& object);

// The XML that creates a volume, thin where the pool allows it.
struct NewVolume {
  std::string name;
  std::string format;
  std::uint64_t capacity_bytes = 0;
  std::string backing_path;
  std::string backing_format;
};
std::string BuildVolumeXml(const NewVolume& volume);

// Session::Fail for what needs room: a full pool is kInvalid (it will not empty itself) and tells its sizes, also when
// the daemon only hung up.
Error StorageFailure(const Session& session, const Failure& failure, const std::string& pool, const std::string& object,
                     const std::string& what);
// "1.5 GiB"
std::string HumanBytes(std::uint64_t bytes);

}  // namespace vmferry::libvirt
