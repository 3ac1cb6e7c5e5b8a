// SPDX-License-Identifier: Apache-2.0
//
// The reading half of domain_xml.h.
#include "plugins/libvirt/domain_xml.h"

namespace vmferry::libvirt {
namespace {

// The namespace `element` is in, by its prefix's declaration on itself or above.
std::string_view NamespaceOf(const pugi::xml_node& element) {
  const std::string_view name = element.name();
  const auto colon = name.find(':');
  const std::string attribute =
      colon == std::string_view::npos ? "xmlns" : "xmlns:" + std::string(name.substr(0, colon));
  for (pugi::xml_node node = element; node; node = node.parent())
    if (const pugi::xml_attribute declared = node.attribute(attribute.c_str())) return declared.value();
  return {};
}

DomainDisk ReadDisk(const pugi::xml_node& disk) {
  const pugi::xml_node driver = disk.child("driver");
  return DomainDisk{disk.child("target").attribute("dev").value(),
                    SourcePath(disk),
                    driver.attribute("type").value(),
                    SourcePath(disk.child("backingStore")),
                    driver.attribute("cache").value(),
                    driver.attribute("discard").value(),
                    driver.attribute("io").value()};
}

void ReadWorkload(const pugi::xml_node& workload, DomainDocument& domain) {
  for (const pugi::xml_node child : workload.children()) {
    if (LocalName(child) == "key") domain.key = child.child_value();
    if (LocalName(child) == "disk") domain.our_disks.emplace_back(child.child_value());
    if (LocalName(child) == "console") domain.console = {child.attribute("pool").value(), child.child_value(), ""};
  }
}

}  // namespace

std::string_view LocalName(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node MetadataElement(const pugi::xml_node& domain, std::string_view xml_namespace) {
  for (const pugi::xml_node child : domain.child("metadata").children())
    if (NamespaceOf(child) == xml_namespace) return child;
  return {};
}

std::string SourcePath(const pugi::xml_node& disk) {
  const pugi::xml_node source = disk.child("source");
  for (const char* attribute : {"file", "dev", "volume", "name", "dir"})
    if (const pugi::xml_attribute path = source.attribute(attribute)) return path.value();
  return {};
}

DomainDocument ReadDomain(const pugi::xml_document& document) {
  const pugi::xml_node root = document.child("domain");
  DomainDocument domain;
  domain.name = root.child("name").child_value();
  domain.uuid = root.child("uuid").child_value();
  domain.has_nvram =
      root.child("os").child("nvram") || std::string_view(root.child("os").attribute("firmware").value()) == "efi";
  ReadWorkload(MetadataElement(root, kWorkloadNamespace), domain);
  for (const pugi::xml_node disk : root.child("devices").children("disk"))
    if (std::string_view(disk.attribute("device").as_string("disk")) == "disk") domain.disks.push_back(ReadDisk(disk));
  for (const pugi::xml_node nic : root.child("devices").children("interface"))
    domain.macs.emplace_back(nic.child("mac").attribute("address").value());
  return domain;
}

}  // namespace vmferry::libvirt
