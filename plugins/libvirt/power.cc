// SPDX-License-Identifier: Apache-2.0
//
// The power calls of domains.h.
#include <libvirt/virterror.h>

#include "plugins/libvirt/domains.h"

namespace vmferry::libvirt {
namespace {

bool IsOff(const std::string& state) {
  return state == "off" || state == "crashed";
}

Result<DomainReply> Answer(const Session& session, virDomainPtr domain, bool wants_running) {
  Result<std::string> state = DomainState(session, domain);
  if (!state) return state.error();
  return DomainReply{wants_running ? *state == "running" : IsOff(*state), *state};
}

// The goal was reached while we asked for it: a guest may end by itself at any moment.
bool IsNotRunning(const Failure& failure) {
  return failure.code == VIR_ERR_OPERATION_INVALID;
}

}  // namespace

Result<DomainReply> EnsureRunning(const Session& session, const DomainRequest& request) {
  const std::string object = DomainObject(request.domain);
  Result<DomainHandle> handle = FindOwnDomain(session, request);
  if (!handle) return handle.error();
  if (!*handle) return session.Refuse(ErrorKind::kNotFound, object, "does not exist, so it cannot be started");
  Result<std::string> state = DomainState(session, handle->get());
  if (!state) return state.error();
  if (IsOff(*state) && virDomainCreate(handle->get()) < 0)
    return session.Fail(object, "cannot be started", "the target host's log of this domain may say more");
  if (*state == "paused" && virDomainResume(handle->get()) < 0) return session.Fail(object, "cannot be resumed");
  return Answer(session, handle->get(), true);
}

Result<DomainReply> RequestStop(const Session& session, const DomainRequest& request) {
  Result<DomainHandle> handle = FindOwnDomain(session, request);
  if (!handle) return handle.error();
  if (!*handle) return DomainReply{true, "absent"};
  Result<std::string> state = DomainState(session, handle->get());
  if (!state) return state.error();
  if (IsOff(*state)) return DomainReply{true, *state};
  // Default flags: the ACPI power button, or the hypervisor's equivalent.
  if (virDomainShutdown(handle->get()) < 0) {
    const Failure failure = LastFailure();
    if (!IsNotRunning(failure)) return session.Fail(failure, DomainObject(request.domain), "cannot be asked to stop");
  }
  return Answer(session, handle->get(), false);
}

Result<DomainReply> EnsureStopped(const Session& session, const DomainRequest& request) {
  Result<DomainHandle> handle = FindOwnDomain(session, request);
  if (!handle) return handle.error();
  if (!*handle) return DomainReply{true, "absent"};
  Result<std::string> state = DomainState(session, handle->get());
  if (!state) return state.error();
  if (IsOff(*state)) return DomainReply{true, *state};
  if (virDomainDestroy(handle->get()) < 0) {
    const Failure failure = LastFailure();
    if (!IsNotRunning(failure)) return session.Fail(failure, DomainObject(request.domain), "cannot be stopped");
  }
  return Answer(session, handle->get(), false);
}

}  // namespace vmferry::libvirt
