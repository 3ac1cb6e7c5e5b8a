// SPDX-License-Identifier: Apache-2.0
//
// The fake as a source platform: configuration, claims and power. Modelled on vSphere: changeVersion guards a
// reconfiguration, a shutdown request needs running guest tools, an open NFC lease blocks power-on.
#include <algorithm>

#include "plugins/fake/fake_plugin.h"
#include "plugins/source_privileges.h"
#include "plugins/source_retire.h"

namespace vmferry {
namespace {

std::string ObjectOf(const FakeVm& vm) {
  return "VM " + vm.facts.path;
}

void PowerOff(const Scene& scene, FakeVm& vm) {
  vm.facts.power = "off";
  vm.shutdown_left = -1;
  for (NicFacts& nic : vm.facts.nics) nic.connected = false;
  Record(scene.world, scene.call, "source-off", vm.facts.path);
}

void PowerOn(const Scene& scene, FakeVm& vm) {
  vm.facts.power = "on";
  for (NicFacts& nic : vm.facts.nics) nic.connected = nic.start_connected;
  Record(scene.world, scene.call, "source-on", vm.facts.path, {{"on_network", OnNetwork(vm)}});
}

Status CheckClaim(const Scene& scene, const FakeVm& vm, const std::string& claim) {
  if (vm.facts.claim == claim) return Ok();
  return Fail(scene, ErrorKind::kConflict, ObjectOf(vm),
              vm.facts.claim.empty() ? "is not claimed" : "is claimed by " + vm.facts.claim,
              "find out which run owns this VM");
}

VmFacts FactsOf(const FakeVm& vm) {
  VmFacts facts = vm.facts;
  facts.change_version = std::to_string(vm.version);
  if (facts.power != "on" && facts.tools == "running") facts.tools = "not running";
  for (const FakeDisk& disk : vm.disks) facts.disks.push_back(disk.facts);
  for (const FakeSnapshot& snapshot : vm.snapshots) facts.snapshots.push_back(snapshot.name);
  return facts;
}

Result<PlatformFacts> DescribePlatform(Scene&, const PlatformQuery&) {
  return PlatformFacts{"fake vCenter", "8.0.0.0", "fake-user"};
}

Result<VmFacts> DescribeVm(Scene& scene, const VmQuery& query) {
  Result<FakeVm*> vm = ResolveVm(scene, query.vm);
  if (!vm) return vm.error();
  return FactsOf(**vm);
}

Result<PrivilegeFacts> DescribePrivileges(Scene& scene, const VmQuery& query) {
  Result<FakeVm*> vm = ResolveVm(scene, query.vm);
  if (!vm) return vm.error();
  return PrivilegeFacts{(*vm)->lacking, ""};
}

Result<ClaimReply> ClaimVm(Scene& scene, const ClaimRequest& request) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  if (request.claim.empty()) return Fail(scene, ErrorKind::kInvalid, ObjectOf(vm), "the claim is empty");
  if (vm.facts.claim == request.claim) return ClaimReply{std::to_string(vm.version)};
  if (!vm.facts.claim.empty())
    return Fail(scene, ErrorKind::kConflict, ObjectOf(vm), "is claimed by " + vm.facts.claim,
                "end that run before starting another");
  if (request.change_version != std::to_string(vm.version))
    return Fail(
        scene, ErrorKind::kConflict, ObjectOf(vm),
        "its configuration changed: version " + std::to_string(vm.version) + ", read was " + request.change_version,
        "read it again");
  vm.facts.claim = request.claim;
  ++vm.version;
  Record(scene.world, scene.call, "claimed", vm.facts.path, {{"claim", request.claim}});
  return ClaimReply{std::to_string(vm.version)};
}

Result<Done> ReleaseVm(Scene& scene, const ReleaseRequest& request) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  if (!vm.facts.claim.empty() && vm.facts.claim != request.claim)
    return Fail(scene, ErrorKind::kConflict, ObjectOf(vm), "is claimed by " + vm.facts.claim,
                "leave it to the run that owns it");
  const bool writes_migrated = !request.migrated.empty() && vm.facts.migrated != request.migrated;
  if (vm.facts.claim.empty() && !writes_migrated) return Done{};
  vm.facts.claim.clear();
  if (writes_migrated) vm.facts.migrated = request.migrated;
  ++vm.version;
  Record(scene.world, scene.call, "released", vm.facts.path, {{"claim", request.claim}});
  return Done{};
}

