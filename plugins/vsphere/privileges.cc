// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/privileges.h"

#include <algorithm>
#include <array>

#include "plugins/vsphere/faults.h"

namespace vmferry::vsphere {
namespace {

constexpr std::array<const char*, 4> kNeeded{"VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Config.EditDevice",
                                             "VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.PowerOn"};

bool IsGranted(const std::vector<pugi::xml_node>& entries, const std::string& privilege) {
  return std::any_of(entries.begin(), entries.end(), [&privilege](pugi::xml_node entry) {
    return TextAt(entry, "privId") == privilege && FlagAt(entry, "isGranted");
  });
}

}  // namespace

Result<PrivilegeFacts> DescribePrivileges(Session& session, const Moref& vm, const VmQuery&, Deadline& deadline) {
  const auto content = session.Content(deadline);
  if (!content) return content.error();
  if (!content->is_vcenter || !content->authorization_manager)
    return PrivilegeFacts{{}, content->product + " does not tell privileges"};
  SoapCall call("HasPrivilegeOnEntities", content->authorization_manager);
  call.Ref("entity", vm).Text("sessionId", content->session_key);
  for (const char* privilege : kNeeded) call.Text("privId", privilege);
  const auto answer = session.Try(call, Access::kRead, deadline);
  if (!answer) return answer.error();
  // One who may not ask may still be allowed to act.
  if (answer->fault && answer->fault->type.starts_with("NoPermission"))
    return PrivilegeFacts{{}, "the user may not ask for privileges (" + answer->fault->type + ")"};
  if (answer->fault) return session.Failed(FaultError(*answer->fault, call.method()));
  const auto entries = Children(answer->returnval(), "privAvailability");
  if (entries.empty()) return PrivilegeFacts{{}, content->product + " told nothing of privileges"};
  PrivilegeFacts facts;
  for (const char* privilege : kNeeded)
    if (!IsGranted(entries, privilege)) facts.missing.emplace_back(privilege);
  return facts;
}

}  // namespace vmferry::vsphere
