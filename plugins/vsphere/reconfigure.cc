// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/reconfigure.h"

#include <string>
#include <vector>

#include "plugins/vsphere/task.h"
#include "plugins/vsphere/vm_facts.h"

namespace vmferry::vsphere {
namespace {

// A guarded VirtualMachineConfigSpec in the making. Its members follow the schema's order: version, devices, extras.
class Change {
 public:
  Change(const Moref& vm, const std::string& change_version) : call_("ReconfigVM_Task", vm) {
    spec_ = call_.body().append_child("spec");
    AddText(spec_, "changeVersion", change_version);
  }
  // The device goes back complete, as it was read: what an edit leaves out, some releases reset.
  void StartConnected(pugi::xml_node device, bool start_connected);
  // An empty value removes the key.
  void Extra(const char* key, const std::string& value) {
    pugi::xml_node option = spec_.append_child("extraConfig");
    AddText(option, "key", key);
    AddTyped(option, "value", "xsd:string").text().set(value.c_str());
  }
  Status Make(Session& session, Deadline& deadline) {
    auto task = RunTask(session, call_, deadline);
    if (!task) return task.error();
    return Ok();
  }

 private:
  SoapCall call_;
  pugi::xml_node spec_;
};

void Change::StartConnected(pugi::xml_node device, bool start_connected) {
  pugi::xml_node change = spec_.append_child("deviceChange");
  AddText(change, "operation", "edit");
  pugi::xml_node copy = AddCopy(change, "device", device);
  pugi::xml_node connectable = Child(copy, "connectable");
  if (!connectable) {
    const pugi::xml_node before = Child(copy, "backing") ? Child(copy, "backing") : Child(copy, "key");
    connectable = copy.insert_child_after("connectable", before);
    AddText(connectable, "startConnected", "");
    AddText(connectable, "allowGuestControl", "true");
    AddText(connectable, "connected", "false");
  }
  Child(connectable, "startConnected").text().set(start_connected ? "true" : "false");
}

Error Taken(const Session& session, const VmConfig& config) {
  return session.Failed(Error{ErrorKind::kConflict, "", "VM " + config.ref.value,
                              "it is claimed by '" + config.claim + "' already",
                              "finish or roll back that run first; it may live in another journal"});
}

}  // namespace

Result<ClaimReply> Claim(Session& session, const Moref& vm, const ClaimRequest& request, Deadline& deadline) {
  auto config = ReadConfig(session, vm, deadline);
  if (!config) return config.error();
  if (request.claim.empty())
    return session.Failed(Error{ErrorKind::kInvalid, "", "VM " + vm.value, "an empty claim claims nothing", ""});
  if (config->claim == request.claim) return ClaimReply{config->change_version};
  if (!config->claim.empty()) return Taken(session, *config);
  Change change(vm, request.change_version.empty() ? config->change_version : request.change_version);
  change.Extra(kClaimKey, request.claim);
  if (Status made = change.Make(session, deadline); !made) return made.error();
  config = ReadConfig(session, vm, deadline);
  if (!config) return config.error();
  if (config->claim != request.claim) return Taken(session, *config);
  return ClaimReply{config->change_version};
}

Result<Done> Release(Session& session, const Moref& vm, const ReleaseRequest& request, Deadline& deadline) {
  auto config = ReadConfig(session, vm, deadline);
  if (!config) return config.error();
  if (!config->claim.empty() && config->claim != request.claim) return Taken(session, *config);
  const bool mark = !request.migrated.empty() && config->migrated != request.migrated;
  if (config->claim.empty() && !mark) return Done{};
  Change change(vm, config->change_version);
  if (!config->claim.empty()) change.Extra(kClaimKey, "");
  if (mark) change.Extra(kMigratedKey, request.migrated);
  if (Status made = change.Make(session, deadline); !made) return made.error();
  return Done{};
}

// UnregisterVM is no task: its answer comes when it is done.
Result<Done> Unregister(Session& session, const Moref& vm, const UnregisterRequest& request, Deadline& deadline) {
  auto config = ReadConfig(session, vm, deadline);
  if (!config) return config.error();
  const auto refuse = [&](const std::string& why) {
    return session.Failed(Error{ErrorKind::kConflict, "", "VM " + vm.value, why, "look at it on the platform"});
  };
  if (config->migrated != request.migrated) return refuse("it does not carry the mark `" + request.migrated + "`");
  if (config->power != "off") return refuse("it is " + config->power);
  const auto answer = session.Call(SoapCall("UnregisterVM", vm), Access::kWrite, deadline);
  if (!answer) return answer.error();
  return Done{};
}

Result<Done> SetNicStart(Session& session, const Moref& vm, const SetNicStartRequest& request, Deadline& deadline) {
  auto config = ReadConfig(session, vm, deadline);
  if (!config) return config.error();
  if (Status claimed = CheckClaim(session, *config, request.claim); !claimed) return claimed.error();
  Change change(vm, config->change_version);
  bool differs = config->fence != request.fence;
  for (const NicStart& nic : request.nics) {
    const pugi::xml_node device = DeviceByKey(config->hardware, nic.id);
    if (!Child(device, "macAddress"))
      return session.Failed(Error{ErrorKind::kNotFound, "", "VM " + vm.value, "it has no network card " + nic.id,
                                  "the VM's hardware was changed; look at it"});
    if (FlagAt(device, "connectable.startConnected") == nic.start_connected) continue;
    change.StartConnected(device, nic.start_connected);
    differs = true;
  }
  if (!differs) return Done{};
  if (config->fence != request.fence) change.Extra(kFenceKey, request.fence);
  if (Status made = change.Make(session, deadline); !made) return made.error();
  return Done{};
}

}  // namespace vmferry::vsphere