Result<Done> UnregisterVm(Scene& scene, const UnregisterRequest& request) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  if (vm.facts.migrated != request.migrated)
    return Fail(scene, ErrorKind::kConflict, ObjectOf(vm), "does not carry the mark `" + request.migrated + "`",
                "somebody changed it; look at it");
  if (vm.facts.power != "off")
    return Fail(scene, ErrorKind::kConflict, ObjectOf(vm), "is " + vm.facts.power, "see why it runs");
  const std::string path = vm.facts.path;
  std::erase_if(scene.world.vms, [&path](const FakeVm& one) { return one.facts.path == path; });
  Record(scene.world, scene.call, "unregistered", path);
  return Done{};
}

Result<PowerReply> RequestShutdown(Scene& scene, const PowerRequest& request) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  if (!request.claim.empty())
    if (const Status claimed = CheckClaim(scene, vm, request.claim); !claimed) return claimed.error();
  if (vm.facts.power == "off") return PowerReply{true, "off", ""};
  if (vm.facts.power != "on")
    return Fail(scene, ErrorKind::kInvalid, ObjectOf(vm), "cannot shut down a guest that is " + vm.facts.power);
  if (vm.facts.tools != "running")
    return Fail(scene, ErrorKind::kInvalid, ObjectOf(vm), "guest tools are " + vm.facts.tools,
                "start the guest tools, or let the step power the VM off");
  if (vm.shutdown_left < 0) {
    vm.shutdown_left = vm.shutdown_polls;
    Record(scene.world, scene.call, "shutdown-asked", vm.facts.path);
    if (vm.shutdown_left == 0 && !vm.deaf) PowerOff(scene, vm);
  }
  return PowerReply{vm.facts.power == "off", vm.facts.power, ""};
}

// Starts the task that brings the VM to `goal`, or finds the one under way.
FakeTask& TaskFor(const Scene& scene, const FakeVm& vm, const std::string& goal) {
  auto& tasks = scene.world.tasks;
  std::erase_if(tasks, [&](const FakeTask& task) { return task.vm == vm.facts.path && task.goal != goal; });
  for (FakeTask& task : tasks)
    if (task.vm == vm.facts.path) return task;
  Touch(scene.world);
  tasks.push_back({"task-" + std::to_string(scene.world.revision), vm.facts.path, goal, vm.power_polls});
  return tasks.back();
}

Result<PowerReply> EnsurePower(Scene& scene, const PowerRequest& request, const std::string& goal) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  if (!request.claim.empty())
    if (const Status claimed = CheckClaim(scene, vm, request.claim); !claimed) return claimed.error();
  if (vm.facts.power == goal) return PowerReply{true, goal, ""};
  if (goal == "on" && LeaseStillOpen(scene, vm))
    return Fail(scene, ErrorKind::kUnavailable, ObjectOf(vm), "an open export blocks power-on",
                "close the export or wait until it expires");
  FakeTask& task = TaskFor(scene, vm, goal);
  if (!request.task.empty()) {
    --task.left;
    Touch(scene.world);
  }
  if (task.left > 0) return PowerReply{false, vm.facts.power, task.id};
  std::erase_if(scene.world.tasks, [&](const FakeTask& entry) { return entry.vm == vm.facts.path; });
  if (goal == "on")
    PowerOn(scene, vm);
  else
    PowerOff(scene, vm);
  return PowerReply{true, goal, ""};
}

Result<PowerReply> EnsurePoweredOff(Scene& scene, const PowerRequest& request) {
  return EnsurePower(scene, request, "off");
}

Result<PowerReply> EnsurePoweredOn(Scene& scene, const PowerRequest& request) {
  return EnsurePower(scene, request, "on");
}

