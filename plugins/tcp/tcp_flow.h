// SPDX-License-Identifier: Apache-2.0
//
// The plugin `tcp`: role "flow", by TCP connections from the machine vmferry runs on, closed as soon as they stand.
// Threading: any number of threads. Repeating: a try changes nothing here. Waiting: FlowRequest::timeout_ms at most.
// Source: connect(2) for what the errors mean; RFC 1812, 5.2.7.1 for the ICMP answers of a rejecting router.
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind TcpKind();

}  // namespace vmferry
