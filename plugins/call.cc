// SPDX-License-Identifier: Apache-2.0
#include "plugins/call.h"

namespace vmferry {

std::string CallTable::Key(const CallSpec& spec) { return std::string(spec.role) + "." + std::string(spec.name); }

Result<Reply> CallTable::Invoke(const CallSpec& call, const Json& request, const CallContext& context) {
  const auto entry = table_.find(Key(call));
  if (entry == table_.end())
    return Error{ErrorKind::kInvalid, system(), "", "this plugin does not serve " + Key(call),
                 "name another platform or service for this step in the site file"};
  try {
    return entry->second(request, context);
  } catch (const std::exception& e) {
    return Error{ErrorKind::kInternal, system(), "", Key(call) + ": " + e.what(), "report this as a bug of vmferry"};
  }
}

Error MalformedReply(const Plugin& plugin, const CallSpec& call, const std::string& what) {
  return Error{ErrorKind::kCorrupt, plugin.system(), "",
               std::string(call.role) + "." + std::string(call.name) + " answered in an unknown shape: " + what, ""};
}

}  // namespace vmferry
