// SPDX-License-Identifier: Apache-2.0
//
// The plugins haproxy and http against real HAProxy processes and HTTP servers on loopback, all started here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "plugins/haproxy/haproxy.h"
#include "plugins/http/http_probe.h"
#include "plugins/load_balancer.h"
#include "plugins/probe.h"
#include "tests/contracts/load_balancer_contract.h"
#include "tests/contracts/probe_contract.h"
#include "tests/live/haproxy_process.h"
#include "tests/live/temp_directory.h"
#include "tests/plugins/http/test_server.h"

namespace vmferry::live {
namespace {

using contracts::Text;
using contracts::Until;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using testing_http::Respond;
using testing_http::TestServer;

std::string Whoami(const std::string& head, const std::string& name) {
  if (head.starts_with("GET /hold ")) return "";
  if (head.starts_with("GET /sick ")) return Respond("503 Service Unavailable", "not well");
  if (head.starts_with("GET /long ")) return Respond("200 OK", std::string(1000, 'x'));
  return Respond("200 OK", name);
}

std::vector<std::string> TwoServers(const TestServer& old_server, const TestServer& new_server) {
  const std::string check = " check inter 100ms fastinter 100ms downinter 100ms rise 2 fall 3";
  return {"server old 127.0.0.1:" + std::to_string(old_server.port()) + check + " weight 100",
          "server new 127.0.0.1:" + std::to_string(new_server.port()) + check + " weight 100 disabled"};
}

bool ABit() {
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return true;
}

// Two instances in front of two servers, with a state file each.
class Site {
 public:
  explicit Site(bool state_files = true, const std::string& algorithm = "roundrobin") {
    for (const char* name : {"lb1", "lb2"}) {
      HaproxyOptions options;
      options.algorithm = algorithm;
      options.server_state_file = state_files ? StateFile(name) : "";
      options.servers = TwoServers(old_, *new_);
      processes_.push_back(std::make_unique<HaproxyProcess>(directory_.path(), name, options));
    }
  }
  HaproxyProcess& lb(int i) { return *processes_.at(static_cast<std::size_t>(i)); }
  std::string StateFile(const std::string& name) const { return directory_.path() + "/" + name + ".state"; }
  Json KeepInFiles() const { return {{"stateFile", {StateFile("lb1"), StateFile("lb2")}}}; }
  std::shared_ptr<Plugin> Make(const Json& instances, const Json& persist) const {
    auto made = HaproxyKind().make(PluginSetup{"lb", {{"instances", instances}, {"persist", persist}}, nullptr});
    if (!made) throw std::runtime_error(Describe(made.error()));
    return *made;
  }
  void StopNew() { new_.reset(); }
  std::shared_ptr<Plugin> MakeBoth(const Json& persist) {
    return Make({lb(0).unix_address(), lb(1).unix_address()}, persist);
  }

