// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/extra_xml.h"

#include <string_view>

#include "plugins/libvirt/domain_xml.h"

namespace vmferry::libvirt {
namespace {

constexpr const char* kQemuNamespace = "http://libvirt.org/schemas/domain/qemu/1.0";

Error Refused(const std::string& message) {
  return Error{ErrorKind::kInvalid, "", "", "extra domain XML: " + message, "correct extraDomainXml in the site file"};
}

void ReplaceOrAppend(pugi::xml_node parent, const pugi::xml_node& element) {
  if (const pugi::xml_node old = parent.child(element.name())) {
    parent.insert_copy_before(element, old);
    parent.remove_child(old);
  } else {
    parent.append_copy(element);
  }
}

pugi::xml_node ChildOrNew(pugi::xml_node parent, const char* name) {
  const pugi::xml_node child = parent.child(name);
  return child ? child : parent.append_child(name);
}

bool IsOurMetadata(const pugi::xml_node& element) {
  for (const pugi::xml_attribute attribute : element.attributes())
    if (std::string_view(attribute.value()).starts_with(kMetadataNamespaceRoot)) return true;
  return false;
}

Status MergeElement(pugi::xml_node domain, const pugi::xml_node& element) {
  const std::string_view name = element.name();
  if (name == "name" || name == "uuid") return Refused("<" + std::string(name) + "> must not be set there");
  if (name == "devices" || name == "metadata") {
    pugi::xml_node ours = ChildOrNew(domain, element.name());
    for (const pugi::xml_node child : element.children()) {
      if (IsOurMetadata(child)) return Refused("vmferry's own metadata must not be set there");
      ours.append_copy(child);
    }
  } else if (name == "features") {
    pugi::xml_node ours = ChildOrNew(domain, "features");
    for (const pugi::xml_node child : element.children()) ReplaceOrAppend(ours, child);
  } else if (name.find(':') != std::string_view::npos) {
    domain.append_copy(element);
    // A prefix that is declared nowhere would make the whole document invalid; this one is well known.
    if (name.starts_with("qemu:") && !element.attribute("xmlns:qemu") && !domain.attribute("xmlns:qemu"))
      domain.append_attribute("xmlns:qemu") = kQemuNamespace;
  } else {
    ReplaceOrAppend(domain, element);
  }
  return Ok();
}

}  // namespace

Status MergeExtraXml(pugi::xml_node domain, const std::string& extra) {
  pugi::xml_document fragment;
  const pugi::xml_parse_result parsed = fragment.load_string(extra.c_str(), pugi::parse_default | pugi::parse_fragment);
  if (!parsed) return Refused(std::string(parsed.description()) + " at byte " + std::to_string(parsed.offset));
  pugi::xml_node root = fragment;
  if (const pugi::xml_node wrapped = fragment.child("extra")) {
    root = wrapped;
    for (const pugi::xml_attribute attribute : wrapped.attributes())
      if (std::string_view(attribute.name()).starts_with("xmlns:") && !domain.attribute(attribute.name()))
        domain.append_copy(attribute);
  }
  for (const pugi::xml_node child : root.children()) {
    if (child.type() == pugi::node_pcdata)
      return Refused("text outside an element: '" + std::string(child.value()) + "'");
    if (child.type() != pugi::node_element) continue;
    if (Status merged = MergeElement(domain, child); !merged) return merged;
  }
  return Ok();
}

}  // namespace vmferry::libvirt
