// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/fake.h"

#include "plugins/fake/fake_plugin.h"
#include "plugins/fake/world_json.h"

namespace vmferry {
namespace {

Error BadSetting(const PluginSetup& setup, const std::string& setting, const std::string& message) {
  return Error{ErrorKind::kInvalid, setup.name + " (fake)", "setting " + setting, message, "correct the site file"};
}

// A setting written as a number or as the text of one.
Result<std::int64_t> IntegerSetting(const PluginSetup& setup, const std::string& setting) {
  const Json& value = setup.settings.at(setting);
  try {
    return value.is_string() ? static_cast<std::int64_t>(std::stoll(value.get<std::string>()))
                             : value.get<std::int64_t>();
  } catch (const std::exception&) {
    return BadSetting(setup, setting, "is not a number");
  }
}

Result<std::shared_ptr<World>> WorldOf(const PluginSetup& setup) {
  if (setup.settings.contains("world")) return World::Open(setup.settings.at("world").get<std::string>());
  Json json = Json::object();
  for (const auto& [setting, key] : {std::pair{"vms", "vms"}, std::pair{"pools", "pools"},
                                     std::pair{"loadBalancers", "load_balancers"}, std::pair{"dns", "dns"},
                                     std::pair{"endpoints", "endpoints"}})
    if (setup.settings.contains(setting)) json[key] = setup.settings.at(setting);
  Result<WorldData> data = WorldFromJson(json);
  if (!data) return BadSetting(setup, "vms, pools, loadBalancers, dns, endpoints", data.error().message);
  return std::make_shared<World>(std::move(*data));
}

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  FakeOptions options;
  if (setup.settings.contains("bytesPerSecond")) {
    const Result<std::int64_t> rate = IntegerSetting(setup, "bytesPerSecond");
    if (!rate) return rate.error();
    options.bytes_per_second = *rate;
  }
  if (setup.settings.contains("password") && setup.secrets) {
    Result<std::string> password = setup.secrets(setup.settings.at("password").get<std::string>());
    if (!password) return password.error();
    options.password = *password;
  }
  Result<std::shared_ptr<World>> world = WorldOf(setup);
  if (!world) return world.error();
  return std::shared_ptr<Plugin>(std::make_shared<FakePlugin>(setup.name, *world, options));
}

}  // namespace

Error Fail(const Scene& scene, ErrorKind kind, std::string object, std::string message, std::string advice) {
  return Error{kind, scene.system, std::move(object), std::move(message), std::move(advice)};
}

FakePlugin::FakePlugin(std::string name, std::shared_ptr<World> world, FakeOptions options)
    : world_(std::move(world)),
      system_(std::move(name) + " (fake world " + world_->where() + ")"),
      options_(std::move(options)) {
  ServeSource();
  ServeExports();
  ServeVolumes();
  ServeDomains();
  ServeLoadBalancer();
  ServeDns();
  ServeProbe();
  ServeCommand();
  ServeMonitoring();
  ServeBackup();
  ServeNetworks();
  ServeGuests();
}

Status FakePlugin::Admit(const Scene& scene, const CallContext& context) const {
  if (context.stop.stop_requested())
    return Fail(scene, ErrorKind::kUnavailable, "", "stopped before anything was done");
  if (!scene.world.password.empty() && scene.world.password != options_.password)
    return Fail(scene, ErrorKind::kDenied, "", "wrong password", "correct the credential the site file refers to");
  return Ok();
}

PluginKind FakeKind() {
  PluginKind kind;
  kind.name = "fake";
  kind.purpose = "an in-memory world in all roles, for tests and for trying vmferry without any platform";
  kind.roles = {"source", "target", "load_balancer", "dns",    "probe", "command",
                "metrics", "alerts", "signal",       "backup", "flow",  "guest"};
  kind.settings = {
      {"world", "path", false, "file of the world (JSON); entries that name the same file share it"},
      {"vms", "list", false, "without a world file: VMs, each with name, disks_mib and records"},
      {"pools", "list", false, "without a world file: storage pools, each with name and capacity_bytes"},
      {"loadBalancers", "list", false, "without a world file: load-balancer pools, each with name and servers"},
      {"dns", "map", false, "without a world file: zones, and records, each with name, type, ttl and values"},
      {"endpoints", "map", false, "without a world file: what a probe's host leads to (vm, domain or pool)"},
      {"bytesPerSecond", "integer", false, "rate at which disks are read; without it as fast as it goes"},
      {"password", "secret", false, "needed if the world has one"},
  };
  kind.make = Make;
  return kind;
}

std::shared_ptr<Plugin> MakeFake(const std::string& name, std::shared_ptr<World> world) {
  return std::make_shared<FakePlugin>(name, std::move(world), FakeOptions{});
}

}  // namespace vmferry
