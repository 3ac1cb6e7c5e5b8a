// SPDX-License-Identifier: Apache-2.0
//
// The plugin `libguestfs`: role "guest", by libguestfs' programs virt-inspector and guestfish, which start a small
// machine of their own and open the disks in it, read-only. The disks must be readable files of this machine: run
// vmferry where the pool is, or mount it at the same path.
// Threading: any number of threads; each call starts machines of its own. Repeating: changes nothing. Waiting: until
// the programs end, 25 minutes at most all together, or a stop is asked for.
// Source: virt-inspector(1), "XML format"; guestfish(1), guestfs(3) "LIBGUESTFS_BACKEND"; supermin(1),
// "SUPERMIN_KERNEL".
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind LibguestfsKind();

}  // namespace vmferry
