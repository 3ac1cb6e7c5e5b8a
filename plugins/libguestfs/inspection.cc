// SPDX-License-Identifier: Apache-2.0
#include "plugins/libguestfs/inspection.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <pugixml.hpp>
#include <set>

#include "plugins/printable.h"

namespace vmferry::libguestfs {
namespace {

constexpr std::size_t kLongestName = 200;
constexpr std::size_t kMostPackages = 32;
constexpr std::string_view kCut = "=== ";

// Debian, Red Hat and SUSE use the first; Windows installers the second.
constexpr std::array<std::string_view, 2> kAgents{"qemu-guest-agent", "QEMU guest agent"};
constexpr std::array<std::string_view, 4> kVmwareTools{"open-vm-tools", "open-vm-tools-desktop", "vmware-tools",
                                                       "VMware Tools"};

std::string Text(const pugi::xml_node& node, const char* child) {
  return Printable(node.child(child).child_value(), kLongestName);
}

template <class Names>
std::vector<std::string> Packages(const pugi::xml_node& system, const Names& names) {
  std::vector<std::string> found;
  for (const pugi::xml_node application : system.child("applications").children("application")) {
    const std::string name = Text(application, "name");
    if (std::find(names.begin(), names.end(), name) == names.end() || found.size() >= kMostPackages) continue;
    const std::string version = Text(application, "version");
    found.push_back(name + (version.empty() ? "" : " " + version));
  }
  return found;
}

// Calls `act` with each line.
template <class Act>
void EachLine(std::string_view text, Act act) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    act(text.substr(at, end - at));
    at = end + 1;
  }
}

bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == '+' || c == '~';
         });
}

// "virtio_blk" of "kernel/drivers/block/virtio_blk.ko.xz: kernel/...", with '-' as '_'; empty if no module.
std::string ModuleOf(std::string_view line) {
  const std::string path(line.substr(0, line.find(':')));
  const std::size_t end = path.find(".ko");
  if (end == std::string::npos) return "";
  const std::size_t slash = path.rfind('/', end);
  const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
  std::string name = path.substr(begin, end - begin);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

bool IsWanted(const std::string& module) {
  static const std::set<std::string> others{"ahci", "sd_mod", "e1000e", "nvme"};
  return module.starts_with("virtio") || others.contains(module);
}

}  // namespace

Result<InspectReply> ParseInspection(const std::string& xml) {
  pugi::xml_document document;
  const bool parsed = document.load_buffer(xml.data(), xml.size());
  const pugi::xml_node systems = document.child("operatingsystems");
  if (!parsed || !systems) return Error{ErrorKind::kCorrupt, "", "", "virt-inspector printed no inspection", ""};
  InspectReply reply;
  const pugi::xml_node system = systems.child("operatingsystem");
  if (!system) reply.why = "virt-inspector finds no operating system in the disks";
  if (!system) return reply;
  reply.inspected = true;
  reply.type = Text(system, "name");
  reply.distribution = Text(system, "distro");
  reply.product = Text(system, "product_name");
  reply.architecture = Text(system, "arch");
  reply.agents = Packages(system, kAgents);
  reply.vmware_tools = Packages(system, kVmwareTools);
  return reply;
}

std::vector<std::string> KernelVersions(std::string_view listing) {
  std::vector<std::string> versions;
  EachLine(listing, [&](std::string_view line) {
    if (IsPlainName(line) && versions.size() < kMostKernels) versions.emplace_back(line);
  });
  return versions;
}

std::vector<std::string> DriverModules(std::string_view text) {
  std::set<std::string> modules;
  EachLine(text, [&](std::string_view line) {
    const std::string module = ModuleOf(line);
    if (IsWanted(module) && IsPlainName(module)) modules.insert(module);
  });
  return {modules.begin(), modules.end()};
}

bool ShowsModules(std::string_view listing) {
  return listing.find("lib/modules/") != std::string_view::npos && listing.find(".ko") != std::string_view::npos;
}

std::string Section(std::string_view text, std::string_view name) {
  std::string section;
  bool inside = false;
  EachLine(text, [&](std::string_view line) {
    if (line.starts_with(kCut))
      inside = line.substr(kCut.size()) == name;
    else if (inside)
      section.append(line).append("\n");
  });
  return section;
}

}  // namespace vmferry::libguestfs
