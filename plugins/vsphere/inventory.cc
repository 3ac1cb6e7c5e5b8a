// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/inventory.h"

#include <algorithm>

#include "plugins/vsphere/property_collector.h"

namespace vmferry::vsphere {
namespace {

std::string Object(const std::string& vm) {
  return "VM " + vm;
}

Result<Moref> FindByPath(Session& session, std::string path, Deadline& deadline) {
  auto content = session.Content(deadline);
  if (!content) return content.error();
  SoapCall call("FindByInventoryPath", content->search_index);
  call.Text("inventoryPath", path);
  auto answer = session.Call(call, Access::kRead, deadline);
  if (!answer) return answer.error();
  const Moref found = RefIn(answer->returnval());
  if (!found)
    return session.Failed(Error{ErrorKind::kNotFound, "", Object(path), "there is nothing at this inventory path",
                                "check datacenter, folder and name, and that the user may see them"});
  if (found.type != "VirtualMachine")
    return session.Failed(Error{ErrorKind::kInvalid, "", Object(path), "this is a " + found.type + ", not a VM",
                                "give the whole path of the VM"});
  return found;
}

// All VMs with their names; a view belongs to a session, so the whole is done again when that ended in between.
Result<std::vector<Properties>> AllVms(Session& session, Deadline& deadline) {
  for (int attempt = 0;; ++attempt) {
    auto content = session.Content(deadline);
    if (!content) return content.error();
    SoapCall create("CreateContainerView", content->view_manager);
    create.Ref("container", content->root_folder).Text("type", "VirtualMachine").Text("recursive", "true");
    auto created = session.Call(create, Access::kRead, deadline);
    if (!created) return created.error();
    const Moref view = RefIn(created->returnval());
    auto vms = Retrieve(
        session,
        [&](pugi::xml_node spec_set) {
          AddPropertySpec(spec_set, "VirtualMachine", {"name"});
          pugi::xml_node object = spec_set.append_child("objectSet");
          AddRef(object, "obj", view);
          AddText(object, "skip", "true");
          pugi::xml_node select = AddTyped(object, "selectSet", "TraversalSpec");
          AddText(select, "type", "ContainerView");
          AddText(select, "path", "view");
          AddText(select, "skip", "false");
        },
        deadline);
    (void)session.Try(SoapCall("DestroyView", view), Access::kRead, deadline);
    if (!vms && vms.error().kind == ErrorKind::kNotFound && attempt == 0) continue;
    return vms;
  }
}

Result<Moref> FindByName(Session& session, const std::string& name, Deadline& deadline) {
  auto vms = AllVms(session, deadline);
  if (!vms) return vms.error();
  std::vector<Moref> found;
  for (const Properties& vm : *vms)
    if (vm.Text("name") == name || PlainName(vm.Text("name")) == name) found.push_back(vm.object);
  if (found.size() == 1) return found.front();
  if (found.empty())
    return session.Failed(Error{ErrorKind::kNotFound, "", Object(name), "no VM has this name",
                                "check the name, and that the user may see the VM"});
  std::vector<std::string> paths;
  for (const Moref& vm : found) {
    auto ancestors = AncestorsOf(session, vm, deadline);
    if (!ancestors) return ancestors.error();
    paths.push_back(PathOf(*ancestors));
  }
  std::sort(paths.begin(), paths.end());
  std::string list;
  for (const std::string& path : paths) list += (list.empty() ? "" : ", ") + path;
  return session.Failed(Error{ErrorKind::kConflict, "", Object(name), "several VMs have this name: " + list,
                              "name the VM by its inventory path"});
}

// Children of one parent, by the reference they hold.
void AddUpward(pugi::xml_node parent, const char* name, const char* type, const char* path) {
  pugi::xml_node up = AddTyped(parent, "selectSet", "TraversalSpec");
  if (name != nullptr) AddText(up, "name", name);
  AddText(up, "type", type);
  AddText(up, "path", path);
  AddText(up, "skip", "false");
  AddText(up.append_child("selectSet"), "name", "up");
}

}  // namespace

Result<Moref> FindVm(Session& session, const std::string& path_or_name, Deadline& deadline) {
  if (path_or_name.empty())
    return session.Failed(Error{ErrorKind::kInvalid, "", "", "no VM was named", "give its inventory path or name"});
  if (path_or_name.find('/') == std::string::npos) return FindByName(session, path_or_name, deadline);
  const bool rooted = path_or_name.front() == '/';
  return FindByPath(session, rooted ? path_or_name : "/" + path_or_name, deadline);
}

Result<std::vector<Ancestor>> AncestorsOf(Session& session, const Moref& object, Deadline& deadline) {
  auto entities = Retrieve(
      session,
      [&](pugi::xml_node spec_set) {
        AddPropertySpec(spec_set, "ManagedEntity", {"name", "parent"});
        if (object.type == "VirtualMachine") AddPropertySpec(spec_set, "VirtualMachine", {"parentVApp"});
        pugi::xml_node start = spec_set.append_child("objectSet");
        AddRef(start, "obj", object);
        AddText(start, "skip", "false");
        AddUpward(start, "up", "ManagedEntity", "parent");
        AddUpward(start, nullptr, "VirtualMachine", "parentVApp");
      },
      deadline);
  if (!entities) return entities.error();
  std::vector<Ancestor> chain;
  Moref next = object;
  while (next && chain.size() < entities->size()) {
    const auto at =
        std::find_if(entities->begin(), entities->end(), [&](const Properties& e) { return e.object == next; });
    if (at == entities->end()) break;
    Moref parent = RefIn(at->Find("parent"));
    if (!parent) parent = RefIn(at->Find("parentVApp"));
    if (!parent) break;  // the root folder
    chain.push_back({next, at->Text("name"), parent});
    next = parent;
  }
  return chain;
}

std::string PathOf(const std::vector<Ancestor>& ancestors) {
  std::string path;
  for (auto at = ancestors.rbegin(); at != ancestors.rend(); ++at) path += "/" + at->name;
  return path;
}

std::string DatacenterPath(const std::vector<Ancestor>& ancestors) {
  const auto datacenter = std::find_if(ancestors.begin(), ancestors.end(),
                                       [](const Ancestor& one) { return one.ref.type == "Datacenter"; });
  if (datacenter == ancestors.end()) return "";
  return PathOf(std::vector<Ancestor>(datacenter, ancestors.end())).substr(1);
}

std::string PlainName(const std::string& name) {
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const std::string_view code = std::string_view(name).substr(i, 3);
    const char c = code == "%2f" || code == "%2F"   ? '/'
                   : code == "%5c" || code == "%5C" ? '\\'
                   : code == "%25"                  ? '%'
                                                    : 0;
    plain += c != 0 ? c : name[i];
    if (c != 0) i += 2;
  }
  return plain;
}

}  // namespace vmferry::vsphere