 private:
  TempDirectory directory_;
  TestServer old_{[](const std::string& head) { return Whoami(head, "VMware"); }};
  std::unique_ptr<TestServer> new_ =
      std::make_unique<TestServer>([](const std::string& head) { return Whoami(head, "QEMU"); });
  std::vector<std::unique_ptr<HaproxyProcess>> processes_;
};

class HaproxyLive : public testing::Test {
 protected:
  static Status Set(Plugin& plugin, const std::string& server, const std::string& state, int weight = -1) {
    const SetServerRequest request{"web", server, state, weight};
    const auto done = Invoke(plugin, load_balancer::kSetServer, request, CallContext{});
    return done ? Ok() : Status(done.error());
  }
  static LbFacts Look(Plugin& plugin) {
    const auto facts = Invoke(plugin, load_balancer::kDescribePool, LbQuery{"web"}, CallContext{});
    EXPECT_TRUE(facts.ok()) << Text(facts);
    return facts ? *facts : LbFacts{};
  }
  static LbServer Server(Plugin& plugin, const std::string& name) {
    const LbFacts facts = Look(plugin);
    for (const LbServer& server : facts.servers)
      if (server.name == name) return server;
    ADD_FAILURE() << "no server " << name;
    return {};
  }
  std::string Get(const std::string& url) {
    ProbeRequest request;
    request.url = url;
    const auto reply = Invoke(*http_, probe::kProbe, request, CallContext{});
    EXPECT_TRUE(reply.ok()) << Text(reply);
    return reply ? reply->body : "";
  }
  std::shared_ptr<Plugin> http_ = *HttpKind().make(PluginSetup{"web", Json::object(), nullptr});
};

TEST_F(HaproxyLive, TrafficMovesFromTheOldServerToTheNewOneOnBothInstances) {
  Site site;
  const auto plugin = site.MakeBoth(site.KeepInFiles());
  for (int i : {0, 1}) EXPECT_EQ(Get(site.lb(i).Url("/")), "VMware");
  ASSERT_TRUE(Set(*plugin, "new", "ready").ok());
  ASSERT_TRUE(Until([&] { return Server(*plugin, "new").health == "up"; }, ABit));
  const Status set = Set(*plugin, "old", "maint");
  ASSERT_TRUE(set.ok()) << Text(set);
  for (int i : {0, 1}) EXPECT_EQ(Get(site.lb(i).Url("/")), "QEMU");
  EXPECT_THAT(Look(*plugin).differences, IsEmpty());
}

TEST_F(HaproxyLive, ADrainingServerKeepsItsSessionsAndGetsNoNewOnes) {
  Site site;
  const auto plugin = site.MakeBoth({{"none", "a test"}});
  std::stop_source stop;
  std::vector<std::future<void>> held;
  for (int i : {0, 1, 1})
    held.push_back(std::async(std::launch::async, [&, i] {
      ProbeRequest request;
      request.url = site.lb(i).Url("/hold");
      (void)Invoke(*http_, probe::kProbe, request, CallContext{stop.get_token(), std::chrono::minutes(1)});
    }));
  EXPECT_TRUE(Until([&] { return Server(*plugin, "old").sessions == 3; }, ABit));
  ASSERT_TRUE(Set(*plugin, "new", "ready").ok());
  ASSERT_TRUE(Set(*plugin, "old", "drain").ok());
  EXPECT_EQ(Server(*plugin, "old").state, "drain");
  EXPECT_EQ(Server(*plugin, "old").sessions, 3);
  for (int n = 0; n < 4; ++n) EXPECT_EQ(Get(site.lb(1).Url("/")), "QEMU");
  stop.request_stop();
  for (auto& request : held) request.wait();
  EXPECT_TRUE(Until([&] { return Server(*plugin, "old").sessions == 0; }, ABit));
}

TEST_F(HaproxyLive, AReloadKeepsStatesAndWeightsInStateFiles) {
  Site site;
  const auto plugin = site.MakeBoth(site.KeepInFiles());
  ASSERT_TRUE(Set(*plugin, "new", "ready", 33).ok());
  ASSERT_TRUE(Set(*plugin, "old", "maint").ok());
  for (int i : {0, 1}) {
    site.lb(i).Reload();
    EXPECT_EQ(site.lb(i).StateOf("old"), "maint");
    EXPECT_EQ(site.lb(i).StateOf("new"), "ready");
    EXPECT_EQ(site.lb(i).WeightOf("new"), 33);
    EXPECT_EQ(Get(site.lb(i).Url("/")), "QEMU");
  }
  EXPECT_THAT(Look(*plugin).differences, IsEmpty());
  // And back: what rollback sets survives too.
  ASSERT_TRUE(Set(*plugin, "old", "drain", 100).ok());
  ASSERT_TRUE(Set(*plugin, "new", "maint", 100).ok());
  site.lb(0).Reload();
  EXPECT_EQ(site.lb(0).StateOf("old"), "drain");
  EXPECT_EQ(site.lb(0).StateOf("new"), "maint");
  EXPECT_EQ(site.lb(0).WeightOf("new"), 100);
}

TEST_F(HaproxyLive, WithoutAStateFileAReloadForgetsWhichIsWhyPersistHasNoDefault) {
  Site site(false);
  const auto plugin = site.MakeBoth({{"none", "a test"}});
  ASSERT_TRUE(Set(*plugin, "old", "maint").ok());
  site.lb(0).Reload();
  EXPECT_EQ(site.lb(0).StateOf("old"), "ready");
  EXPECT_THAT(Look(*plugin).differences, Not(IsEmpty()));  // the other instance was not reloaded
}

TEST_F(HaproxyLive, WhatAReloadWouldForgetIsToldBeforeItHappens) {
  Site site;
  const auto plugin = site.MakeBoth(site.KeepInFiles());
  EXPECT_THAT(Look(*plugin).differences, IsEmpty());
  for (int i : {0, 1}) site.lb(i).Ask("set server web/old state maint");  // somebody, by hand
  const auto differences = Look(*plugin).differences;
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_THAT(differences[0], HasSubstr("a reload would make old ready (no state file "));
  site.lb(0).Reload();
  EXPECT_EQ(site.lb(0).StateOf("old"), "ready");  // so it was
}

TEST_F(HaproxyLive, AServerJustMadeReadyIsCheckingUntilAPassedCheck) {
  Site site;
  const auto plugin = site.MakeBoth({{"none", "a test"}});
  ASSERT_TRUE(Set(*plugin, "new", "maint").ok());
  EXPECT_EQ(Server(*plugin, "new").health, "down");
  ASSERT_TRUE(Set(*plugin, "new", "ready").ok());
  std::vector<std::string> seen;
  EXPECT_TRUE(Until(
      [&] {
        const std::string health = Server(*plugin, "new").health;
        if (seen.empty() || seen.back() != health) seen.push_back(health);
        return health == "up";
      },
      ABit));
  // Where the check was quicker than we were, "checking" was not seen; "down" never.
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "down"), 0);
}

