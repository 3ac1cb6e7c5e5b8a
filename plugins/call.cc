// SPDX-License-Identifier: Apache-2.0
#include "plugins/call.h"

namespace vmferry {

std::string CallTable::Key(const CallSpec& spec) {
  return std::string(spec.role) + "." + std::string(spec.name);
}

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

Result<CallContext> WithinBudget(const CallContext& context, const std::string& system) {
  CallContext bounded = context;
  const auto now = std::chrono::steady_clock::now();
  if (context.until - now >= context.timeout) return bounded;
  bounded.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(context.until - now);
  if (bounded.timeout.count() > 0) return bounded;
  return Error{ErrorKind::kUnavailable, system, "", "not asked: earlier calls of this attempt took all its time",
               "see why the systems answer slowly"};
}

Error MalformedReply(const Plugin& plugin, const CallSpec& call, const std::string& what) {
  return Error{ErrorKind::kCorrupt, plugin.system(), "",
               std::string(call.role) + "." + std::string(call.name) + " answered in an unknown shape: " + what, ""};
}

}  // namespace vmferry
