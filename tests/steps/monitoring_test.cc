// SPDX-License-Identifier: Apache-2.0
//
// The checks on metrics and the trial of an alert: each passes once (the contract), and each reason to fail is told as
// what it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "stage.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using testing::HasSubstr;
using testing::Not;

FakeMonitoring& Of(WorldData& world) {
  return world.monitoring;
}

class Monitoring : public testing::Test {
 protected:
  const Step& step(const std::string& name) const { return *FindStep(name); }
  void Change(const std::function<void(FakeMonitoring&)>& act) {
    stage_.Change([&](WorldData& world) { act(Of(world)); });
  }
  void Answer(const std::string& query, const std::vector<std::string>& values) {
    Change([&](FakeMonitoring& world) {
      world.answers[query].clear();
      for (const std::string& value : values) world.answers[query].push_back({{{"i", value}}, value, 0});
    });
  }
  // One round once the window is over.
  Result<Progress> AfterTheWindow(const std::string& name) {
    Life life = stage_.LifeOf(step(name));
    life.elapsed = minutes(5);
    return stage_.Round(step(name), life);
  }
  Stage stage_;
};

class MonitoringReady : public Monitoring {
 protected:
  Error Refused() {
    Life life = stage_.LifeOf(step("target_monitoring_ready"));
    const Result<Progress> progress = stage_.Round(step("target_monitoring_ready"), life);
    EXPECT_FALSE(progress);
    return progress ? Error() : progress.error();
  }
};

TEST_F(MonitoringReady, ATargetThatIsDownIsToldWithItsError) {
  Change([](FakeMonitoring& world) { world.targets[0].health = "down", world.targets[0].last_error = "no route"; });
  const Error error = Refused();
  EXPECT_EQ(error.kind, ErrorKind::kConflict);
  EXPECT_EQ(error.object, "scrape target node/kvm:9100");
  EXPECT_EQ(error.message, "it is down: no route");
}

TEST_F(MonitoringReady, ATargetThatIsMissingIsNotFound) {
  Change([](FakeMonitoring& world) { world.targets.clear(); });
  const Error error = Refused();
  EXPECT_EQ(error.kind, ErrorKind::kNotFound);
  EXPECT_THAT(error.message, HasSubstr("there is no such scrape target"));
  EXPECT_THAT(error.message, HasSubstr("scrape target shop")) << "planned targets must be configured";
}

TEST_F(MonitoringReady, ATargetThatIsNotScrapedAnyMoreDoesNotReport) {
  Change([](FakeMonitoring& world) { world.targets[0].last_scrape_ms = world.now_ms - 61000; });
  EXPECT_EQ(Refused().message, "its last scrape was 1m 1s ago, more than 1m");
  Change([](FakeMonitoring& world) { world.targets[0].last_scrape_ms = world.now_ms - 60000; });
  Life life = stage_.LifeOf(step("target_monitoring_ready"));
  EXPECT_TRUE(stage_.Round(step("target_monitoring_ready"), life));
}

TEST_F(MonitoringReady, ATargetThatWasNeverScrapedIsWaitedFor) {
  Change([](FakeMonitoring& world) { world.targets[0].health = "unknown", world.targets[0].last_scrape_ms = 0; });
  EXPECT_EQ(Refused().kind, ErrorKind::kUnavailable);
}

TEST_F(MonitoringReady, OfAJobEveryInstanceCounts) {
  Change([](FakeMonitoring& world) {
    world.targets.push_back(world.targets[0]);
    world.targets.back().instance = "kvm2:9100";
    world.targets.back().health = "down";
  });
  Life life = stage_.LifeOf(step("target_monitoring_ready"));
  EXPECT_TRUE(stage_.Round(step("target_monitoring_ready"), life)) << "the other instance was not asked for";
  life.parameters["targets"] = {"node"};
  const Result<Progress> progress = stage_.Round(step("target_monitoring_ready"), life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().object, "scrape target node/kvm2:9100");
}

TEST_F(MonitoringReady, AMetricWithoutSamplesAndOneOfNaNAreNoData) {
  Answer("http_requests_total", {});
  EXPECT_EQ(Refused().message, "it has no samples now");
  Answer("http_requests_total", {"NaN", "NaN"});
  EXPECT_EQ(Refused().message, "all its samples are NaN");
  Answer("http_requests_total", {"NaN", "3"});
  Life life = stage_.LifeOf(step("target_monitoring_ready"));
  EXPECT_TRUE(stage_.Round(step("target_monitoring_ready"), life));
}

