// SPDX-License-Identifier: Apache-2.0
//
// The fake as an inspector of guests: a Debian with all drivers, unless the world's host says otherwise.
#include "plugins/fake/fake_plugin.h"
#include "plugins/guest.h"

namespace vmferry {
namespace {

// The volume of a path that VolumePath made; null if there is none.
const FakeVolume* VolumeAt(const WorldData& world, const std::string& path) {
  for (const FakePool& pool : world.pools)
    for (const FakeVolume& volume : pool.volumes)
      if (VolumePath(pool.name, volume.name) == path) return &volume;
  return nullptr;
}

Result<InspectReply> Inspect(Scene& scene, const InspectRequest& request) {
  if (request.disks.empty()) return Fail(scene, ErrorKind::kInvalid, "", "there are no disks to inspect");
  for (const GuestDisk& disk : request.disks)
    if (VolumeAt(scene.world, disk.path) == nullptr)
      return Fail(scene, ErrorKind::kNotFound, "disk " + disk.path, "there is no such file here");
  const std::string& guest = scene.world.host.inspection;
  InspectReply reply;
  if (guest == "nothing") reply.why = "no operating system found";
  if (guest == "nothing") return reply;
  reply.inspected = true;
  reply.type = guest == "windows" ? "windows" : "linux";
  reply.distribution = "debian";
  reply.product = "Debian GNU/Linux 12 (bookworm)";
  reply.architecture = "x86_64";
  reply.kernels = {{"6.1.0-18-amd64", {"virtio_blk", "virtio_pci", "virtio_scsi"}, {"e1000e", "virtio_net"}, true}};
  if (guest == "no drivers") reply.kernels[0].at_boot.clear();
  reply.agents = {"qemu-guest-agent 7.2"};
  reply.vmware_tools = {"open-vm-tools 12.2"};
  return reply;
}

}  // namespace

void FakePlugin::ServeGuests() {
  On(guest::kInspect, Inspect);
}

}  // namespace vmferry
