// SPDX-License-Identifier: Apache-2.0
//
// Bytes into and out of volumes by libvirt's streams (https://libvirt.org/html/libvirt-libvirt-stream.html), so that
// it works wherever the URI leads; no file of the target host is touched by path, with one exception in Durable.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/storage.h"
#include "plugins/stream.h"

namespace vmferry::libvirt {

// A volume that is being written or read.
struct OpenVolume {
  std::string pool;
  std::string name;
  VolumeHandle handle;
  VolumeDocument document;
};

// Forces what was written to `volume` to stable storage, as far as it can be known: libvirt has no call for it, so
// on a local connection the file is fsynced if this process can open it, else nothing is done. See README.md,
// "What is durable when".
Status Durable(const Session& session, const OpenVolume& volume);

// The first bytes of the volume, at most `limit`.
Result<std::string> ReadHead(const Session& session, const OpenVolume& volume, std::uint64_t limit);
// So many bytes from `offset` on; fewer if the volume ends before.
Result<std::string> ReadRange(const Session& session, const OpenVolume& volume, std::uint64_t offset,
                              std::uint64_t length);
// Writes `bytes` at the start of the volume, durably.
Status WriteHead(const Session& session, const OpenVolume& volume, const std::string& bytes);

// Writes a raw volume in order, zeros as holes. The range is [offset, offset + length); whatever the volume held from
// `offset` on reads as zeros where it is not written. `stop`: Write returns soon after it was asked.
Result<std::shared_ptr<VolumeWriter>> OpenWriter(const Session& session, OpenVolume volume, std::uint64_t offset,
                                                 std::uint64_t length, std::stop_token stop);

}  // namespace vmferry::libvirt