// Of a partial answer only the samples were looked at, and those that were there were enough. It is not ready now.
TEST_F(MonitoringReady, APartialAnswerIsNotReady) {
  Change([](FakeMonitoring& world) { world.warnings = "store 10.0.0.7: no response"; });
  const Error error = Refused();
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("store 10.0.0.7: no response"));
}

TEST_F(MonitoringReady, ARuleThatIsNotLoadedOrBrokenIsTold) {
  Change([](FakeMonitoring& world) { world.rules[0].facts.health = "err", world.rules[0].facts.last_error = "boom"; });
  EXPECT_EQ(Refused().message, "its evaluation fails: boom");
  Change([](FakeMonitoring& world) { world.rules.erase(world.rules.begin()); });
  const Error error = Refused();
  EXPECT_EQ(error.kind, ErrorKind::kNotFound);
  EXPECT_EQ(error.object, "alert rule ShopDown");
  EXPECT_EQ(error.message, "it is not loaded");
}

TEST_F(MonitoringReady, TellsEverythingAtOnce) {
  Change([](FakeMonitoring& world) { world.targets.clear(), world.answers.clear(), world.rules.clear(); });
  Life life = stage_.LifeOf(step("target_monitoring_ready"));
  const Result<Forecast> forecast = stage_.Predict(step("target_monitoring_ready"), life);
  ASSERT_TRUE(forecast);
  EXPECT_EQ(forecast->problems.size(), 7U) << "two baselines are among them";
  const std::string message = Refused().message;
  for (const char* what : {"scrape target shop", "metric http_requests_total", "alert rule ShopTrial"})
    EXPECT_THAT(message, HasSubstr(what));
}

TEST_F(Monitoring, NothingIsAskedBeforeTheWindowIsOver) {
  Answer("p95", {"9"});  // the source's
  Life life = stage_.LifeOf(step("p95_latency_within_slo"));
  stage_.BeforeCalls([](const CallSpec&) { ADD_FAILURE() << "asked"; });
  for (const milliseconds elapsed : {milliseconds(0), milliseconds(299999)}) {
    life.elapsed = elapsed;
    const Result<Progress> progress = stage_.Round(step("p95_latency_within_slo"), life);
    ASSERT_TRUE(progress);
    EXPECT_EQ(progress->state, Progress::State::kNotYet);
    EXPECT_EQ(progress->after, minutes(5) - elapsed);
    EXPECT_THAT(progress->meter.text, HasSubstr("the window of 5m after the traffic switch is not over yet"));
  }
}

TEST_F(Monitoring, WithinTheObjectiveIsDoneWithTheNumbers) {
  const Result<Progress> latency = AfterTheWindow("p95_latency_within_slo");
  ASSERT_TRUE(latency) << Describe(latency.error());
  EXPECT_EQ(latency->state, Progress::State::kDone);
  EXPECT_EQ(latency->facts, (Json{{"p95Ms", 120.0}, {"sloMs", 300.0}, {"samples", 500.0}}));
  const Result<Progress> errors = AfterTheWindow("error_rate_below_threshold");
  ASSERT_TRUE(errors) << Describe(errors.error());
  EXPECT_EQ(errors->facts, (Json{{"errorRate", 0.001}, {"threshold", 0.01}, {"samples", 500.0}}));
}

TEST_F(Monitoring, BeyondTheObjectiveFailsAtOnce) {
  Answer("p95", {"0.812"});
  const Result<Progress> latency = AfterTheWindow("p95_latency_within_slo");
  ASSERT_FALSE(latency);
  EXPECT_EQ(latency.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(latency.error().object, "query p95");
  EXPECT_EQ(latency.error().message, "the 95th percentile of latency is 812ms, more than 300ms (from 500 samples)");
  Answer("errors", {"0.02"});
  const Result<Progress> errors = AfterTheWindow("error_rate_below_threshold");
  ASSERT_FALSE(errors);
  EXPECT_EQ(errors.error().message, "the error rate is 2%, more than 1% (from 500 samples)");
}

TEST_F(Monitoring, WhatDoesNotTellIsWaitedForAndSaysWhatItIs) {
  struct Doubt {
    std::vector<std::string> value, samples;
    std::string words;
  };
  for (const Doubt& doubt :
       {Doubt{{}, {"500"}, "no data: no data: no series"}, Doubt{{"NaN"}, {"500"}, "NaN"},
        Doubt{{"+Inf"}, {"500"}, "inconclusive: the value is +Inf"},
        Doubt{{"0.1"}, {"99"}, "too few samples: 99 of at least 100"}, Doubt{{"9"}, {"99"}, "too few samples"},
        Doubt{{"0.1"}, {}, "the number of samples: no data"}}) {
    Answer("p95", doubt.value);
    Answer("requests", doubt.samples);
    const Result<Progress> progress = AfterTheWindow("p95_latency_within_slo");
    ASSERT_TRUE(progress) << Describe(progress.error());
    EXPECT_EQ(progress->state, Progress::State::kNotYet) << doubt.words;
    EXPECT_THAT(progress->meter.text, HasSubstr(doubt.words));
  }
}

TEST_F(Monitoring, AQueryThatGivesSeveralValuesOrNoneEverIsRefused) {
  Answer("errors", {"0.001", "0.002"});
  const Result<Progress> several = AfterTheWindow("error_rate_below_threshold");
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(several.error().message, HasSubstr("2 series where one is expected"));
  EXPECT_FALSE(several.error().system.empty());
  Change([](FakeMonitoring& world) { world.refusals["errors"] = "parse error: unexpected end of input"; });
  const Result<Progress> refused = AfterTheWindow("error_rate_below_threshold");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "parse error: unexpected end of input");
  const Result<Forecast> forecast =
      stage_.Predict(step("error_rate_below_threshold"), stage_.LifeOf(step("error_rate_below_threshold")));
  ASSERT_EQ(forecast->problems.size(), 1U) << "a dry run finds it before anything is moved";
}

