// SPDX-License-Identifier: Apache-2.0
//
// Baselines: measured and journaled before the cutover, compared with after it, and never taken for granted.
#include "steps/baseline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "steps/source_measured.h"
#include "steps/window_check.h"
#include "tests/steps/stage.h"

namespace vmferry {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;

class Baselines : public testing::Test {
 protected:
  const Step& step(const std::string& name) const { return *FindStep(name); }
  void Answer(const std::string& query, const std::string& value) {
    stage_.Change([&](WorldData& world) { world.monitoring.answers[query] = {{{}, value, 0}}; });
  }
  Result<Progress> Record() {
    Life life = stage_.LifeOf(step("target_monitoring_ready"));
    return stage_.Finish(step("target_monitoring_ready"), life);
  }
  // The parameters of `name` with a baseline instead of (or, if kept, besides) its own limit.
  Life Comparing(const std::string& name, const std::string& baseline, bool keep_limit = false) {
    Life life = stage_.LifeOf(step(name));
    if (!keep_limit) life.parameters.erase(name == kErrors ? "threshold" : "slo");
    life.parameters["notWorseThan"] = "1.2";
    life.parameters["baseline"] = baseline;
    if (name == kErrors) life.parameters["margin"] = "0.1%";
    life.elapsed = minutes(5);
    return life;
  }
  Result<Progress> Compare(const std::string& name, const std::string& baseline, bool keep_limit = false) {
    Life life = Comparing(name, baseline, keep_limit);
    return stage_.Round(step(name), life);
  }
  static inline const std::string kLatency = "p95_latency_within_slo";
  static inline const std::string kErrors = "error_rate_below_threshold";
  static inline const std::string kCriterion = "sustained_latency_regression";
  Stage stage_;
};

TEST_F(Baselines, AreJournaledWithValueSamplesWindowAndTime) {
  stage_.Change([](WorldData& world) {
    world.monitoring.answers["max(rate(latency[10m]))"] = {{{}, "0.25", 0}};
  });
  Life life = stage_.LifeOf(step("target_monitoring_ready"));
  life.parameters["baselines"] = {"slow-one = max(rate(latency[10m]))"};
  const Result<Progress> done = stage_.Finish(step("target_monitoring_ready"), life);
  ASSERT_TRUE(done) << Describe(done.error());
  EXPECT_EQ(done->facts["baselines"], (Json{{"slow-one",
                                             {{"query", "max(rate(latency[10m]))"},
                                              {"value", 0.25},
                                              {"samples", 500.0},
                                              {"windowMs", 600000},
                                              {"atMs", 1767225600000}}}}));
  const auto forecast = stage_.Predict(step("target_monitoring_ready"), life);
  EXPECT_THAT(forecast->will, HasSubstr("measure what is journaled as baseline: slow-one = max("));
}

TEST_F(Baselines, OfNoNumberOrTooFewSamplesFailTheCheckThatRecordsThem) {
  struct Bad {
    const char *value, *samples, *words;
  };
  for (const Bad& bad : {Bad{"NaN", "500", "no data: the value is NaN"}, Bad{"+Inf", "500", "inconclusive"},
                         Bad{"0.1", "99", "inconclusive: too few samples: 99 of at least 100"},
                         Bad{"0.1", "NaN", "no data: the number of samples"}, Bad{"-1", "500", "it is -1, below 0"}}) {
    Answer("p95", bad.value);
    Answer("requests", bad.samples);
    const Result<Progress> progress = Record();
    ASSERT_FALSE(progress) << bad.words;
    EXPECT_EQ(progress.error().kind, ErrorKind::kConflict);
    EXPECT_THAT(progress.error().object, HasSubstr("baseline "));
    EXPECT_THAT(progress.error().message, HasSubstr(bad.words));
    EXPECT_FALSE(progress.error().system.empty());
  }
  stage_.Change([](WorldData& world) { world.monitoring.answers.erase("p95"); });
  EXPECT_THAT(Record().error().message, HasSubstr("no data: no data: no series matches"));
}

TEST_F(Baselines, WithoutSenseAreRefused) {
  Life life = stage_.LifeOf(step("target_monitoring_ready"));
  life.parameters["baselines"] = {"just a query"};
  const Result<Progress> progress = stage_.Round(step("target_monitoring_ready"), life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().message, "\"just a query\" is no baseline");
}

TEST_F(Baselines, NotWorseThanThemPassesWithTheNumbers) {
  ASSERT_TRUE(Record());  // p95 0.12 s, errors 0.001
  Answer("p95", "0.144");
  const Result<Progress> latency = Compare(kLatency, "p95");
  ASSERT_TRUE(latency) << Describe(latency.error());
  ASSERT_EQ(latency->state, Progress::State::kDone);
  EXPECT_FALSE(latency->facts.contains("sloMs"));
  EXPECT_EQ(latency->facts["baseline"]["name"], "p95");
  EXPECT_EQ(latency->facts["baseline"]["value"], 0.12);
  EXPECT_EQ(latency->facts["baseline"]["factor"], 1.2);
  Answer("errors", "0.00219");  // below 1.2 times 0.1 %, and 0.1 % more
  EXPECT_EQ(Compare(kErrors, "errors")->state, Progress::State::kDone);
  EXPECT_EQ(Compare(kCriterion, "p95")->facts["verdict"], "pass");
}

TEST_F(Baselines, WorseThanThemFailsAndSaysWhatItWas) {
  ASSERT_TRUE(Record());
  Answer("p95", "0.15");
  const Result<Progress> latency = Compare(kLatency, "p95");
  ASSERT_FALSE(latency);
  EXPECT_EQ(latency.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(latency.error().message,
            "the 95th percentile of latency is 150ms, more than 144ms: 1.2 times the baseline p95, which was 120ms "
            "(from 500 samples)");
  Answer("errors", "0.0023");
  EXPECT_EQ(Compare(kErrors, "errors").error().message,
            "the error rate is 0.23%, more than 0.22%: 1.2 times the baseline errors, which was 0.1%, and 0.1% more "
            "(from 500 samples)");
  const Json sample = Compare(kCriterion, "p95")->facts;
  EXPECT_EQ(sample["verdict"], "fail");
  EXPECT_THAT(sample["why"].get<std::string>(), HasSubstr("more than 144ms: 1.2 times the baseline p95"));
}

TEST_F(Baselines, TheStricterOfBothLimitsCounts) {
  ASSERT_TRUE(Record());
  Answer("p95", "0.31");
  EXPECT_THAT(Compare(kLatency, "p95", true).error().message, HasSubstr("310ms, more than 300ms (from"));
  Answer("p95", "0.2");
  EXPECT_THAT(Compare(kLatency, "p95", true).error().message, HasSubstr("200ms, more than 144ms: 1.2 times"));
  Answer("p95", "0.1");
  const Json facts = Compare(kLatency, "p95", true)->facts;
  EXPECT_EQ(facts["sloMs"], 300.0);
  EXPECT_EQ(facts["baseline"]["most"], 0.144);
}

// A source without a failed request must not make the first failure on the target one too many, unless told so.
TEST_F(Baselines, OfZeroErrorsLeaveTheMargin) {
  Answer("errors", "0");
  ASSERT_TRUE(Record());
  Answer("errors", "0.001");
  EXPECT_EQ(Compare(kErrors, "errors")->state, Progress::State::kDone);
  Life strict = Comparing(kErrors, "errors");
  strict.parameters["margin"] = "0%";
  EXPECT_THAT(stage_.Round(step(kErrors), strict).error().message, HasSubstr("0.1%, more than 0%"));
}

TEST_F(Baselines, ThatNobodyRecordedAreNoSuccess) {
  for (const std::string& name : {kLatency, kErrors, kCriterion}) {
    const Result<Progress> progress = Compare(name, "p95");
    ASSERT_FALSE(progress) << name;
    EXPECT_EQ(progress.error().kind, ErrorKind::kNotFound);
    EXPECT_EQ(progress.error().object, "baseline p95");
    EXPECT_THAT(progress.error().message, HasSubstr("target_monitoring_ready must record it before the cutover"));
    EXPECT_FALSE(progress.error().system.empty());
  }
  ASSERT_TRUE(Record());
  EXPECT_FALSE(Compare(kLatency, "p99")) << "another one was recorded";
  const Result<Progress> both = Compare(kLatency, "p99", true);
  EXPECT_FALSE(both) << "the objective alone is not what was asked for";
}

TEST_F(Baselines, JournaledWithoutANumberAreCorrupt) {
  for (const Json& value : {Json(), Json("NaN"), Json(-1)}) {
    stage_.earlier("target_monitoring_ready") = {{"baselines", {{"p95", {{"value", value}, {"samples", 500}}}}}};
    const Result<Progress> progress = Compare(kLatency, "p95");
    ASSERT_FALSE(progress);
    EXPECT_EQ(progress.error().kind, ErrorKind::kCorrupt);
  }
}

TEST_F(Baselines, TooFewSamplesOfTheTargetAreWaitedFor) {
  ASSERT_TRUE(Record());
  Answer("requests", "99");
  const Result<Progress> progress = Compare(kLatency, "p95");
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->state, Progress::State::kNotYet);
  EXPECT_THAT(progress->meter.text, HasSubstr("too few samples: 99 of at least 100"));
  EXPECT_EQ(Compare(kCriterion, "p95")->facts["verdict"], "inconclusive");
}

TEST_F(Baselines, ADryRunSaysWhatWouldBeCompared) {
  const Result<Forecast> latency = stage_.Predict(step(kLatency), Comparing(kLatency, "p95", true));
  ASSERT_TRUE(latency);
  EXPECT_TRUE(latency->problems.empty()) << "nothing is recorded before the run";
  EXPECT_THAT(latency->will, HasSubstr("at most 300ms and 1.2 times the baseline p95 (recorded by "
                                       "target_monitoring_ready), with at least 100 samples"));
  const Result<Forecast> errors = stage_.Predict(step(kErrors), Comparing(kErrors, "errors"));
  EXPECT_THAT(errors->will, HasSubstr("at most 1.2 times the baseline errors plus 0.1% (recorded by"));
  const Result<Forecast> sample = stage_.Predict(step(kCriterion), Comparing(kCriterion, "p95"));
  EXPECT_TRUE(sample->problems.empty());
  EXPECT_THAT(sample->will, HasSubstr("now: inconclusive (latency is 120ms; there is no baseline yet"));
}

TEST_F(Baselines, FactorsAreStrict) {
  ASSERT_TRUE(Record());
  for (const char* text : {"", "0.9", "-1.2", "1,2", "1.2x", "120%", "1e1", "+2", ".5", "1.", "nan", "inf", " 1.2"}) {
    for (const std::string& name : {kLatency, kErrors, kCriterion}) {
      Life life = Comparing(name, "p95");
      life.parameters["notWorseThan"] = text;
      const Result<Progress> progress = stage_.Round(step(name), life);
      ASSERT_FALSE(progress) << text;
      EXPECT_EQ(progress.error().kind, ErrorKind::kInvalid);
      EXPECT_THAT(progress.error().message, HasSubstr("is no factor of at least 1"));
      EXPECT_EQ(stage_.Predict(step(name), life)->problems.size(), 1U) << "a dry run says it too: " << text;
    }
  }
  Life equal = Comparing(kLatency, "p95");
  equal.parameters["notWorseThan"] = "1";
  EXPECT_TRUE(stage_.Round(step(kLatency), equal)) << "exactly as good is not worse";
}

TEST_F(Baselines, NoLimitAtAllIsRefused) {
  for (const std::string& name : {kLatency, kErrors, kCriterion}) {
    Life life = Comparing(name, "p95");
    for (const char* parameter : {"notWorseThan", "baseline", "margin"}) life.parameters.erase(parameter);
    const Result<Progress> progress = stage_.Round(step(name), life);
    ASSERT_FALSE(progress);
    EXPECT_EQ(progress.error().kind, ErrorKind::kInvalid);
  }
}

// --- measured over a time, without a name ---

class SourceMeasuredTest : public Baselines {
 protected:
  static inline const std::string kMedian = "quantile_over_time(0.5, ((p95) >= 0)[1800s:30s])";
  static inline const std::string kCount = "count_over_time(((p95) >= 0)[1800s:30s])";
  Result<Progress> MeasureSource() {
    Life life = stage_.LifeOf(step("source_measured"));
    return stage_.Finish(step("source_measured"), life);
  }
  Result<Progress> CompareOverTime(const std::string& name, std::int64_t window_ms = 1800000) {
    Life life = Comparing(name, "");
    life.parameters.erase("baseline");
    life.parameters["query"] = "p95";
    life.parameters["notWorseThan"] = {{"factor", "1.5"}, {"baseline", window_ms}, {"minSamples", 20}};
    return stage_.Round(step(name), life);
  }
};

TEST_F(SourceMeasuredTest, JournalsTheMedianAndHowManyValuesItIsOf) {
  const Result<Progress> done = MeasureSource();
  ASSERT_TRUE(done) << Describe(done.error());
  EXPECT_EQ(done->facts["baselines"], (Json::array({{{"query", "p95"},
                                                     {"value", 0.1},
                                                     {"samples", 60.0},
                                                     {"windowMs", 1800000},
                                                     {"atMs", 1767225600000}}})));
  Life life = stage_.LifeOf(step("source_measured"));
  EXPECT_EQ(stage_.Predict(step("source_measured"), life)->will,
            "measure the baseline for sustained_latency_regression, the median of the 30m before the cutover");
}

TEST_F(SourceMeasuredTest, TooFewValuesOrNoneLetNothingBegin) {
  Answer(kCount, "19");
  const Result<Progress> few = MeasureSource();
  ASSERT_FALSE(few);
  EXPECT_EQ(few.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(few.error().object, "baseline of 30m before the cutover for sustained_latency_regression");
  EXPECT_THAT(few.error().message, HasSubstr("inconclusive: too few samples: 19 of at least 20"));
  stage_.Change([](WorldData& world) { world.monitoring.answers.erase(kMedian); });
  const Result<Progress> none = MeasureSource();
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("no data"));
  stage_.Change([](WorldData& world) { world.monitoring.refusals[kMedian] = "parse error: unexpected )"; });
  const Result<Progress> refused = MeasureSource();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("parse error"));
  Life life = stage_.LifeOf(step("source_measured"));
  EXPECT_EQ(stage_.Predict(step("source_measured"), life)->problems.size(), 1U) << "a dry run says it too";
}

