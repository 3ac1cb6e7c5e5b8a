// SPDX-License-Identifier: Apache-2.0
//
// From libvirt's errors to ours. libvirt keeps the last error per thread (virGetLastError); LastFailure takes it away
// and must be called on the thread of the failed call, before any other libvirt call.
//
// Codes and domains: https://libvirt.org/html/libvirt-virterror.html. libvirt has no code for some conditions we must
// tell apart ("pool has asynchronous jobs running"), so a few of its untranslated texts are recognised; a daemon that
// speaks another language costs precision of the kind, never of the text.
#pragma once

#include <string>

#include "plugins/call.h"
#include "state/result.h"

namespace vmferry::libvirt {

struct Failure {
  int code = 0;          // virErrorNumber
  int domain = 0;        // virErrorDomain
  int system_errno = 0;  // of VIR_ERR_SYSTEM_ERROR; 0 otherwise
  std::string message;
};

Failure LastFailure();

// What kind of failure a call's `failure` is. `lost`: the connection is dead, so a write may have happened.
ErrorKind KindOfCall(const Failure& failure, Access access, bool lost);
// The same for opening a connection: nothing was done, so never kUnknownOutcome.
ErrorKind KindOfConnect(const Failure& failure);
// The transport failed, and not what the daemon did.
bool IsTransport(const Failure& failure);
// The storage is full (or the quota used up).
bool IsNoSpace(const Failure& failure);

// libvirt prints every error to stderr unless told not to. Process-wide, once.
void SilenceStderr();

}  // namespace vmferry::libvirt
