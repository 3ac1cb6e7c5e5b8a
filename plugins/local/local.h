// SPDX-License-Identifier: Apache-2.0
//
// The plugin `local`: role "command", by programs of the machine vmferry runs on (plugins/program.h says how).
// What changes something runs detached in `workDirectory` (plugins/detached.h), where the next process finds it again.
// Threading: any number of threads. Repeating: a check as the program; a run is begun once for each key. Waiting: a check
// until the program ends, or the call's time is up; a run not at all.
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind LocalKind();

}  // namespace vmferry
