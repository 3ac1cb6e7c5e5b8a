// SPDX-License-Identifier: Apache-2.0
//
// target_network_policy_validated: each way in which a network may differ from what was declared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "stage.h"
#include "steps/contradictions.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

class NetworkPolicyStep : public testing::Test {
 protected:
  NetworkPolicyStep() : life(stage.LifeOf(step)) {}
  void World(const std::function<void(FakeHost&)>& change) {
    stage.Change([&](WorldData& world) { change(world.host); });
  }
  // The same error from the run, and a problem of the dry run.
  void ExpectRefused(ErrorKind kind, const std::string& object, const std::string& why) {
    const Result<Progress> end = stage.Finish(step, life);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().kind, kind) << Describe(end.error());
    EXPECT_THAT(end.error().object, HasSubstr(object));
    EXPECT_THAT(end.error().message, HasSubstr(why));
    EXPECT_FALSE(end.error().advice.empty());
    EXPECT_FALSE(end.error().system.empty());
    const Result<Forecast> forecast = stage.Predict(step, life);
    ASSERT_TRUE(forecast);
    ASSERT_FALSE(forecast->problems.empty());
    EXPECT_THAT(Describe(forecast->problems[0]), HasSubstr(object));
  }

  const Step& step = *FindStep("target_network_policy_validated");
  Stage stage;
  Life life;
};

TEST_F(NetworkPolicyStep, TellsWhatItFound) {
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_TRUE(end) << Describe(end.error());
  EXPECT_EQ(life.facts["networks"], Json::array({"network:default"}));
  EXPECT_EQ(life.facts["filters"][0]["rules"].size(), 2u);
  ASSERT_EQ(life.facts["flows"].size(), 5u);
  EXPECT_EQ(life.facts["flows"][1], (Json{{"flow", "tcp 10.0.0.2:22"}, {"declared", "deny"}, {"outcome", "filtered"}}));
}

TEST_F(NetworkPolicyStep, AMissingNetwork) {
  World([](FakeHost& host) { host.networks = {"lan"}; });
  ExpectRefused(ErrorKind::kInvalid, "network:default", "the target has no such network");
}

TEST_F(NetworkPolicyStep, AnInactiveNetwork) {
  World([](FakeHost& host) { host.inactive_networks = {"default"}; });
  ExpectRefused(ErrorKind::kInvalid, "network:default", "it is not active");
}

TEST_F(NetworkPolicyStep, AMissingFilter) {
  World([](FakeHost& host) { host.filters.clear(); });
  ExpectRefused(ErrorKind::kNotFound, "filter shop", "the target has no such network filter");
}

TEST_F(NetworkPolicyStep, AMissingRule) {
  World([](FakeHost& host) { host.filters[0].rules = {"in accept tcp 80 from 10.0.0.0/8"}; });
  ExpectRefused(ErrorKind::kConflict, "filter shop", "rule `in drop all` is missing");
}

TEST_F(NetworkPolicyStep, ARuleThatIsNotDeclared) {
  World([](FakeHost& host) { host.filters[0].rules.insert(host.filters[0].rules.begin(), "in accept tcp 22"); });
  ExpectRefused(ErrorKind::kConflict, "filter shop", "rule `in accept tcp 22` is not declared");
}

TEST_F(NetworkPolicyStep, AChangedRuleIsNamedBothWays) {
  World([](FakeHost& host) { host.filters[0].rules[0] = "in accept tcp 80"; });
  ExpectRefused(ErrorKind::kConflict, "filter shop", "rule `in accept tcp 80 from 10.0.0.0/8` is missing");
  EXPECT_THAT(stage.Finish(step, life).error().message, HasSubstr("rule `in accept tcp 80` is not declared"));
}

TEST_F(NetworkPolicyStep, TheSameRulesInAnotherOrder) {
  World([](FakeHost& host) { std::swap(host.filters[0].rules[0], host.filters[0].rules[1]); });
  ExpectRefused(ErrorKind::kConflict, "filter shop", "applied in another order: `in drop all` comes where");
}

TEST_F(NetworkPolicyStep, ADeniedFlowThatIsOpen) {
  World([](FakeHost& host) { host.flows["10.0.0.2:22"] = "connected"; });
  ExpectRefused(ErrorKind::kConflict, "flow tcp 10.0.0.2:22", "declared denied, and the connection comes about");
}

