// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/bounded.h"

namespace vmferry::libvirt {

Error GivenUp(const std::string& system, const CallSpec& call, const CallContext& context) {
  const bool write = call.access == Access::kWrite;
  const std::string why = context.stop.stop_requested()
                              ? "stopped on request"
                              : "no answer within " + std::to_string(context.timeout.count()) + " ms";
  return Error{write ? ErrorKind::kUnknownOutcome : ErrorKind::kTimedOut, system, "",
               std::string(call.name) + ": " + why, write ? "the call may still take effect; observe first" : ""};
}

Error Threw(const std::string& system, const CallSpec& call, const char* what) {
  return Error{ErrorKind::kInternal, system, "", std::string(call.name) + ": " + what,
               "report this as a bug of vmferry"};
}

}  // namespace vmferry::libvirt
