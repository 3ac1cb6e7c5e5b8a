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

Json Sample(const char* value) {
  return Json::array({{{"value", value}}});
}

// What watches the first application: measured values, scrape targets, two rules, a receiver of alerts.
Json MonitoringOf() {
  const std::int64_t now_ms = 1767225600000;
  const Json node{
      {"job", "node"}, {"instance", "kvm.example:9100"}, {"health", "up"}, {"last_scrape_ms", now_ms - 5000}};
  const Json target{{"job", "app"},
                    {"instance", "web1.kvm.example:80"},
                    {"health", "down"},
                    {"last_error", "connection refused"}};
  const Json down{{"facts", {{"name", "AppDown"}, {"group", "app"}, {"health", "ok"}}}};
  const Json trial{{"facts", {{"name", "AppAlertTrial"}, {"group", "app"}, {"health", "ok"}}},
                   {"metric", "vmferry_alert_trial"},
                   {"labels", {{"severity", "page"}}},
                   {"pending_polls", 1}};
  return Json{{"now_ms", now_ms},
              {"targets", {node, target}},
              {"rules", {down, trial}},
              {"answers",
               {{"max_over_time(app:latency:p95[1s])", Sample("0.08")},
                {"max_over_time(app:errors:ratio[1s])", Sample("0.001")},
                {"sum_over_time(app:requests:count[1s])", Sample("500")},
                {"app:requests:count", Sample("500")}}}};
}

// One backup of the first application's VM, an hour old.
Json VaultOf() {
  const Json facts{{"id", "b1"}, {"size_bytes", 73400320}, {"host", "web1"}, {"paths", {"/srv"}}, {"tags", {"daily"}}};
  return Json{{"polls", 1}, {"backups", {{{"age_ms", 3600000}, {"facts", facts}}}}};
}

// The TTL is short, since there are no caches to wait for that a story could not wait for.
Json DnsOf() {
  const Json record{{"name", "customer-analytics-api.example"}, {"type", "A"}, {"ttl", 3}, {"values", {"10.0.0.1"}}};
  return Json{{"zones", {"example"}}, {"lag_polls", 1}, {"records", Json::array({record})}};
}

Json HostOf() {
  const Json filter{{"name", "app"}, {"rules", {"in accept tcp 80 from 10.0.0.0/8", "in drop all"}}};
  return Json{{"filters", Json::array({filter})},
              {"flows", {{"10.0.0.2:53", "connected"}, {"10.0.0.2:22", "filtered"}, {"10.0.0.2:5432", "filtered"}}}};
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
  world["host"] = HostOf();
  world["dns"] = DnsOf();
  world["monitoring"] = MonitoringOf();
  world["vault"] = VaultOf();
  world["endpoints"]["receiver.example"] = {{"receiver", true}};
  if (applications > 1) world["guests"]["billing1"] = {{"sick_on_target", true}};
  return world;
}

WorldData ExampleWorld(int applications) {
  WorldData world = std::move(WorldFromJson(ExampleWorldJson(applications))).value();
  world.bytes_per_second = 0;
  return world;
}

}  // namespace vmferry
