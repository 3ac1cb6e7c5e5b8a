// SPDX-License-Identifier: Apache-2.0
//
// Finding VMs in the inventory. A VM is named by its inventory path ("/DC0/vm/Team-A/web1", on an ESXi host
// "/ha-datacenter/vm/web1") or by a bare name that only one VM has. Read-only. Any thread.
// vSphere writes '/', '\' and '%' inside names as %2f, %5c and %25; paths keep that form.
// Source: vSphere Web Services API, SearchIndex.FindByInventoryPath, ContainerView.
#pragma once

#include <string>
#include <vector>

#include "plugins/vsphere/session.h"
#include "plugins/vsphere/soap.h"

namespace vmferry::vsphere {

// kNotFound; kConflict with the paths when a bare name fits several; kInvalid when the path leads to something else.
Result<Moref> FindVm(Session& session, const std::string& path_or_name, Deadline& deadline);

// One entity on the way from an object up to the root.
struct Ancestor {
  Moref ref;
  std::string name;
  Moref parent;
};
// From the object itself up to, not including, the root folder.
Result<std::vector<Ancestor>> AncestorsOf(Session& session, const Moref& object, Deadline& deadline);

// "/DC0/vm/Team-A/web1" from ancestors in that order.
std::string PathOf(const std::vector<Ancestor>& ancestors);

// The path of the datacenter among the ancestors without its first slash ("Europe/DC0"), as /folder wants it.
std::string DatacenterPath(const std::vector<Ancestor>& ancestors);

// %2f, %5c and %25 as people write them.
std::string PlainName(const std::string& name);

}  // namespace vmferry::vsphere
