// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/connection.h"

#include <gtest/gtest.h>

#include "plugins/libvirt/libvirt_plugin.h"
#include "plugins/target_platform.h"

namespace vmferry::libvirt {
namespace {

TEST(Connection, SshNeverAsksATerminalUnlessTheSiteSaysSo) {
  EXPECT_EQ(UnattendedUri("qemu+ssh://u@h/system"), "qemu+ssh://u@h/system?no_tty=1");
  EXPECT_EQ(UnattendedUri("qemu+ssh://h/system?keyfile=/k"), "qemu+ssh://h/system?keyfile=/k&no_tty=1");
  EXPECT_EQ(UnattendedUri("qemu+ssh://h/system?no_tty=0"), "qemu+ssh://h/system?no_tty=0");
  EXPECT_EQ(UnattendedUri("qemu+tls://h/system"), "qemu+tls://h/system");
  EXPECT_EQ(UnattendedUri("qemu:///system"), "qemu:///system");
}

TEST(Connection, OnlyAUriWithAHostIsRemote) {
  EXPECT_FALSE(NamesRemoteHost("qemu:///system"));
  EXPECT_FALSE(NamesRemoteHost("qemu:///session?socket=/run/x"));
  EXPECT_TRUE(NamesRemoteHost("qemu+ssh://u@h/system"));
  EXPECT_TRUE(NamesRemoteHost("qemu://h/system"));
}

TEST(Connection, FailuresToConnectNameTheSystemAndTheKind) {
  const auto absent = std::make_shared<Connection>("kvm1", "qemu:///session?socket=/nonexistent/sock", 5);
  const auto refused = absent->Open(Access::kWrite);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(refused.error().system, "kvm1 (qemu:///session?socket=/nonexistent/sock)");
  const auto nonsense = std::make_shared<Connection>("kvm1", "qemu+bogus://host/system", 5);
  EXPECT_EQ(nonsense->Open(Access::kWrite).error().kind, ErrorKind::kInvalid);
}

TEST(Connection, OneConnectionServesManyCalls) {
  const auto connection = std::make_shared<Connection>("kvm1", "test:///default", 5);
  const auto first = connection->Open(Access::kRead);
  const auto second = connection->Open(Access::kWrite);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->get(), second->get());
}

TEST(LibvirtPlugin, SettingsAreCheckedWithoutConnecting) {
  const PluginKind kind = LibvirtKind();
  EXPECT_EQ(kind.name, "libvirt");
  const auto make = [&](Json settings) { return kind.make(PluginSetup{"kvm1", std::move(settings), nullptr}); };
  EXPECT_TRUE(make({{"uri", "qemu+ssh://ops@nowhere.invalid:22/system"}}).ok());
  EXPECT_TRUE(make({{"uri", "qemu:///system"}, {"keepAliveSeconds", 0}}).ok());
  for (const Json& wrong :
       {Json::object(), Json{{"uri", ""}}, Json{{"uri", 7}}, Json{{"uri", "qemu:///system"}, {"keepAliveSeconds", -1}}})
    EXPECT_EQ(make(wrong).error().kind, ErrorKind::kInvalid) << wrong;
  const auto secret = make({{"uri", "qemu+tcp://ops:hunter2@host/system"}});
  ASSERT_FALSE(secret.ok());
  EXPECT_EQ(Describe(secret.error()).find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace vmferry::libvirt
