// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/property_collector.h"

#include <algorithm>
#include <optional>

#include "plugins/vsphere/faults.h"

namespace vmferry::vsphere {
namespace {

// A token is good for one session: after a renewal the server no longer knows it.
bool TokenLost(const SoapFault& fault) {
  return fault.type == "InvalidArgument" || fault.type == "InvalidProperty" || fault.type == "NotFound" ||
         fault.type == "InvalidCollectorVersion";
}

// All pages; an empty optional when a token was lost between them.
Result<std::optional<std::vector<Properties>>> RetrievePages(Session& session, const SoapCall& first,
                                                             const Moref& collector, Deadline& deadline) {
  std::vector<Properties> objects;
  auto answer = session.Call(first, Access::kRead, deadline);
  if (!answer) return answer.error();
  for (;;) {
    const pugi::xml_node page = answer->returnval();
    AddPage(page, answer->document, &objects);
    const std::string token = TextAt(page, "token");
    if (token.empty()) return std::optional(std::move(objects));
    SoapCall next("ContinueRetrievePropertiesEx", collector);
    next.Text("token", token);
    answer = session.Try(next, Access::kRead, deadline);
    if (!answer) return answer.error();
    if (!answer->fault) continue;
    if (TokenLost(*answer->fault)) return std::optional<std::vector<Properties>>();
    return session.Failed(FaultError(*answer->fault, next.method()));
  }
}

}  // namespace

pugi::xml_node Properties::Find(const std::string& path) const {
  const auto found = values_.find(path);
  return found == values_.end() ? pugi::xml_node() : found->second;
}

std::string Properties::Text(const std::string& path) const {
  return Find(path).text().get();
}

const SoapFault* Properties::Missing(const std::string& path) const {
  const auto found = missing_.find(path);
  return found == missing_.end() ? nullptr : &found->second;
}

void AddPage(pugi::xml_node page, const std::shared_ptr<const pugi::xml_document>& owner,
             std::vector<Properties>* objects) {
  for (const pugi::xml_node content : Children(page, "objects")) {
    const Moref ref = RefIn(Child(content, "obj"));
    auto at = std::find_if(objects->begin(), objects->end(), [&](const Properties& p) { return p.object == ref; });
    if (at == objects->end()) {
      at = objects->emplace(objects->end());
      at->object = ref;
    }
    at->owners_.push_back(owner);
    for (const pugi::xml_node property : Children(content, "propSet"))
      at->values_[TextAt(property, "name")] = Child(property, "val");
    for (const pugi::xml_node missing : Children(content, "missingSet"))
      at->missing_[TextAt(missing, "path")] = ReadLocalizedFault(Child(missing, "fault"));
  }
}

void AddPropertySpec(pugi::xml_node spec_set, const std::string& type, const Paths& paths) {
  pugi::xml_node set = spec_set.append_child("propSet");
  AddText(set, "type", type);
  for (const std::string& path : paths) AddText(set, "pathSet", path);
}

Result<std::vector<Properties>> Retrieve(Session& session, const std::function<void(pugi::xml_node)>& fill,
                                         Deadline& deadline) {
  for (int attempt = 0;; ++attempt) {
    auto content = session.Content(deadline);
    if (!content) return content.error();
    SoapCall call("RetrievePropertiesEx", content->property_collector);
    fill(call.body().append_child("specSet"));
    call.body().append_child("options");
    auto pages = RetrievePages(session, call, content->property_collector, deadline);
    if (!pages) return pages.error();
    if (*pages) return **std::move(pages);
    if (attempt > 0)
      return session.Failed(
          Error{ErrorKind::kUnavailable, "", "", "the session ended twice while properties were read", ""});
  }
}

Result<std::vector<Properties>> ReadAll(Session& session, const std::vector<Moref>& objects, const Paths& paths,
                                        Deadline& deadline) {
  if (objects.empty()) return std::vector<Properties>();
  return Retrieve(
      session,
      [&](pugi::xml_node spec_set) {
        AddPropertySpec(spec_set, objects.front().type, paths);
        for (const Moref& object : objects) AddRef(spec_set.append_child("objectSet"), "obj", object);
      },
      deadline);
}

Result<Properties> Read(Session& session, const Moref& object, const Paths& paths, Deadline& deadline) {
  auto objects = ReadAll(session, {object}, paths, deadline);
  if (!objects) return objects.error();
  if (objects->empty())
    return session.Failed(Error{ErrorKind::kNotFound, "", object.type + " " + object.value, "it is not there", ""});
  return std::move(objects->front());
}

}  // namespace vmferry::vsphere
