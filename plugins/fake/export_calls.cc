// SPDX-License-Identifier: Apache-2.0
//
// The fake as a source platform: exports and their disks.
#include <algorithm>

#include "plugins/fake/disk_reader.h"
#include "plugins/fake/fake_plugin.h"

namespace vmferry {
namespace {

Status CheckMethod(const Scene& scene, const FakeVm& vm, const std::string& method) {
  if (method == "nfc" || method == "folder") return Ok();
  return Fail(scene, ErrorKind::kInvalid, "VM " + vm.facts.path, "unknown export method \"" + method + "\"",
              "use nfc or folder");
}

Status CheckOff(const Scene& scene, const FakeVm& vm) {
  if (vm.facts.power == "off") return Ok();
  return Fail(scene, ErrorKind::kInvalid, "VM " + vm.facts.path,
              "its disks cannot be exported while it is " + vm.facts.power, "power it off first");
}

Result<ExportReply> OpenExport(Scene& scene, const OpenExportRequest& request) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  if (const Status known = CheckMethod(scene, vm, request.method); !known) return known.error();
  if (const Status off = CheckOff(scene, vm); !off) return off.error();
  if (request.method == "folder") return ExportReply{};
  if (LeaseStillOpen(scene, vm))
    return Fail(scene, ErrorKind::kUnavailable, "VM " + vm.facts.path, "another export of it is open",
                "close it or wait until it expires");
  const std::string id = "lease-" + std::to_string(scene.world.revision + 1);
  Record(scene.world, scene.call, "export-open", vm.facts.path, {{"handle", id}});
  scene.world.leases.push_back({id, vm.facts.path, FakeLease{}.patience});
  return ExportReply{id};
}

Result<Done> KeepExport(Scene& scene, const KeepExportRequest& request) {
  if (request.handle.empty()) return Done{};
  FakeLease* lease = FindLease(scene.world, request.handle);
  if (lease == nullptr)
    return Fail(scene, ErrorKind::kNotFound, "export " + request.handle, "is not open any more", "open another");
  if (lease->patience != FakeLease{}.patience) Touch(scene.world);
  lease->patience = FakeLease{}.patience;
  return Done{};
}

Result<Done> CloseExport(Scene& scene, const CloseExportRequest& request) {
  const FakeLease* lease = FindLease(scene.world, request.handle);
  if (lease == nullptr) return Done{};
  Record(scene.world, scene.call, "export-closed", lease->vm, {{"why", request.completed ? "completed" : "aborted"}});
  std::erase_if(scene.world.leases, [&](const FakeLease& entry) { return entry.id == request.handle; });
  return Done{};
}

Status CheckSnapshot(const Scene& scene, FakeVm& vm, const OpenDiskRequest& request) {
  if (request.method != "folder")
    return Fail(scene, ErrorKind::kInvalid, "VM " + vm.facts.path, "a snapshot's disks are read by folder");
  if (FindSnapshot(vm, request.snapshot) != nullptr) return Ok();
  return Fail(scene, ErrorKind::kNotFound, "VM " + vm.facts.path, "the snapshot to be read is gone");
}

Status CheckLease(const Scene& scene, const FakeVm& vm, const OpenDiskRequest& request) {
  if (request.method != "nfc") return Ok();
  const FakeLease* lease = FindLease(scene.world, request.handle);
  if (lease == nullptr || lease->vm != vm.facts.path)
    return Fail(scene, ErrorKind::kNotFound, "export " + request.handle, "is not open for VM " + vm.facts.path,
                "open an export first");
  if (request.offset == 0) return Ok();
  return Fail(scene, ErrorKind::kInvalid, "export " + request.handle, "cannot start in the middle of a disk",
              "start again at 0, or use the method folder");
}

Result<FakeReaderSetup> PrepareReader(Scene& scene, const OpenDiskRequest& request) {
  Result<FakeVm*> found = ResolveVm(scene, request.vm);
  if (!found) return found.error();
  FakeVm& vm = **found;
  if (const Status known = CheckMethod(scene, vm, request.method); !known) return known.error();
  if (request.snapshot.empty())
    if (const Status off = CheckOff(scene, vm); !off) return off.error();
  if (!request.snapshot.empty())
    if (const Status there = CheckSnapshot(scene, vm, request); !there) return there.error();
  if (const Status leased = CheckLease(scene, vm, request); !leased) return leased.error();
  const auto disk = std::find_if(vm.disks.begin(), vm.disks.end(),
                                 [&](const FakeDisk& entry) { return entry.facts.id == request.disk; });
  if (disk == vm.disks.end())
    return Fail(scene, ErrorKind::kNotFound, "disk " + request.disk + " of VM " + vm.facts.path, "does not exist");
  if (request.offset > disk->facts.capacity_bytes)
    return Fail(scene, ErrorKind::kInvalid, "disk " + request.disk + " of VM " + vm.facts.path,
                "byte " + std::to_string(request.offset) + " is behind its end");
  FakeReaderSetup setup;
  setup.system = scene.system;
  setup.vm = vm.facts.path;
  setup.disk = request.disk;
  setup.handle = request.method == "nfc" ? request.handle : "";
  setup.snapshot = request.snapshot;
  setup.offset = request.offset;
  setup.size = disk->facts.capacity_bytes;
  setup.bytes_per_second = scene.world.bytes_per_second;
  return setup;
}

}  // namespace

void FakePlugin::ServeExports() {
  On(source::kOpenExport, OpenExport);
  On(source::kKeepExport, KeepExport);
  On(source::kCloseExport, CloseExport);
  using Opened = std::pair<OpenDiskReply, std::shared_ptr<DiskReader>>;
  ServeStream<OpenDiskRequest, OpenDiskReply, DiskReader>(
      source::kOpenDisk, [this](const OpenDiskRequest& request, const CallContext& context) -> Result<Opened> {
        Result<FakeReaderSetup> setup = Perform<FakeReaderSetup>(
            source::kOpenDisk.spec, context, [&](Scene& scene) { return PrepareReader(scene, request); });
        if (!setup) return setup.error();
        if (options_.bytes_per_second > 0) setup->bytes_per_second = options_.bytes_per_second;
        setup->stop = context.stop;
        const OpenDiskReply reply{setup->size};
        return Opened{reply, std::make_shared<FakeDiskReader>(world_, std::move(*setup))};
      });
}

}  // namespace vmferry
