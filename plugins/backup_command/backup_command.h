// SPDX-License-Identifier: Apache-2.0
//
// The plugin `backup_command`: role "backup", by a program of the site, for products that no other plugin knows.
// README.md in this folder is the contract between the two, for those who write such a program.
// Threading: any number of threads. Repeating: as the program. Waiting: until it ends, or the call's time is up.
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind BackupCommandKind();

}  // namespace vmferry
