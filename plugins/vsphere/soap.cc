// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/soap.h"

#include <charconv>
#include <cstring>
#include <sstream>

namespace vmferry::vsphere {
namespace {

constexpr const char* kEnvelopeSpace = "http://schemas.xmlsoap.org/soap/envelope/";

pugi::xml_attribute TypeAttribute(pugi::xml_node node) {
  for (pugi::xml_attribute attribute : node.attributes()) {
    const std::string_view name = attribute.name();
    // "type" alone belongs to references; the dynamic type always carries a prefix.
    if (name.ends_with(":type")) return attribute;
  }
  return {};
}

// Other servers may call the namespaces differently; ours are those of SoapCall.
void UseOurPrefixes(pugi::xml_node node) {
  if (pugi::xml_attribute type = TypeAttribute(node)) {
    const std::string value = type.value();
    const auto colon = value.find(':');
    const bool is_vim = colon == std::string::npos || !value.starts_with("xs");
    const std::string local = colon == std::string::npos ? value : value.substr(colon + 1);
    const std::string ours = is_vim ? local : "xsd:" + local;
    node.remove_attribute(type);
    node.append_attribute("xsi:type").set_value(ours.c_str());
  }
  for (pugi::xml_node child : node.children())
    if (child.type() == pugi::node_element) {
      child.set_name(std::string(LocalName(child.name())).c_str());
      UseOurPrefixes(child);
    }
}

std::string TellingMember(pugi::xml_node fault) {
  for (const char* name : {"file", "name", "reason", "obj", "invalidProperty", "feature"}) {
    std::string text = TextAt(fault, name);
    if (!text.empty()) return text;
  }
  return "";
}

SoapFault ReadFault(pugi::xml_node detail, std::string message) {
  SoapFault fault;
  fault.type = TypeIn(detail);
  if (fault.type.empty()) {
    std::string_view name = LocalName(detail.name());
    if (name.ends_with("Fault")) name.remove_suffix(5);
    fault.type = name;
  }
  fault.message = std::move(message);
  fault.privilege = TextAt(detail, "privilegeId");
  fault.about = TellingMember(detail);
  return fault;
}

}  // namespace

SoapCall::SoapCall(const std::string& method, const Moref& self)
    : method_(method), document_(std::make_shared<pugi::xml_document>()) {
  pugi::xml_node declaration = document_->append_child(pugi::node_declaration);
  declaration.append_attribute("version").set_value("1.0");
  declaration.append_attribute("encoding").set_value("UTF-8");
  pugi::xml_node envelope = document_->append_child("soapenv:Envelope");
  envelope.append_attribute("xmlns:soapenv").set_value(kEnvelopeSpace);
  envelope.append_attribute("xmlns:xsd").set_value("http://www.w3.org/2001/XMLSchema");
  envelope.append_attribute("xmlns:xsi").set_value("http://www.w3.org/2001/XMLSchema-instance");
  body_ = envelope.append_child("soapenv:Body").append_child(method.c_str());
  body_.append_attribute("xmlns").set_value("urn:vim25");
  AddRef(body_, "_this", self);
}

SoapCall& SoapCall::Text(const char* name, const std::string& value) {
  AddText(body_, name, value);
  return *this;
}

SoapCall& SoapCall::Ref(const char* name, const Moref& ref) {
  AddRef(body_, name, ref);
  return *this;
}

std::string SoapCall::Envelope() const {
  std::ostringstream text;
  document_->save(text, "", pugi::format_raw);
  return text.str();
}

pugi::xml_node AddText(pugi::xml_node parent, const char* name, const std::string& value) {
  pugi::xml_node node = parent.append_child(name);
  node.text().set(value.c_str());
  return node;
}

pugi::xml_node AddRef(pugi::xml_node parent, const char* name, const Moref& ref) {
  pugi::xml_node node = AddText(parent, name, ref.value);
  node.append_attribute("type").set_value(ref.type.c_str());
  return node;
}

pugi::xml_node AddTyped(pugi::xml_node parent, const char* name, const std::string& type) {
  pugi::xml_node node = parent.append_child(name);
  node.append_attribute("xsi:type").set_value(type.c_str());
  return node;
}

pugi::xml_node AddCopy(pugi::xml_node parent, const char* name, pugi::xml_node node) {
  pugi::xml_node copy = parent.append_copy(node);
  copy.set_name(name);
  UseOurPrefixes(copy);
  return copy;
}

pugi::xml_node SoapAnswer::returnval() const {
  return Child(response, "returnval");
}

Result<SoapAnswer> ParseAnswer(const std::string& body) {
  auto document = std::make_shared<pugi::xml_document>();
  const pugi::xml_parse_result parsed =
      document->load_buffer(body.data(), body.size(), pugi::parse_default | pugi::parse_ws_pcdata_single);
  const pugi::xml_node soap_body = Child(Child(*document, "Envelope"), "Body");
  if (!parsed || !soap_body)
    return Error{ErrorKind::kCorrupt, "", "",
                 std::string("the answer is not SOAP: ") + (parsed ? "no Envelope with a Body" : parsed.description()),
                 "check that the address is that of the vSphere API (https://HOST/sdk)"};
  SoapAnswer answer;
  answer.document = document;
  if (const pugi::xml_node fault = Child(soap_body, "Fault")) {
    pugi::xml_node detail;
    for (pugi::xml_node child : Child(fault, "detail").children())
      if (child.type() == pugi::node_element) detail = child;
    answer.fault = ReadFault(detail, TextAt(fault, "faultstring"));
    return answer;
  }
  for (pugi::xml_node child : soap_body.children())
    if (child.type() == pugi::node_element) answer.response = child;
  if (!answer.response) return Error{ErrorKind::kCorrupt, "", "", "the SOAP answer is empty", ""};
  return answer;
}

SoapFault ReadLocalizedFault(pugi::xml_node node) {
  return ReadFault(Child(node, "fault"), TextAt(node, "localizedMessage"));
}

std::string_view LocalName(const char* name) {
  const char* colon = std::strchr(name, ':');
  return colon == nullptr ? name : colon + 1;
}

pugi::xml_node Child(pugi::xml_node node, std::string_view name) {
  for (pugi::xml_node child : node.children())
    if (LocalName(child.name()) == name) return child;
  return {};
}

std::vector<pugi::xml_node> Children(pugi::xml_node node, std::string_view name) {
  std::vector<pugi::xml_node> found;
  for (pugi::xml_node child : node.children())
    if (LocalName(child.name()) == name) found.push_back(child);
  return found;
}

pugi::xml_node At(pugi::xml_node node, std::string_view dotted_path) {
  while (node && !dotted_path.empty()) {
    const auto dot = dotted_path.find('.');
    node = Child(node, dotted_path.substr(0, dot));
    dotted_path = dot == std::string_view::npos ? std::string_view() : dotted_path.substr(dot + 1);
  }
  return node;
}

std::string TextAt(pugi::xml_node node, std::string_view dotted_path) {
  return At(node, dotted_path).text().get();
}

std::int64_t NumberAt(pugi::xml_node node, std::string_view dotted_path, std::int64_t otherwise) {
  const std::string text = TextAt(node, dotted_path);
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

bool FlagAt(pugi::xml_node node, std::string_view dotted_path, bool otherwise) {
  const std::string text = TextAt(node, dotted_path);
  return text.empty() ? otherwise : text == "true" || text == "1";
}

Moref RefIn(pugi::xml_node node) {
  return {node.attribute("type").value(), node.text().get()};
}

std::string TypeIn(pugi::xml_node node) {
  return std::string(LocalName(TypeAttribute(node).value()));
}

}  // namespace vmferry::vsphere