Result<Done> SetNicStart(Scene& scene, const SetNicStartRequest& request) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  if (const Status claimed = CheckClaim(scene, vm, request.claim); !claimed) return claimed.error();
  std::vector<NicFacts> nics = vm.facts.nics;
  bool changes = vm.facts.fence != request.fence;
  for (const NicStart& start : request.nics) {
    const auto nic =
        std::find_if(nics.begin(), nics.end(), [&](const NicFacts& facts) { return facts.id == start.id; });
    if (nic == nics.end()) return Fail(scene, ErrorKind::kNotFound, ObjectOf(vm), "has no network adapter " + start.id);
    changes = changes || nic->start_connected != start.start_connected;
    nic->start_connected = start.start_connected;
  }
  if (!changes) return Done{};
  vm.facts.nics = nics;
  vm.facts.fence = request.fence;
  ++vm.version;
  Record(scene.world, scene.call, "fence", vm.facts.path, {{"fence", request.fence}, {"nics", nics}});
  return Done{};
}

Result<SnapshotReply> EnsureSnapshot(Scene& scene, const SnapshotRequest& request) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  for (const FakeSnapshot& snapshot : vm.snapshots)
    if (snapshot.key == request.key) return SnapshotReply{snapshot.id};
  Record(scene.world, scene.call, "snapshot", vm.facts.path, {{"name", request.name}, {"key", request.key}});
  vm.snapshots.push_back({"snapshot-" + std::to_string(scene.world.revision), request.name, request.key, vm.disks});
  return SnapshotReply{vm.snapshots.back().id};
}

Result<Done> EnsureNoSnapshot(Scene& scene, const SnapshotRequest& request) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  if (std::erase_if(vm.snapshots, [&](const FakeSnapshot& snapshot) { return snapshot.key == request.key; }) > 0)
    Record(scene.world, scene.call, "no-snapshot", vm.facts.path, {{"key", request.key}});
  return Done{};
}

}  // namespace

Result<FakeVm*> ResolveVm(const Scene& scene, const std::string& name) {
  std::vector<FakeVm*> found;
  std::string paths;
  for (FakeVm& vm : scene.world.vms) {
    if (vm.facts.path != name && vm.facts.name != name) continue;
    found.push_back(&vm);
    paths += (paths.empty() ? "" : ", ") + vm.facts.path;
  }
  if (found.empty())
    return Fail(scene, ErrorKind::kNotFound, "VM " + name, "there is no such VM",
                "give the full inventory path as the platform shows it");
  if (found.size() > 1)
    return Fail(scene, ErrorKind::kConflict, "VM " + name, "the name is not unique: " + paths,
                "give the full inventory path of the one that is meant");
  FakeVm& vm = *found.front();
  if (vm.shutdown_left > 0 && !vm.deaf) {
    Touch(scene.world);
    if (--vm.shutdown_left == 0) PowerOff(scene, vm);
  }
  return &vm;
}

bool LeaseStillOpen(const Scene& scene, FakeVm& vm) {
  FakeLease* lease = LeaseOf(scene.world, vm);
  if (lease == nullptr) return false;
  Touch(scene.world);
  if (--lease->patience > 0) return true;
  std::erase_if(scene.world.leases, [&](const FakeLease& entry) { return entry.vm == vm.facts.path; });
  Record(scene.world, scene.call, "export-closed", vm.facts.path, {{"why", "expired"}});
  return false;
}

void FakePlugin::ServeSource() {
  On(source::kDescribePlatform, DescribePlatform);
  On(source::kDescribeVm, DescribeVm);
  On(source::kDescribePrivileges, DescribePrivileges);
  On(source::kClaimVm, ClaimVm);
  On(source::kReleaseVm, ReleaseVm);
  On(source::kUnregisterVm, UnregisterVm);
  On(source::kRequestShutdown, RequestShutdown);
  On(source::kEnsurePoweredOff, EnsurePoweredOff);
  On(source::kEnsurePoweredOn, EnsurePoweredOn);
  On(source::kSetNicStart, SetNicStart);
  On(source::kEnsureSnapshot, EnsureSnapshot);
  On(source::kEnsureNoSnapshot, EnsureNoSnapshot);
}

}  // namespace vmferry