TEST_F(SourceMeasuredTest, WhatComparesIsHeldAgainstItsOwnMedian) {
  for (const std::string& name : {kLatency, kErrors, kCriterion}) {
    const Result<Progress> nothing = CompareOverTime(name);
    ASSERT_FALSE(nothing) << name << ": nobody has measured yet";
    EXPECT_EQ(nothing.error().kind, ErrorKind::kNotFound);
    EXPECT_THAT(nothing.error().message, HasSubstr("source_measured must record it before the cutover"));
  }
  ASSERT_TRUE(MeasureSource());  // 0.1
  Answer("p95", "0.149");
  EXPECT_EQ(CompareOverTime(kLatency)->state, Progress::State::kDone);
  const Json passed = CompareOverTime(kCriterion)->facts;
  EXPECT_EQ(passed["verdict"], "pass");
  EXPECT_EQ(passed["baseline"]["samples"], 60.0);
  Answer("p95", "0.151");
  EXPECT_THAT(CompareOverTime(kLatency).error().message,
              HasSubstr("151ms, more than 150ms: 1.5 times the baseline of 30m before the cutover, which was 100ms"));
  EXPECT_EQ(CompareOverTime(kCriterion)->facts["verdict"], "fail");
  EXPECT_FALSE(CompareOverTime(kCriterion, 60000)) << "over another time nothing was measured";
}

