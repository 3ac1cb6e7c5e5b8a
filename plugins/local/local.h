// SPDX-License-Identifier: Apache-2.0
//
// The plugin `local`: role "command", by programs of the machine vmferry runs on (plugins/program.h says how).
// Threading: any number of threads. Repeating: as the program. Waiting: until it ends, or the call's time is up.
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind LocalKind();

}  // namespace vmferry
