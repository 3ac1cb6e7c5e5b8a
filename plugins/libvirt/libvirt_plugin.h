// SPDX-License-Identifier: Apache-2.0
//
// The plugin "libvirt": the role "target platform" (plugins/target_platform.h) for QEMU/KVM hosts under libvirt, local
// or remote. README.md has the settings, the privileges needed and what is promised about data.
//
// Boot proofs: the serial console is recorded in a file of a storage pool beside its terminal, and read as a volume, so
// that it works on any URI and takes nobody's terminal away (boot.h says why); the guest agent is asked by guest-ping.
//
// Threading: calls may come from several threads; all share one connection. Each libvirt call runs on a thread of its
// own, so that a call returns within its time even when libvirt does not (bounded.h).
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind LibvirtKind();

}  // namespace vmferry