// A port on which nothing listened passed for one that the network denies. The host's own refusal shows that the
// network lets connections through.
TEST_F(NetworkPolicyStep, ADeniedFlowThatTheHostRefuses) {
  World([](FakeHost& host) { host.flows["10.0.0.2:22"] = "refused"; });
  ExpectRefused(ErrorKind::kConflict, "flow tcp 10.0.0.2:22", "most likely the host itself answered");
  life = stage.LifeOf(step);
  life.parameters["refusedIs"] = "denied";
  EXPECT_TRUE(stage.Finish(step, life));
}

TEST_F(NetworkPolicyStep, ADeniedFlowThatIsOpenInALaterRound) {
  World([](FakeHost& host) { host.flows["10.0.0.2:112"] = "connected"; });
  const Result<Progress> end = stage.Finish(step, life);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().object, "flow tcp 10.0.0.2:112");
  // Closed again: what was good stays, the rest is tried again.
  World([](FakeHost& host) { host.flows.erase("10.0.0.2:112"); });
  EXPECT_TRUE(stage.Finish(step, life));
}

TEST_F(NetworkPolicyStep, AnAllowedFlowThatDoesNotComeAbout) {
  World([](FakeHost& host) { host.flows["10.0.0.2:80"] = "filtered"; });
  ExpectRefused(ErrorKind::kConflict, "flow tcp 10.0.0.2:80",
                "declared allowed and does not come about: the connection is filtered");
}

// A denied flow is not proven by a name that does not resolve.
TEST_F(NetworkPolicyStep, AFlowThatProvesNothing) {
  World([](FakeHost& host) { host.flows["10.0.0.2:22"] = "unresolved"; });
  const Result<Progress> round = stage.Round(step, life);
  ASSERT_FALSE(round);
  EXPECT_EQ(round.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(round.error().message, HasSubstr("does not resolve"));
}

TEST_F(NetworkPolicyStep, AProgramOfTheSiteMayTryTheFlows) {
  life.parameters.erase("flowProbe");
  life.parameters["flowCommand"] = "http";  // ends with 0 whatever it is asked: all is open from there
  ExpectRefused(ErrorKind::kConflict, "flow tcp 10.0.0.2:22", "declared denied, and the connection comes about");
  life = stage.LifeOf(step);
  life.parameters.erase("flowProbe");
  life.parameters.erase("deny");
  life.parameters["flowCommand"] = "http";
  EXPECT_TRUE(stage.Finish(step, life));
}

std::string First(const Json& parameters) {
  const auto found = Contradictions("target_network_policy_validated", parameters);
  return found.empty() ? "" : found.front().message + " / " + found.front().hint;
}

TEST(NetworkPolicy, IsDeclaredInAWayThatCanBeChecked) {
  EXPECT_THAT(First(Json::object()), HasSubstr("no policy is declared"));
  EXPECT_THAT(First({{"filters", {"web"}}}), HasSubstr("filter `web` has no `rules`"));
  EXPECT_THAT(First({{"filters", {"web"}}, {"rules", {"in open tcp"}}}), HasSubstr("second word is not accept"));
  EXPECT_THAT(First({{"filters", {"web", "db"}}, {"rules", {"in drop all"}}}), HasSubstr("is for no filter"));
  EXPECT_THAT(First({{"filters", {"web"}}, {"rules", {"db: in drop all"}}}), HasSubstr("is for no filter"));
  EXPECT_THAT(First({{"allow", {"tcp a:80"}}}), HasSubstr("nobody tries the flows"));
  EXPECT_THAT(First({{"allow", {"tcp a:80"}}, {"flowProbe", "x"}, {"flowCommand", "y"}}),
              HasSubstr("exclude each other"));
  for (const char* flow : {"udp a:53", "tcp a", "tcp a:0", "tcp a:65536", "tcp :80", "tcp fd00::5:443", "tcp a:80x"})
    EXPECT_THAT(First({{"deny", {flow}}, {"flowProbe", "x"}}), HasSubstr("is no flow that can be tried")) << flow;
  // Without a control a prober that reaches nothing at all found every denied flow denied.
  EXPECT_THAT(First({{"deny", {"tcp a:80"}}, {"flowProbe", "x"}}), HasSubstr("`deny` stands without `allow`"));
  EXPECT_THAT(First({{"allow", {"a:1"}}, {"flowProbe", "x"}, {"flowTimeout", 6000}}), HasSubstr("longer than 5s"));
  EXPECT_EQ(First({{"filters", {"web", "db"}},
                   {"rules", {"web: in drop all", "db: include clean-traffic"}},
                   {"allow", {"tcp [fd00::5]:443"}},
                   {"deny", {"b:22"}},
                   {"flowProbe", "x"}}),
            "");
}

}  // namespace
}  // namespace vmferry
