// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/example_world.h"

#include "plugins/fake/world_json.h"

namespace vmferry {
namespace {

struct Names {
  std::string application, vm, lb_pool;
};

Names NamesOf(int number) {
  if (number == 1) return {"customer-analytics-api", "web1", "app"};
  if (number == 2) return {"billing", "billing1", "billing"};
  if (number == 3) return {"inventory", "inventory1", "inventory"};
  const std::string name = "app" + std::to_string(number);
  return {name, name + "vm", name};
}

Json VmOf(const Names& names) {
  Json records = Json::array();
  for (int i = 1; i <= 3; ++i) records.push_back(names.application + " record " + std::to_string(i));
  return Json{{"name", names.vm}, {"disks_mib", Json::array({64, 64})}, {"records", records}};
}

Json LbPoolOf(const Names& names) {
  const Json vmware{{"name", "vmware"},
                    {"address", names.vm + ".vmware.example:80"},
                    {"vm", names.vm},
                    {"instances", {{"lb1", {{"state", "ready"}, {"weight", 100}}}}}};
  const Json kvm{{"name", "kvm"},
                 {"address", names.vm + ".kvm.example:80"},
                 {"domain", names.vm},
                 {"instances", {{"lb1", {{"state", "maint"}, {"weight", 100}}}}}};
  return Json{{"name", names.lb_pool}, {"instances", Json::array({"lb1"})}, {"servers", {vmware, kvm}}};
}

}  // namespace

Json ExampleWorldJson(int applications) {
  Json world{{"version", 1}, {"bytes_per_second", 32 << 20}};
  world["pools"] = Json::array({{{"name", "vmferry"}, {"capacity_bytes", std::uint64_t{100} << 30}}});
  for (int number = 1; number <= applications; ++number) {
    const Names names = NamesOf(number);
    world["vms"].push_back(VmOf(names));
    world["load_balancers"].push_back(LbPoolOf(names));
    world["endpoints"][names.application + ".example"] = {{"pool", names.lb_pool}};
    world["endpoints"][names.vm + ".vmware.example"] = {{"vm", names.vm}};
    world["endpoints"][names.vm + ".kvm.example"] = {{"domain", names.vm}};
  }
  if (applications > 1) world["guests"]["billing1"] = {{"sick_on_target", true}};
  return world;
}

WorldData ExampleWorld(int applications) {
  WorldData world = std::move(WorldFromJson(ExampleWorldJson(applications))).value();
  world.bytes_per_second = 0;
  return world;
}

}  // namespace vmferry
