// SPDX-License-Identifier: Apache-2.0
//
// Seals: the mark of a finished copy. libvirt keeps no metadata on volumes, so the seal of volume NAME is a small raw
// volume NAME.seal in the same pool that holds the seal's JSON object and a newline. It is written by libvirt's
// streams, after the copy was finished, and so works with remote hosts.
//
// A seal counts only if its text is a complete JSON object: a crash while it is written leaves nothing, zeros or the
// start of an object, and each of these means "not sealed". What follows the object (block pools round sizes up) is
// ended by a NUL byte. Volume names that end in ".seal" are refused elsewhere in this plugin.
#pragma once

#include <string>

#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/storage.h"
#include "plugins/target_platform.h"

namespace vmferry::libvirt {

std::string SealName(const std::string& volume);
bool IsSealName(const std::string& volume);
// The seal's JSON text out of the bytes of a seal volume; empty if they hold no complete seal.
std::string SealText(const std::string& bytes);

// The seal of a volume; empty if it is not sealed. A fresh listing also finds a seal that another host put into a
// shared pool; whoever is about to destroy something needs it.
Result<std::string> ReadSeal(const Session& session, virStoragePoolPtr pool, const std::string& volume,
                             Listing listing = Listing::kFresh);
// Removes the seal, complete or not. None there: ok.
Status RemoveSeal(const Session& session, virStoragePoolPtr pool, const std::string& volume);

// Seals a volume. Sealed already: ok if by the same "key" (the first seal stays), else kConflict.
Result<Done> SealVolume(const Session& session, const SealVolumeRequest& request);

}  // namespace vmferry::libvirt
