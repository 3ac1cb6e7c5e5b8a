// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/errors.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <cerrno>
#include <initializer_list>
#include <mutex>
#include <string_view>

namespace vmferry::libvirt {
namespace {

bool Says(const Failure& failure, std::initializer_list<std::string_view> texts) {
  for (const std::string_view text : texts)
    if (failure.message.find(text) != std::string::npos) return true;
  return false;
}

ErrorKind KindOfErrno(int number) {
  switch (number) {
    case EACCES:
    case EPERM:
      return ErrorKind::kDenied;
    case ENOENT:
      return ErrorKind::kNotFound;
    case EEXIST:
      return ErrorKind::kConflict;
    case EAGAIN:
    case EBUSY:
    case EINTR:
      return ErrorKind::kUnavailable;
    default:
      return ErrorKind::kInvalid;
  }
}

bool IsRefusal(int code) {
  return code == VIR_ERR_AUTH_FAILED || code == VIR_ERR_AUTH_CANCELLED || code == VIR_ERR_AUTH_UNAVAILABLE ||
         code == VIR_ERR_ACCESS_DENIED || code == VIR_ERR_OPERATION_DENIED;
}

// The daemon answered that it did not do what was asked.
ErrorKind KindOfAnswer(const Failure& failure) {
  if (IsRefusal(failure.code)) return ErrorKind::kDenied;
  // Volumes under construction and pools with uploads at work are free again by themselves.
  if (Says(failure, {"asynchronous jobs running", "still being allocated", "in use by another"}))
    return ErrorKind::kUnavailable;
  switch (failure.code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_DOMAIN_METADATA:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_STORAGE_VOL:
    case VIR_ERR_NO_NETWORK:
    case VIR_ERR_NO_NWFILTER:
    case VIR_ERR_NO_INTERFACE:
    case VIR_ERR_NO_NODE_DEVICE:
      return ErrorKind::kNotFound;
    case VIR_ERR_DOM_EXIST:
    case VIR_ERR_STORAGE_VOL_EXIST:
    case VIR_ERR_OPERATION_INVALID:
      return ErrorKind::kConflict;
    case VIR_ERR_RESOURCE_BUSY:
    case VIR_ERR_OPERATION_TIMEOUT:
      return ErrorKind::kUnavailable;
    case VIR_ERR_SYSTEM_ERROR:
      return IsNoSpace(failure) ? ErrorKind::kInvalid : KindOfErrno(failure.system_errno);
    case VIR_ERR_OPERATION_FAILED:
      return Says(failure, {"already exists"}) ? ErrorKind::kConflict : ErrorKind::kInvalid;
    // Refused for a reason only its text tells; trying again would only delay the answer.
    default:
      return ErrorKind::kInvalid;
  }
}

}  // namespace

Failure LastFailure() {
  Failure failure;
  if (const virError* error = virGetLastError(); error != nullptr && error->code != VIR_ERR_OK) {
    failure.code = error->code;
    failure.domain = error->domain;
    if (error->code == VIR_ERR_SYSTEM_ERROR) failure.system_errno = error->int1;
    if (error->message != nullptr) failure.message = error->message;
  }
  if (failure.message.empty()) failure.message = "libvirt gave no reason";
  virResetLastError();
  return failure;
}

bool IsTransport(const Failure& failure) {
  return failure.domain == VIR_FROM_RPC && !IsRefusal(failure.code) && !Says(failure, {"Unable to encode"});
}

bool IsNoSpace(const Failure& failure) {
  return failure.system_errno == ENOSPC || failure.system_errno == EDQUOT ||
         Says(failure, {"No space left on device", "Disk quota exceeded"});
}

ErrorKind KindOfCall(const Failure& failure, Access access, bool lost) {
  if (!lost && !IsTransport(failure)) return KindOfAnswer(failure);
  return access == Access::kWrite ? ErrorKind::kUnknownOutcome : ErrorKind::kUnavailable;
}

ErrorKind KindOfConnect(const Failure& failure) {
  if (IsRefusal(failure.code) || failure.system_errno == EACCES || failure.system_errno == EPERM)
    return ErrorKind::kDenied;
  // What ssh and GnuTLS say arrives as the text of a transport error.
  if (Says(failure, {"Permission denied", "Host key verification failed", "certificate", "authentication failed"}))
    return ErrorKind::kDenied;
  if (failure.code == VIR_ERR_NO_CONNECT || failure.code == VIR_ERR_INVALID_ARG || failure.code == VIR_ERR_NO_SUPPORT ||
      failure.code == VIR_ERR_CONFIG_UNSUPPORTED)
    return ErrorKind::kInvalid;
  return ErrorKind::kUnavailable;
}

void SilenceStderr() {
  static std::once_flag once;
  std::call_once(once, [] { virSetErrorFunc(nullptr, [](void*, virErrorPtr) {}); });
}

}  // namespace vmferry::libvirt
