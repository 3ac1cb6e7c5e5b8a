// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/faults.h"

#include <array>
#include <string_view>

namespace vmferry::vsphere {
namespace {

struct Rule {
  std::string_view type;
  ErrorKind kind;
  std::string_view advice;
};

constexpr std::array kRules{
    Rule{"InvalidLogin", ErrorKind::kDenied, "check `user` and `password` of this platform in the site file"},
    Rule{"PasswordExpired", ErrorKind::kDenied, "renew the user's password on the platform"},
    Rule{"NotAuthenticated", ErrorKind::kDenied,
         "the session was refused twice; check the user's state on the platform"},
    Rule{"NoPermission", ErrorKind::kDenied, "grant the privilege to the user on this object or a parent of it"},
    Rule{"RestrictedVersion", ErrorKind::kDenied,
         "this host's licence does not allow changes through the API; go through its vCenter or license it"},
    Rule{"ConcurrentAccess", ErrorKind::kConflict, "somebody changed the VM at the same time; look and try again"},
    Rule{"DuplicateName", ErrorKind::kConflict, ""},
    Rule{"AlreadyExists", ErrorKind::kConflict, ""},
    Rule{"RequestCanceled", ErrorKind::kConflict, "somebody cancelled the platform's task; ask who and why"},
    Rule{"ManagedObjectNotFound", ErrorKind::kNotFound, ""},
    Rule{"NotFound", ErrorKind::kNotFound, ""},
    Rule{"FileNotFound", ErrorKind::kNotFound, ""},
    Rule{"TaskInProgress", ErrorKind::kUnavailable, "another task works on the object; it is tried again later"},
    Rule{"FileLocked", ErrorKind::kUnavailable, "a file is in use; it is tried again later"},
    Rule{"ResourceInUse", ErrorKind::kUnavailable, ""},
    Rule{"VmConfigFileLocked", ErrorKind::kUnavailable, ""},
    Rule{"Timedout", ErrorKind::kUnavailable, ""},
    Rule{"HostCommunication", ErrorKind::kUnavailable, "check the ESXi host's connection to its vCenter"},
    Rule{"HostNotConnected", ErrorKind::kUnavailable, "check the ESXi host's connection to its vCenter"},
    Rule{"HostNotReachable", ErrorKind::kUnavailable, "check the ESXi host's connection to its vCenter"},
    Rule{"SystemError", ErrorKind::kUnavailable, "look into the platform's own log"},
    Rule{"OutOfBounds", ErrorKind::kInvalid, ""},
    Rule{"ToolsUnavailable", ErrorKind::kInvalid,
         "VMware Tools do not run in the guest: start them, shut the guest down by hand, or allow force"},
    Rule{"InvalidPowerState", ErrorKind::kInvalid, ""},
    Rule{"InvalidState", ErrorKind::kInvalid, ""},
};

const Rule* RuleFor(std::string_view type) {
  for (const Rule& rule : kRules)
    if (rule.type == type) return &rule;
  return nullptr;
}

}  // namespace

ErrorKind KindOf(const SoapFault& fault) {
  const Rule* rule = RuleFor(fault.type);
  return rule == nullptr ? ErrorKind::kInvalid : rule->kind;
}

Error FaultError(const SoapFault& fault, const std::string& doing) {
  Error error;
  error.kind = KindOf(fault);
  error.message = doing + " was refused: " + (fault.message.empty() ? "no reason given" : fault.message);
  if (!fault.about.empty() && fault.message.find(fault.about) == std::string::npos)
    error.message += " [" + fault.about + "]";
  if (!fault.privilege.empty()) error.message += " [missing privilege " + fault.privilege + "]";
  if (!fault.type.empty()) error.message += " (" + fault.type + ")";
  if (const Rule* rule = RuleFor(fault.type)) error.advice = rule->advice;
  return error;
}

}  // namespace vmferry::vsphere
