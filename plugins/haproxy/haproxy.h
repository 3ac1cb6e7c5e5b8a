// SPDX-License-Identifier: Apache-2.0
//
// The plugin `haproxy`: role "load balancer" over the runtime API of one or several HAProxy instances.
//
// A change looks at every instance first, so that an unreachable one, a wrong name or a socket without level admin
// fails before anything was changed; then it sets, reads again, and makes it survive a reload (`persist`).
// Threading: any number of threads. Repeating: a change sets the same goal again, and persists it again.
// Failure: see plugins/haproxy/runtime_socket.h; a change that reached some instances and not others is
// kUnknownOutcome and names both; one that was set everywhere but not persisted is kInvalid.
// Source: HAProxy management guide, section 9.3.
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind HaproxyKind();

}  // namespace vmferry
