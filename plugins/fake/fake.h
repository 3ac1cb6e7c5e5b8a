// SPDX-License-Identifier: Apache-2.0
//
// The plugin `fake`: all roles on an in-memory world (world.h), for tests and for trying vmferry without any
// platform. It behaves as the real systems do where it matters: claims and stale change versions conflict, an open
// export blocks power-on, shutdown requests may be ignored, pools run full, sealed copies are kept, and a machine
// answers only when it booted from disks that were really copied.
// Threading: any thread. Repeating: as the roles promise. Waiting: nothing waits but a disk reader with a rate.
#pragma once

#include <memory>
#include <string>

#include "plugins/fake/world.h"
#include "plugins/registry.h"

namespace vmferry {

PluginKind FakeKind();

// On a world shared with the caller. `name` is the site's name of the entry.
std::shared_ptr<Plugin> MakeFake(const std::string& name, std::shared_ptr<World> world);

}  // namespace vmferry