TEST(MeasurementFor, IsOfWhatComparesOverATimeAlone) {
  const Json window{{"metricsService", "watch"},
                    {"query", "q"},
                    {"notWorseThan", {{"factor", "1.2"}, {"baseline", 60000}, {"minSamples", 3}}}};
  EXPECT_EQ(MeasurementFor("check", window), (Json{{"for", "check"},
                                                   {"metricsService", "watch"},
                                                   {"query", "q"},
                                                   {"windowMs", 60000},
                                                   {"everyMs", 30000},
                                                   {"minSamples", 3}}));
  EXPECT_TRUE(TooFewValues(window)) << "two values of a minute";
  Json often = window;
  often["every"] = 20000;
  EXPECT_EQ(MeasurementFor("check", often)["everyMs"], 20000);
  EXPECT_FALSE(TooFewValues(often));
  EXPECT_TRUE(MeasurementFor("check", {{"notWorseThan", {{"factor", "1.2"}}}, {"baseline", "p95"}}).is_null());
  EXPECT_TRUE(MeasurementFor("check", {{"notWorseThan", "1.2"}, {"baseline", "p95"}}).is_null());
  EXPECT_TRUE(MeasurementFor("check", Json::object()).is_null());
}

TEST(BaselineQuery, IsANameAndAQuery) {
  const auto query = BaselineQueryOf("p95 = max(latency{job=\"shop\"}) == 1");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->name, "p95");
  EXPECT_EQ(query->promql, "max(latency{job=\"shop\"}) == 1");
  for (const char* bad : {"", "p95", "= up", "p95 =", "p 95 = up", "up == 1", "rate(a[5m]) / b{c=\"d\"}"})
    EXPECT_FALSE(BaselineQueryOf(bad)) << bad;
}

}  // namespace
}  // namespace vmferry
