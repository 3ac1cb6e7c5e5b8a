// SPDX-License-Identifier: Apache-2.0
#include "runbooks/platform_names.h"

#include <algorithm>
#include <array>
#include <utility>

namespace vmferry {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::array kSpellings{Pair{"vmware-vsphere", "vmware"},    Pair{"vsphere", "vmware"},
                                Pair{"pextra-cloud", "pextra"},      Pair{"nutanix-ahv", "nutanix"},
                                Pair{"proxmox-ve", "proxmox"},       Pair{"hyper-v", "hyperv"},
                                Pair{"microsoft-hyperv", "hyperv"},  Pair{"avs", "azure-vmware-solution"}};
constexpr std::array kPlugins{Pair{"vsphere", "vmware"}, Pair{"libvirt", "kvm"}};

}  // namespace

const std::vector<std::string>& FieldPlatforms() {
  static const std::vector<std::string> names{"vmware",  "pextra", "nutanix", "openstack",
                                              "proxmox", "kvm",    "hyperv",  "azure-vmware-solution"};
  return names;
}

std::string_view FieldPlatform(std::string_view name) {
  for (const std::string& known : FieldPlatforms())
    if (known == name) return known;
  for (const auto& [spelling, known] : kSpellings)
    if (spelling == name) return known;
  return "";
}

std::set<std::string, std::less<>> NamesOf(const SystemEntry& platform) {
  std::set<std::string, std::less<>> names{platform.name};
  names.insert(platform.aliases.begin(), platform.aliases.end());
  std::set<std::string, std::less<>> field;
  for (const std::string& name : names)
    if (const std::string_view known = FieldPlatform(name); !known.empty()) field.emplace(known);
  for (const auto& [plugin, known] : kPlugins)
    if (field.empty() && plugin == platform.plugin) field.emplace(known);
  names.merge(field);
  return names;
}

}  // namespace vmferry
