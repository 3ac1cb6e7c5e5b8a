// SPDX-License-Identifier: Apache-2.0
//
// The wire form of the vim25 API: requests written and answers read as XML trees. Knows no method in particular.
// Elements and types we do not know are passed over, since every release of vSphere adds some. Values; any thread may
// use its own. Source: vSphere Web Services API (urn:vim25), SOAP 1.1.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "state/result.h"

namespace vmferry::vsphere {

// A reference to an object of the server: VirtualMachine vm-42.
struct Moref {
  std::string type;
  std::string value;
  explicit operator bool() const { return !value.empty(); }
  bool operator==(const Moref&) const = default;
  bool operator<(const Moref& other) const { return value != other.value ? value < other.value : type < other.type; }
};

// One method call. The XML is escaped by the tree's writer, so any text may be given.
class SoapCall {
 public:
  SoapCall(const std::string& method, const Moref& self);
  const std::string& method() const { return method_; }
  pugi::xml_node body() { return body_; }  // the method's element, for nested data
  SoapCall& Text(const char* name, const std::string& value);
  SoapCall& Ref(const char* name, const Moref& ref);
  std::string Envelope() const;  // may hold a password: never printed

 private:
  std::string method_;
  std::shared_ptr<pugi::xml_document> document_;
  pugi::xml_node body_;
};

// Adds <name>value</name> below `parent`. The order of children is the schema's.
pugi::xml_node AddText(pugi::xml_node parent, const char* name, const std::string& value);
pugi::xml_node AddRef(pugi::xml_node parent, const char* name, const Moref& ref);
// Adds <name xsi:type="type"/>.
pugi::xml_node AddTyped(pugi::xml_node parent, const char* name, const std::string& type);
// Copies `node`, as read from an answer, as <name> with its dynamic types and all it holds.
pugi::xml_node AddCopy(pugi::xml_node parent, const char* name, pugi::xml_node node);

// A fault: of a call, or of a task or lease that ended in error.
struct SoapFault {
  std::string type;       // "InvalidLogin"; empty when the server named none
  std::string message;    // its words
  std::string privilege;  // of NoPermission
  std::string about;      // other telling members: a file's or object's name
};

struct SoapAnswer {
  std::shared_ptr<const pugi::xml_document> document;  // owns the nodes
  pugi::xml_node response;                             // <MethodResponse>; empty when there is a fault
  std::optional<SoapFault> fault;

  pugi::xml_node returnval() const;
};

// kCorrupt when it is no SOAP answer.
Result<SoapAnswer> ParseAnswer(const std::string& body);

// A LocalizedMethodFault (with members fault and localizedMessage).
SoapFault ReadLocalizedFault(pugi::xml_node node);

// Reading. Names are compared without prefix; what is not there reads as empty.
std::string_view LocalName(const char* name);
pugi::xml_node Child(pugi::xml_node node, std::string_view name);
std::vector<pugi::xml_node> Children(pugi::xml_node node, std::string_view name);
pugi::xml_node At(pugi::xml_node node, std::string_view dotted_path);
std::string TextAt(pugi::xml_node node, std::string_view dotted_path);
std::int64_t NumberAt(pugi::xml_node node, std::string_view dotted_path, std::int64_t otherwise = 0);
bool FlagAt(pugi::xml_node node, std::string_view dotted_path, bool otherwise = false);
Moref RefIn(pugi::xml_node node);         // of an element that holds a reference
std::string TypeIn(pugi::xml_node node);  // its xsi:type without prefix

}  // namespace vmferry::vsphere