TEST_F(Monitoring, AQueryThatLooksBehindTheSwitchIsRefused) {
  Life life = stage_.LifeOf(step("p95_latency_within_slo"));
  life.parameters["query"] = "histogram_quantile(0.95, rate(latency[10m]))";
  const Result<Progress> progress = stage_.Round(step("p95_latency_within_slo"), life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(progress.error().message, HasSubstr("it looks back 10m, longer than the window of 5m"));
  EXPECT_EQ(stage_.Predict(step("p95_latency_within_slo"), life)->problems.size(), 1U);
}

TEST_F(Monitoring, AThresholdThatIsNoShareIsRefused) {
  for (const char* text : {"none", "200%", "-1"}) {
    Life life = stage_.LifeOf(step("error_rate_below_threshold"));
    life.parameters["threshold"] = text;
    const Result<Progress> progress = stage_.Round(step("error_rate_below_threshold"), life);
    ASSERT_FALSE(progress) << text;
    EXPECT_THAT(progress.error().message, HasSubstr("is no share of the requests"));
    EXPECT_EQ(stage_.Predict(step("error_rate_below_threshold"), life)->problems.size(), 1U);
  }
}

TEST_F(Monitoring, ZeroSamplesAreTooFewWhateverIsAskedFor) {
  Answer("requests", {"0"});
  Life life = stage_.LifeOf(step("p95_latency_within_slo"));
  life.parameters["minSamples"] = 0;
  life.elapsed = minutes(5);
  const Result<Progress> progress = stage_.Round(step("p95_latency_within_slo"), life);
  ASSERT_TRUE(progress);
  EXPECT_THAT(progress->meter.text, HasSubstr("too few samples: 0 of at least 1"));
}

class Alerting : public Monitoring {
 protected:
  const Step& trial() const { return step("alerting_signals_present"); }
  // What the step says after so many rounds; the signal stands then.
  std::string SaidAfter(int rounds) {
    Life life = stage_.LifeOf(trial());
    std::string said;
    for (int i = 0; i < rounds; ++i) {
      const Result<Progress> progress = stage_.Round(trial(), life);
      EXPECT_TRUE(progress) << Describe(progress.error());
      if (!progress) return "";
      EXPECT_EQ(progress->state, Progress::State::kNotYet);
      said = progress->meter.text;
    }
    EXPECT_EQ(stage_.Look().monitoring.signals.size(), 1U);
    return said;
  }
};

TEST_F(Alerting, TheSignalCarriesTheKeyAndIsClearedWhenTheAlertCame) {
  Life life = stage_.LifeOf(trial());
  const Result<Progress> done = stage_.Finish(trial(), life);
  ASSERT_TRUE(done) << Describe(done.error());
  EXPECT_EQ(life.facts["vmferry"], life.key.substr(0, 12));
  const WorldData world = stage_.Look();
  EXPECT_TRUE(world.monitoring.signals.empty());
  ASSERT_EQ(world.monitoring.received.size(), 1U);
  EXPECT_THAT(world.monitoring.received[0], HasSubstr("vmferry=" + life.key.substr(0, 12)));
  EXPECT_EQ(world.history.at(world.history.size() - 2).effect, "signal");
  EXPECT_EQ(world.history.back().effect, "no-signal");
}

TEST_F(Alerting, ARuleThatIsNotLoadedFailsBeforeAnythingIsRaised) {
  Change([](FakeMonitoring& world) { world.rules.pop_back(); });
  Life life = stage_.LifeOf(trial());
  const Result<Progress> progress = stage_.Finish(trial(), life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(progress.error().object, "alert rule ShopTrial");
  EXPECT_TRUE(stage_.Look().monitoring.signals.empty());
  EXPECT_EQ(stage_.Predict(trial(), life)->problems.size(), 1U);
}

TEST_F(Alerting, SaysThatTheSignalIsNotScraped) {
  Change([](FakeMonitoring& world) { world.rules.back().metric = "something_else"; });
  EXPECT_THAT(SaidAfter(3), HasSubstr("has not scraped the signal vmferry_alert_trial{vmferry="));
}

TEST_F(Alerting, SaysThatTheRuleDoesNotSeeTheSignal) {
  const std::string mark = stage_.LifeOf(trial()).key.substr(0, 12);
  Change([](FakeMonitoring& world) { world.rules.back().metric = "something_else"; });
  Answer("vmferry_alert_trial{vmferry=\"" + mark + "\"}", {"1"});
  EXPECT_THAT(SaidAfter(3), HasSubstr("rule ShopTrial is inactive: its expression does not see"));
}

TEST_F(Alerting, SaysThatTheRuleDropsTheLabels) {
  Change([](FakeMonitoring& world) { world.rules.back().drops_labels = true; });
  EXPECT_THAT(SaidAfter(6), HasSubstr("rule ShopTrial is firing, but not with the label vmferry="));
}

TEST_F(Alerting, SaysThatTheRuleIsPending) {
  Change([](FakeMonitoring& world) { world.rules.back().pending_polls = 100; });
  EXPECT_THAT(SaidAfter(5), HasSubstr("rule ShopTrial is pending"));
}

TEST_F(Alerting, SaysThatTheRouterLacksTheAlert) {
  Change([](FakeMonitoring& world) { world.routed = false; });
  EXPECT_THAT(SaidAfter(6),
              HasSubstr("rule ShopTrial is firing; watch (fake world in memory) does not have the alert"));
}

TEST_F(Alerting, SaysThatTheAlertIsSilenced) {
  Change([](FakeMonitoring& world) { world.suppressed = true; });
  EXPECT_THAT(SaidAfter(6), HasSubstr("has the alert, silenced by s1"));
}

TEST_F(Alerting, SaysThatTheReceiverDidNotGetIt) {
  Change([](FakeMonitoring& world) { world.delivered = false; });
  const std::string said = SaidAfter(6);
  EXPECT_THAT(said,
              HasSubstr("has the alert (active), for pager; the receiver http://receiver.example/ does not show it"));
}

TEST_F(Alerting, AReceiverThatIsGoneIsSaidAndForetold) {
  stage_.Change([](WorldData& world) { world.endpoints.erase("receiver.example"); });
  EXPECT_THAT(SaidAfter(6), HasSubstr("the receiver http://receiver.example/ does not show it: cannot resolve"));
  const Result<Forecast> forecast = stage_.Predict(trial(), stage_.LifeOf(trial()));
  ASSERT_EQ(forecast->problems.size(), 1U);
  EXPECT_THAT(forecast->problems[0].message, HasSubstr("it does not show what it got"));
}

TEST_F(Alerting, AnAlertOfAnotherRunIsNotOurs) {
  Change([](FakeMonitoring& world) {
    world.received = {"firing alertname=ShopTrial vmferry=000000000000"};
    world.delivered = false;
  });
  EXPECT_THAT(SaidAfter(6), HasSubstr("does not show it"));
}

// The lab found this: a second rule on the same metric brought the mark to the receiver, an alert without it the name.
TEST_F(Alerting, NameAndMarkOfTwoAlertsAreNoReceipt) {
  const std::string mark = stage_.LifeOf(trial()).key.substr(0, 12);
  Change([&](FakeMonitoring& world) {
    world.rules.back().drops_labels = true;
    world.received = {"firing alertname=Other vmferry=" + mark};
  });
  const std::string said = SaidAfter(6);
  EXPECT_THAT(said, HasSubstr("but not with the label vmferry="));
  EXPECT_THAT(said, HasSubstr("what the receiver shows is another alert's"));
}

TEST_F(Alerting, UndoClearsTheSignalWhateverBecameOfTheAlert) {
  Change([](FakeMonitoring& world) { world.routed = false; });
  Life life = stage_.LifeOf(trial());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stage_.Round(trial(), life));
  Change([](FakeMonitoring& world) { world.rules.clear(); });
  ASSERT_EQ(stage_.Look().monitoring.signals.size(), 1U);
  ASSERT_TRUE(stage_.Finish(trial(), life, true));
  EXPECT_TRUE(stage_.Look().monitoring.signals.empty());
}

}  // namespace
}  // namespace vmferry
