// SPDX-License-Identifier: Apache-2.0
#include "steps/guest_drivers.h"

#include <algorithm>

#include "steps/words.h"

namespace vmferry {
namespace {

bool Has(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// Modules without which the root file system is not found.
std::vector<std::string> DiskModules(const std::string& bus) {
  if (bus == "virtio") return {"virtio_pci", "virtio_blk"};
  if (bus == "scsi") return {"virtio_pci", "virtio_scsi"};
  return {"ahci"};
}

// Needed once the root is there, so that loading it from there is enough.
std::string NetworkModule(const std::string& model) {
  return model == "virtio" ? "virtio_net" : model;
}

// Of one kernel.
struct KernelVerdict {
  std::string missing;
  std::string unknown;
};

KernelVerdict JudgeKernel(const GuestKernel& kernel, const GuestNeeds& needs) {
  std::vector<std::string> absent, outside, unread;
  for (const std::string& module : DiskModules(needs.disk_bus)) {
    if (Has(kernel.at_boot, module)) continue;
    if (!Has(kernel.loadable, module))
      absent.push_back(module);
    else
      (kernel.initramfs_read ? outside : unread).push_back(module);
  }
  const std::string network = NetworkModule(needs.nic_model);
  if (!Has(kernel.at_boot, network) && !Has(kernel.loadable, network)) absent.push_back(network);
  const std::string name = "kernel " + kernel.version;
  KernelVerdict verdict;
  if (!absent.empty()) verdict.missing = name + " has no driver " + ListInWords(absent);
  if (!outside.empty())
    verdict.missing +=
        (absent.empty() ? name + " has " : " and has ") + ListInWords(outside) + " outside its initramfs";
  if (!unread.empty())
    verdict.unknown = name + " may have " + ListInWords(unread) + " in its initramfs, which cannot be read";
  return verdict;
}

// Which kernel boots is the boot loader's choice: all good is good, all bad is bad, else it cannot be told.
void JudgeKernels(const std::vector<GuestKernel>& kernels, const GuestNeeds& needs, GuestVerdict& verdict) {
  std::vector<std::string> bad;
  for (const GuestKernel& kernel : kernels) {
    const KernelVerdict of = JudgeKernel(kernel, needs);
    if (!of.missing.empty())
      bad.push_back(of.missing);
    else if (!of.unknown.empty())
      verdict.unknown.push_back(of.unknown);
  }
  if (kernels.empty()) verdict.unknown.emplace_back("no kernel modules are found in it");
  std::vector<std::string>& where =
      !kernels.empty() && bad.size() == kernels.size() ? verdict.missing : verdict.unknown;
  where.insert(where.end(), bad.begin(), bad.end());
}

}  // namespace

std::string InspectionKey(const StepContext& context, const Workload& workload) {
  return context.run + "/" + context.application->name + "/" + workload.name + "/inspect";
}

GuestVerdict JudgeGuest(const InspectReply& guest, const GuestNeeds& needs) {
  GuestVerdict verdict;
  if (!guest.inspected) {
    verdict.unknown.push_back(guest.why.empty() ? "no operating system is found in the disks" : guest.why);
    return verdict;
  }
  if (guest.type == "linux")
    JudgeKernels(guest.kernels, needs, verdict);
  else
    verdict.unknown.push_back("it is " + guest.type + ", whose drivers are not looked into");
  if (guest.agents.empty())
    (needs.agent_required ? verdict.missing : verdict.notes)
        .emplace_back("no guest agent (qemu-guest-agent) is installed");
  if (!guest.vmware_tools.empty())
    verdict.notes.push_back("VMware's tools are installed (" + ListInWords(guest.vmware_tools) +
                            "); they do nothing on the target and can be removed there");
  return verdict;
}

}  // namespace vmferry
