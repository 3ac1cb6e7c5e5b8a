// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace vmferry {
namespace {

TEST(Registry, EveryPluginIsListedOnceAndFoundByName) {
  std::set<std::string> names;
  for (const PluginKind& kind : AllPluginKinds()) {
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
    EXPECT_EQ(FindPluginKind(kind.name), &kind);
  }
  EXPECT_EQ(names, (std::set<std::string>{"vsphere", "libvirt", "haproxy", "rfc2136", "http", "local", "ssh", "prometheus",
                                         "alertmanager", "textfile", "restic", "backup_command", "tcp", "libguestfs", "fake"}));
  EXPECT_EQ(FindPluginKind("nutanix"), nullptr);
}

TEST(Registry, EveryPluginExplainsItselfAndItsSettings) {
  const std::set<std::string> roles{"source", "target", "load_balancer", "dns", "probe", "command", "metrics", "alerts",
                                    "signal", "backup", "flow", "guest"};
  const std::set<std::string> types{"text", "path", "secret", "list", "map", "integer", "duration", "boolean"};
  for (const PluginKind& kind : AllPluginKinds()) {
    EXPECT_FALSE(kind.purpose.empty()) << kind.name;
    EXPECT_FALSE(kind.roles.empty()) << kind.name;
    EXPECT_TRUE(kind.make) << kind.name;
    for (const std::string& role : kind.roles) EXPECT_TRUE(roles.contains(role)) << kind.name << " " << role;
    for (const SettingSpec& setting : kind.settings) {
      EXPECT_TRUE(types.contains(setting.type)) << kind.name << "." << setting.name << " is a " << setting.type;
      EXPECT_FALSE(setting.purpose.empty()) << kind.name << "." << setting.name;
    }
  }
}

TEST(Registry, EveryRoleIsServedByARealPluginAndByTheFake) {
  for (const std::string role : {"source", "target", "load_balancer", "dns", "probe", "command", "metrics", "alerts",
                                 "signal", "backup", "flow", "guest"}) {
    int real = 0, fake = 0;
    for (const PluginKind& kind : AllPluginKinds())
      for (const std::string& served : kind.roles)
        if (served == role) ++(kind.name == "fake" ? fake : real);
    EXPECT_GE(real, 1) << role;
    EXPECT_EQ(fake, 1) << role;
  }
}

TEST(Registry, MissingSettingsAreAnErrorAndNotACrash) {
  for (const PluginKind& kind : AllPluginKinds()) {
    const auto plugin = kind.make(PluginSetup{"entry", Json::object(), ResolveSecret});
    bool needs_some = false;
    for (const SettingSpec& setting : kind.settings) needs_some = needs_some || setting.required;
    const std::string problem = plugin ? "" : Describe(plugin.error());
    EXPECT_EQ(plugin.ok(), problem.empty()) << kind.name;
    EXPECT_TRUE(needs_some || plugin.ok()) << kind.name << ": " << problem;
  }
}

}  // namespace
}  // namespace vmferry
