// SPDX-License-Identifier: Apache-2.0
//
// The fake as metrics server, alert router and place of signals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/alerts.h"
#include "plugins/fake/fake.h"
#include "plugins/fake/world_json.h"
#include "plugins/metrics.h"
#include "plugins/probe.h"
#include "plugins/signal.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

class FakeMonitoringTest : public testing::Test {
 protected:
  FakeMonitoringTest() {
    WorldData data;
    FakeRule rule;
    rule.facts.name = "Trial";
    rule.facts.health = "ok";
    rule.metric = "trial";
    rule.pending_polls = 1;
    data.monitoring.rules = {rule};
    data.monitoring.answers["up"] = {{{{"job", "a"}}, "NaN", 7}};
    data.endpoints["receiver"].receiver = true;
    world_ = std::make_shared<World>(std::move(data));
    plugin_ = MakeFake("all", world_);
  }
  template <class Request, class Answer>
  Answer Ask(const Call<Request, Answer>& call, const Request& request) {
    const Result<Answer> answer = Invoke(*plugin_, call, request, CallContext{});
    EXPECT_TRUE(answer) << Describe(answer.error());
    return answer ? *answer : Answer();
  }
  std::string RuleState() { return Ask(metrics::kRules, AlertRulesQuery{"Trial"}).rules.at(0).state; }
  std::size_t Active() { return Ask(alerts::kActive, AlertsQuery{"Trial", {{"key", "k"}}}).alerts.size(); }
  bool Received() {
    ProbeRequest request;
    request.url = "http://receiver/";
    request.expect_body = "key=k";
    return Ask(probe::kProbe, request).healthy;
  }

  std::shared_ptr<World> world_;
  std::shared_ptr<Plugin> plugin_;
};

TEST_F(FakeMonitoringTest, AnAlertGoesItsWayWithTheLooks) {
  EXPECT_EQ(RuleState(), "inactive");
  Ask(signals::kEnsure, SetSignalRequest{"trial", {{"key", "k"}}, 1});
  EXPECT_EQ(RuleState(), "pending");
  EXPECT_EQ(Active(), 0U);
  EXPECT_FALSE(Received());
  EXPECT_EQ(RuleState(), "firing");
  EXPECT_EQ(Active(), 1U);
  EXPECT_TRUE(Received());
  Ask(signals::kEnsureGone, SignalQuery{"trial", {{"key", "k"}}});
  EXPECT_EQ(RuleState(), "inactive");
  EXPECT_EQ(Active(), 0U);
  EXPECT_TRUE(Received()) << "what was received stays";
}

TEST_F(FakeMonitoringTest, WritesAreRepeatableAndRecordedOnce) {
  for (int i = 0; i < 2; ++i) Ask(signals::kEnsure, SetSignalRequest{"trial", {}, 1});
  for (int i = 0; i < 2; ++i) Ask(signals::kEnsureGone, SignalQuery{"trial", {}});
  const WorldData world = world_->Copy();
  ASSERT_EQ(world.history.size(), 2U);
  EXPECT_EQ(world.history[0].effect, "signal");
  EXPECT_EQ(world.history[1].effect, "no-signal");
}

TEST_F(FakeMonitoringTest, AWorldKeepsItInItsFile) {
  Ask(signals::kEnsure, SetSignalRequest{"trial", {{"key", "k"}}, 0.5});
  const Json json = WorldToJson(world_->Copy());
  const Result<WorldData> again = WorldFromJson(json);
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(WorldToJson(*again), json);
  ASSERT_EQ(again->monitoring.signals.size(), 1U);
  EXPECT_EQ(again->monitoring.signals[0].value, 0.5);
  EXPECT_EQ(again->monitoring.answers.at("up").at(0).value, "NaN");
}

}  // namespace
}  // namespace vmferry
