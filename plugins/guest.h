// SPDX-License-Identifier: Apache-2.0
//
// Role "guest": what is inside the disks of a machine that is off. One call, which changes nothing.
#pragma once

#include <string>
#include <vector>

#include "plugins/call.h"

namespace vmferry {

struct GuestDisk {
  std::string path;    // on the machine where the plugin works
  std::string format;  // "qcow2", "raw": given, never guessed from the content
};
struct InspectRequest {
  std::vector<GuestDisk> disks;  // all of the machine's, in order
};

struct GuestKernel {
  std::string version;
  std::vector<std::string>
      at_boot;  // driver modules that it has before it mounts its root: built in, or in its initramfs
  std::vector<std::string> loadable;  // those that it finds on its disk later
  bool initramfs_read = false;  // false: what is in the initramfs is not known, so at_boot holds the built-in ones
};
// Disks in which no operating system is found are a reply: `inspected` is false and `why` has the program's words.
struct InspectReply {
  bool inspected = false;
  std::string why;
  std::string type;          // "linux", "windows", ...
  std::string distribution;  // "debian"
  std::string product;       // "Debian GNU/Linux 12 (bookworm)"
  std::string architecture;  // "x86_64"
  std::vector<GuestKernel> kernels;
  std::vector<std::string> agents;        // packages of a guest agent for KVM, with their versions
  std::vector<std::string> vmware_tools;  // packages of VMware's tools
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(GuestDisk, path, format)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(InspectRequest, disks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(GuestKernel, version, at_boot, loadable, initramfs_read)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(InspectReply, inspected, why, type, distribution, product, architecture,
                                                kernels, agents, vmware_tools)

namespace guest {
// Long: blocks until finished, for minutes where processors are emulated; a stop ends it soon.
inline constexpr Call<InspectRequest, InspectReply> kInspect{{"guest", "Inspect", Access::kRead}};
}  // namespace guest

}  // namespace vmferry
