// SPDX-License-Identifier: Apache-2.0
//
// From what libguestfs' programs print to facts. Pure functions; everything in a guest is foreign text, so names are
// cleaned and counts are limited.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/guest.h"
#include "state/result.h"

namespace vmferry::libguestfs {

inline constexpr std::size_t kMostKernels = 16;

// virt-inspector's XML. No operating system in it: `inspected` is false. kCorrupt if it is not that XML.
Result<InspectReply> ParseInspection(const std::string& xml);

// The kernels' versions in a listing of /lib/modules: plain names that can stand in a path.
std::vector<std::string> KernelVersions(std::string_view listing);

// The virtio and storage driver modules named in a text of paths, one in a line (modules.builtin, modules.dep, the
// listing of an initramfs): "virtio_blk" of "kernel/drivers/block/virtio_blk.ko.xz: ...".
std::vector<std::string> DriverModules(std::string_view text);

// True if the listing of an initramfs shows kernel modules at all; libguestfs sees only the first archive of several.
bool ShowsModules(std::string_view listing);

// One section of a text that is cut by lines "=== NAME"; empty if there is none.
std::string Section(std::string_view text, std::string_view name);

}  // namespace vmferry::libguestfs
