// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/snapshots.h"

#include <algorithm>

#include "plugins/vsphere/faults.h"
#include "plugins/vsphere/property_collector.h"
#include "plugins/vsphere/task.h"

namespace vmferry::vsphere {
namespace {

void Collect(pugi::xml_node parent, std::string_view list, std::vector<Snapshot>* found) {
  for (const pugi::xml_node node : Children(parent, list)) {
    found->push_back({RefIn(Child(node, "snapshot")), TextAt(node, "name"), TextAt(node, "description"),
                      TextAt(node, "createTime")});
    Collect(node, "childSnapshotList", found);
  }
}

}  // namespace

std::vector<Snapshot> SnapshotsIn(pugi::xml_node snapshot_info) {
  std::vector<Snapshot> found;
  Collect(snapshot_info, "rootSnapshotList", &found);
  // The server's times all have one form, so text order is time order.
  std::stable_sort(found.begin(), found.end(),
                   [](const Snapshot& a, const Snapshot& b) { return a.created < b.created; });
  return found;
}

Result<Moref> FindSnapshot(Session& session, const Moref& vm, const std::string& key, Deadline& deadline) {
  if (key.empty())
    return session.Failed(Error{ErrorKind::kInvalid, "", "", "a snapshot needs a key to be found again by", ""});
  auto properties = Read(session, vm, {"snapshot"}, deadline);
  if (!properties) return properties.error();
  for (const Snapshot& snapshot : SnapshotsIn(properties->Find("snapshot")))
    if (snapshot.description.find(key) != std::string::npos) return snapshot.ref;
  return Moref{};
}

Result<SnapshotReply> EnsureSnapshot(Session& session, const Moref& vm, const SnapshotRequest& request,
                                     Deadline& deadline) {
  auto existing = FindSnapshot(session, vm, request.key, deadline);
  if (!existing) return existing.error();
  if (*existing) return SnapshotReply{existing->value};
  SoapCall call("CreateSnapshot_Task", vm);
  call.Text("name", request.name).Text("description", request.key).Text("memory", "false").Text("quiesce", "false");
  auto task = RunTask(session, call, deadline);
  if (!task) return task.error();
  return SnapshotReply{task->result.value};
}

Result<Done> EnsureNoSnapshot(Session& session, const Moref& vm, const SnapshotRequest& request, Deadline& deadline) {
  auto existing = FindSnapshot(session, vm, request.key, deadline);
  if (!existing) return existing.error();
  if (!*existing) return Done{};
  SoapCall call("RemoveSnapshot_Task", *existing);
  call.Text("removeChildren", "false").Text("consolidate", "true");
  const auto id = StartTask(session, call, deadline);
  if (!id) return id.error();
  // Merging a large snapshot outlasts any call and must not be cancelled: the repeated call finds the rest done.
  auto task = WaitForTask(session, *id, deadline);
  if (!task) return task.error();
  if (task->fault) return session.Failed(FaultError(*task->fault, call.method()));
  if (!task->finished)
    return session.Failed(Error{ErrorKind::kUnknownOutcome, "", "task " + *id,
                                "the snapshot is still being removed (" + std::to_string(task->progress) + " %)",
                                "look again later"});
  return Done{};
}

}  // namespace vmferry::vsphere
