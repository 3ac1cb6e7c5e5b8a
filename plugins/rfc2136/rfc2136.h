// SPDX-License-Identifier: Apache-2.0
//
// The plugin `rfc2136`: role "dns", at servers that take dynamic updates (BIND, Knot, PowerDNS, Windows DNS with a
// TSIG key). Queries and updates are signed, answers must be. The first server of the entry is the primary, which
// takes the updates; all of them are read, and where they differ, or cannot be asked, is said. The primary is also asked
// for a name that only a wildcard can answer for, since such an answer is nothing that an update could change.
//
// Threading: any number of threads. Repeating: as the role promises. Waiting: at most 10 s for each message, 3 s for
// servers other than the primary, within the call's time. The key's secret is looked up for each call, so that a new one
// counts at once.
// Source: RFC 2136 (dynamic updates; sections 2.4 prerequisites, 2.5 updates), RFC 8945 (TSIG), RFC 7766 (TCP),
// RFC 4592 (wildcards).
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind Rfc2136Kind();

}  // namespace vmferry
