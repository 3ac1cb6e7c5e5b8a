// SPDX-License-Identifier: Apache-2.0
//
// The plugin "vsphere": a vCenter or an ESXi host (API 6.5 to 9) as source platform, over the vim25 SOAP API.
// See README.md beside this file for settings, privileges, and what differs between vCenter and ESXi.
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind VsphereKind();

}  // namespace vmferry
