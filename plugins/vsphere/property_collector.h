// SPDX-License-Identifier: Apache-2.0
//
// Reading properties of the server's objects (PropertyCollector.RetrievePropertiesEx), with paging: an answer that
// carries a token is continued until all objects came. Read-only; may be repeated. Any thread.
// Source: vSphere Web Services API, PropertyCollector.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/vsphere/session.h"
#include "plugins/vsphere/soap.h"

namespace vmferry::vsphere {

using Paths = std::vector<std::string>;

// What was read of one object. A property that is not set is simply not there.
class Properties {
 public:
  Moref object;

  pugi::xml_node Find(const std::string& path) const;  // <val>, or nothing
  std::string Text(const std::string& path) const;
  // Why a property could not be read, if that is so.
  const SoapFault* Missing(const std::string& path) const;

 private:
  friend void AddPage(pugi::xml_node page, const std::shared_ptr<const pugi::xml_document>& owner,
                      std::vector<Properties>* objects);
  std::map<std::string, pugi::xml_node> values_;
  std::map<std::string, SoapFault> missing_;
  std::vector<std::shared_ptr<const pugi::xml_document>> owners_;
};

// Merges one RetrieveResult: an object that is known already gets what the page adds.
void AddPage(pugi::xml_node page, const std::shared_ptr<const pugi::xml_document>& owner,
             std::vector<Properties>* objects);

// Retrieves what `fill` puts into the <specSet>.
Result<std::vector<Properties>> Retrieve(Session& session, const std::function<void(pugi::xml_node spec_set)>& fill,
                                         Deadline& deadline);

// One object. Gone: kNotFound.
Result<Properties> Read(Session& session, const Moref& object, const Paths& paths, Deadline& deadline);

// Several objects of one type; those that are gone are left out by the server or make the call fail.
Result<std::vector<Properties>> ReadAll(Session& session, const std::vector<Moref>& objects, const Paths& paths,
                                        Deadline& deadline);

void AddPropertySpec(pugi::xml_node spec_set, const std::string& type, const Paths& paths);

}  // namespace vmferry::vsphere
