// SPDX-License-Identifier: Apache-2.0
//
// The plugin `http`: role "probe". One GET, without following redirects, over a connection of its own, so that the
// latency is what a new visitor sees: name resolution, connection and TLS included. A TCP probe connects, and no more.
//
// Threading: any number of threads. Repeating: a probe changes nothing here.
// Failure: an application that does not answer, or answers something else, is a reply with `healthy` false and why.
// An Error is only a request that could not be made: kInvalid (address, CA file, thumbprint, Host header), kDenied
// (the certificate was refused: whoever answers there is not the one asked for), kUnavailable (a stop was asked for).
// Source: RFC 9110 (GET, status codes).
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind HttpKind();

}  // namespace vmferry
