// SPDX-License-Identifier: Apache-2.0
#include "tests/contracts/load_balancer_contract.h"

namespace vmferry::contracts {

LbServer LoadBalancerContract::Server(const std::string& name) {
  const auto facts = Ask(load_balancer::kDescribePool, LbQuery{harness_->pool()});
  EXPECT_GOOD(facts);
  if (facts)
    for (const LbServer& server : facts->servers)
      if (server.name == name) return server;
  ADD_FAILURE() << "no server " << name;
  return LbServer{};
}

void LoadBalancerContract::ExpectEverywhere(const std::string& server, const std::string& state) {
  EXPECT_EQ(Server(server).state, state);
  for (int instance = 0; instance < harness_->instances(); ++instance)
    EXPECT_EQ(harness_->StateOn(instance, server), state) << "instance " << instance;
}

TEST_P(LoadBalancerContract, PoolIsDescribed) {
  const auto facts = Ask(load_balancer::kDescribePool, LbQuery{harness_->pool()});
  ASSERT_GOOD(facts);
  EXPECT_EQ(facts->pool, harness_->pool());
  EXPECT_EQ(facts->instances.size(), static_cast<std::size_t>(harness_->instances()));
  EXPECT_TRUE(facts->differences.empty()) << facts->differences.at(0);
  const LbServer ready = Server(harness_->ready_server());
  EXPECT_EQ(ready.state, "ready");
  EXPECT_FALSE(ready.address.empty());
  EXPECT_GT(ready.weight, 0);
  EXPECT_EQ(Server(harness_->idle_server()).state, "maint");
}

TEST_P(LoadBalancerContract, HealthyServerBecomesUp) {
  const auto healthy = [&] { return Server(harness_->ready_server()).health == "up"; };
  EXPECT_TRUE(Until(healthy, [&] { return harness_->Breathe(); }));
}

TEST_P(LoadBalancerContract, StateIsSetOnEveryInstanceAndMayBeRepeated) {
  const std::string server = harness_->ready_server();
  for (const char* state : {"drain", "maint", "ready"}) {
    const SetServerRequest request{harness_->pool(), server, state, -1};
    ASSERT_GOOD(Ask(load_balancer::kSetServer, request));
    ExpectEverywhere(server, state);
    ASSERT_GOOD(Ask(load_balancer::kSetServer, request));
    ExpectEverywhere(server, state);
  }
}

TEST_P(LoadBalancerContract, OtherServersStayAsTheyAre) {
  ASSERT_GOOD(
      Ask(load_balancer::kSetServer, SetServerRequest{harness_->pool(), harness_->ready_server(), "maint", -1}));
  ExpectEverywhere(harness_->idle_server(), "maint");
  ASSERT_GOOD(Ask(load_balancer::kSetServer, SetServerRequest{harness_->pool(), harness_->idle_server(), "ready", -1}));
  ExpectEverywhere(harness_->ready_server(), "maint");
}

TEST_P(LoadBalancerContract, WeightIsSetWhenGivenAndKeptOtherwise) {
  const std::string server = harness_->ready_server();
  const int before = Server(server).weight;
  ASSERT_GOOD(Ask(load_balancer::kSetServer, SetServerRequest{harness_->pool(), server, "drain", -1}));
  for (int i = 0; i < harness_->instances(); ++i) EXPECT_EQ(harness_->WeightOn(i, server), before);
  ASSERT_GOOD(Ask(load_balancer::kSetServer, SetServerRequest{harness_->pool(), server, "ready", 7}));
  EXPECT_EQ(Server(server).weight, 7);
  for (int i = 0; i < harness_->instances(); ++i) EXPECT_EQ(harness_->WeightOn(i, server), 7);
  ASSERT_GOOD(Ask(load_balancer::kSetServer, SetServerRequest{harness_->pool(), server, "ready", before}));
  EXPECT_EQ(Server(server).weight, before);
}

TEST_P(LoadBalancerContract, MissingPoolAndServerAreNotFoundAndNamed) {
  const auto pool = Ask(load_balancer::kDescribePool, LbQuery{"nopool7"});
  EXPECT_KIND(pool, ErrorKind::kNotFound);
  EXPECT_NE(Text(pool).find("nopool7"), std::string::npos) << Text(pool);
  const auto server = Ask(load_balancer::kSetServer, SetServerRequest{harness_->pool(), "noserver7", "ready", -1});
  EXPECT_KIND(server, ErrorKind::kNotFound);
  EXPECT_NE(Text(server).find("noserver7"), std::string::npos) << Text(server);
  EXPECT_KIND(Ask(load_balancer::kSetServer, SetServerRequest{"nopool7", "noserver7", "ready", -1}),
              ErrorKind::kNotFound);
}

TEST_P(LoadBalancerContract, WhetherAServerCanBeSetIsToldAndNothingIs) {
  for (const std::string& server : {harness_->ready_server(), harness_->idle_server()})
    EXPECT_GOOD(Ask(load_balancer::kCheckSetServer, LbServerQuery{harness_->pool(), server}));
  ExpectEverywhere(harness_->ready_server(), "ready");
  ExpectEverywhere(harness_->idle_server(), "maint");
  const auto server = Ask(load_balancer::kCheckSetServer, LbServerQuery{harness_->pool(), "noserver7"});
  EXPECT_KIND(server, ErrorKind::kNotFound);
  EXPECT_NE(Text(server).find("noserver7"), std::string::npos) << Text(server);
  EXPECT_KIND(Ask(load_balancer::kCheckSetServer, LbServerQuery{"nopool7", "noserver7"}), ErrorKind::kNotFound);
}

TEST_P(LoadBalancerContract, UnknownStateIsInvalidAndChangesNothing) {
  const std::string server = harness_->ready_server();
  EXPECT_KIND(Ask(load_balancer::kSetServer, SetServerRequest{harness_->pool(), server, "sleepy", -1}),
              ErrorKind::kInvalid);
  ExpectEverywhere(server, "ready");
}

TEST_P(LoadBalancerContract, DifferencesAreToldAndTheWorstStateCounts) {
  if (harness_->instances() < 2) GTEST_SKIP() << "one instance cannot differ";
  const std::string server = harness_->ready_server();
  harness_->SetStateOn(1, server, "maint");
  const auto facts = Ask(load_balancer::kDescribePool, LbQuery{harness_->pool()});
  ASSERT_GOOD(facts);
  ASSERT_FALSE(facts->differences.empty());
  EXPECT_NE(facts->differences.at(0).find(server), std::string::npos) << facts->differences.at(0);
  EXPECT_EQ(Server(server).state, "maint");
  ASSERT_GOOD(Ask(load_balancer::kSetServer, SetServerRequest{harness_->pool(), server, "ready", -1}));
  ExpectEverywhere(server, "ready");
}

}  // namespace vmferry::contracts