TEST_F(HaproxyLive, AServerIsCheckedWhileItDrainsAndGetsNoTraffic) {
  Site site;
  const auto plugin = site.MakeBoth({{"none", "a test"}});
  ASSERT_TRUE(Set(*plugin, "new", "drain").ok());  // from maintenance
  EXPECT_TRUE(Until([&] { return Server(*plugin, "new").health == "up"; }, ABit));
  EXPECT_EQ(Server(*plugin, "new").state, "drain");
  for (int n = 0; n < 4; ++n) EXPECT_EQ(Get(site.lb(0).Url("/")), "VMware");
  site.StopNew();
  EXPECT_TRUE(Until([&] { return Server(*plugin, "new").health == "down"; }, ABit));
}

TEST_F(HaproxyLive, TcpSocketsDoTheSame) {
  Site site;
  const auto plugin = site.Make({site.lb(0).tcp_address()}, {{"none", "a test"}});
  ASSERT_TRUE(Set(*plugin, "old", "drain", 42).ok());
  EXPECT_EQ(site.lb(0).StateOf("old"), "drain");
  EXPECT_EQ(site.lb(0).WeightOf("old"), 42);
  EXPECT_EQ(site.lb(1).StateOf("old"), "ready");
}

TEST_F(HaproxyLive, AnOperatorSocketIsDeniedAndChangesNothing) {
  Site site;
  const auto plugin = site.Make({site.lb(0).unix_address(), site.lb(1).operator_address()}, {{"none", "a test"}});
  const Status set = Set(*plugin, "old", "maint");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kDenied);
  EXPECT_EQ(site.lb(0).StateOf("old"), "ready");
}

TEST_F(HaproxyLive, ADeadInstanceStopsChangesBeforeTheyBeginAndIsNamed) {
  Site site;
  const auto plugin = site.MakeBoth(site.KeepInFiles());
  site.lb(1).Kill();
  const Status set = Set(*plugin, "old", "maint");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(set.error().object, HasSubstr(site.lb(1).unix_address()));
  EXPECT_EQ(site.lb(0).StateOf("old"), "ready");
}

TEST_F(HaproxyLive, ARefusedWeightIsToldInHaproxysWords) {
  Site site(true, "static-rr");
  const auto plugin = site.MakeBoth(site.KeepInFiles());
  const Status set = Set(*plugin, "old", "ready", 5);
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(set.error().message, StartsWith("Backend is using a static LB algorithm"));
}

class LiveLoadBalancer final : public contracts::LoadBalancerHarness {
 public:
  Plugin& plugin() override { return *plugin_; }
  std::string pool() override { return "web"; }
  std::string ready_server() override { return "old"; }
  std::string idle_server() override { return "new"; }
  int instances() override { return 2; }
  std::string StateOn(int instance, const std::string& server) override { return site_.lb(instance).StateOf(server); }
  int WeightOn(int instance, const std::string& server) override { return site_.lb(instance).WeightOf(server); }
  void SetStateOn(int instance, const std::string& server, const std::string& state) override {
    site_.lb(instance).Ask("set server web/" + server + " state " + state);
  }
  bool Breathe() override { return ABit(); }

 private:
  Site site_;
  std::shared_ptr<Plugin> plugin_ = site_.MakeBoth(site_.KeepInFiles());
};

class LiveProbe final : public contracts::ProbeHarness {
 public:
  Plugin& plugin() override { return *plugin_; }
  std::string healthy_url() override { return server_.Url("/"); }
  std::string healthy_text() override { return "QEMU"; }
  std::string sick_url() override { return server_.Url("/sick"); }
  std::string closed_url() override { return "http://127.0.0.1:" + std::to_string(testing_http::FreePort()) + "/"; }
  std::string long_url() override { return server_.Url("/long"); }

 private:
  TestServer server_{[](const std::string& head) { return Whoami(head, "QEMU"); }};
  std::shared_ptr<Plugin> plugin_ = *HttpKind().make(PluginSetup{"web", Json::object(), nullptr});
};

}  // namespace
}  // namespace vmferry::live

namespace vmferry::contracts {

INSTANTIATE_TEST_SUITE_P(Haproxy, LoadBalancerContract,
                         testing::Values(Maker<LoadBalancerHarness>{
                             "TwoInstances", [] { return std::make_unique<live::LiveLoadBalancer>(); }}),
                         MakerName());
INSTANTIATE_TEST_SUITE_P(Http, ProbeContract,
                         testing::Values(Maker<ProbeHarness>{"Plain",
                                                             [] { return std::make_unique<live::LiveProbe>(); }}),
                         MakerName());

}  // namespace vmferry::contracts
