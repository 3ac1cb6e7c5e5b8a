// SPDX-License-Identifier: Apache-2.0
//
// What an answer of the metrics server says of a limit, and what it does not.
#include "steps/look_back.h"
#include "steps/measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmferry {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;

Result<MetricSamples> Series(const std::vector<std::string>& values) {
  MetricSamples answer;
  for (const std::string& value : values)
    answer.samples.push_back({{{"instance", "web" + std::to_string(answer.samples.size())}}, value, 0});
  return answer;
}

struct Case {
  std::string name;
  Result<MetricSamples> value, samples;
  SampleClass sample;
  std::string why;
};

std::vector<Case> Cases() {
  const Error gone{ErrorKind::kUnavailable, "prometheus (http://p)", "", "connection refused", ""};
  const auto enough = Series({"100"});
  return {
      {"AtTheLimit", Series({"0.3"}), enough, SampleClass::kPass, ""},
      {"JustEnoughSamples", Series({"0.1"}), Series({"50"}), SampleClass::kPass, ""},
      {"Zero", Series({"0"}), enough, SampleClass::kPass, ""},
      {"BeyondTheLimit", Series({"0.3000001"}), enough, SampleClass::kFail, ""},
      {"NoSeries", Series({}), enough, SampleClass::kNoData, "no series matches"},
      {"NaN", Series({"NaN"}), enough, SampleClass::kNoData, "NaN"},
      {"Infinite", Series({"+Inf"}), enough, SampleClass::kInconclusive, "+Inf"},
      {"InfinitelyGood", Series({"-Inf"}), enough, SampleClass::kInconclusive, "-Inf"},
      {"SeveralSeries", Series({"0.1", "0.2"}), enough, SampleClass::kError,
       "2 series where one is expected: {instance=\"web0\"}, {instance=\"web1\"}"},
      {"NotANumber", Series({"fast"}), enough, SampleClass::kError, "no number: fast"},
      {"ServerGone", gone, enough, SampleClass::kError, "connection refused"},
      {"TooFewSamples", Series({"0.1"}), Series({"49.9"}), SampleClass::kInconclusive,
       "too few samples: 49.9 of at least 50"},
      {"TooFewSamplesAlsoWhenBad", Series({"9"}), Series({"3"}), SampleClass::kInconclusive, "too few samples: 3"},
      {"NoCount", Series({"0.1"}), Series({}), SampleClass::kNoData, "the number of samples: no data"},
      {"CountIsNaN", Series({"0.1"}), Series({"NaN"}), SampleClass::kNoData, "the number of samples: the value is NaN"},
      {"CountIsInfinite", Series({"0.1"}), Series({"+Inf"}), SampleClass::kInconclusive, "the number of samples"},
      {"CountOfSeveral", Series({"0.1"}), Series({"60", "60"}), SampleClass::kError, "the number of samples: 2 series"},
      {"ErrorBeforeNoData", Series({}), gone, SampleClass::kError, "connection refused"},
  };
}

TEST(Measure, OnlyANumberFromEnoughSamplesIsJudged) {
  for (const Case& one : Cases()) {
    SCOPED_TRACE(one.name);
    const Measured measured = Measure(one.value, one.samples, Limit{0.3, 50});
    EXPECT_EQ(Name(measured.sample), Name(one.sample));
    EXPECT_EQ(measured.error.has_value(), one.sample == SampleClass::kError);
    const std::string why = measured.error ? measured.error->message : measured.why;
    EXPECT_THAT(why, HasSubstr(one.why));
    EXPECT_EQ(why.empty(), one.sample == SampleClass::kPass || one.sample == SampleClass::kFail);
  }
}

TEST(Measure, NumbersAreReadAsPrometheusWritesThem) {
  EXPECT_EQ(NumberOf("0.25"), 0.25);
  EXPECT_EQ(NumberOf("1.5e+06"), 1.5e6);
  EXPECT_TRUE(NumberOf("NaN") && *NumberOf("NaN") != *NumberOf("NaN"));
  for (const char* bad : {"", "+", "1x", " 1", "0.1s"}) EXPECT_EQ(NumberOf(bad), std::nullopt) << bad;
}

TEST(Measure, SharesAreNumbersOrPercent) {
  EXPECT_EQ(RatioOf("1%"), 0.01);
  EXPECT_EQ(RatioOf("0.5%"), 0.005);
  EXPECT_EQ(RatioOf("0"), 0);
  EXPECT_EQ(RatioOf("0.01"), 0.01);
  for (const char* bad : {"", "%", "-1%", "1 %", "nan", "inf", "NaN%", "one", "1%%"})
    EXPECT_EQ(RatioOf(bad), std::nullopt) << bad;
  EXPECT_EQ(RatioInWords(0.015), "1.5%");
  EXPECT_EQ(NumberInWords(81234.4), "81234");
}

// A partial answer of several servers was judged as if it were whole. What comes with a warning says nothing.
TEST(Measure, AnAnswerWithAWarningIsInconclusive) {
  const MetricSamples partial{{{{}, "0.1", 0}}, "store 10.0.0.7: no response"};
  const Measured measured = OneNumber(partial);
  EXPECT_EQ(measured.sample, SampleClass::kInconclusive);
  EXPECT_THAT(measured.why, HasSubstr("store 10.0.0.7"));
}

std::chrono::milliseconds Seen(std::string_view promql) {
  const auto seen = LookBack(promql);
  EXPECT_TRUE(seen) << promql << ": " << Describe(seen.error());
  return seen ? *seen : minutes(-1);
}

// Ranges without a unit, and those of no known unit, counted as nothing, and so did offsets and the server's look-back.
// A query could judge the target by samples of the source.
TEST(Measure, LookBackIsTheFarthestOfAllSelectors) {
  EXPECT_EQ(Seen("rate(a[5m]) / rate(b[1h30m])"), minutes(90));
  EXPECT_EQ(Seen("rate(a[ 5m ])"), minutes(5));
  EXPECT_EQ(Seen("rate(a[3600])"), minutes(60));
  EXPECT_EQ(Seen("rate(a[90.5])"), std::chrono::milliseconds(90500));
  EXPECT_EQ(Seen("rate(a[90000ms])"), std::chrono::seconds(90));
  EXPECT_EQ(Seen("max_over_time(rate(a[5m])[10m:1m])"), minutes(15));
  EXPECT_EQ(Seen("max_over_time(rate(a[5m])[1h:])"), minutes(65));
  EXPECT_EQ(Seen("max_over_time(a[600:60])"), minutes(15));
  EXPECT_EQ(Seen("rate(a{x=\"y\"}[5m] offset 1h)"), minutes(65));
  EXPECT_EQ(Seen("rate(a[5m] offset -1h)"), minutes(5));
  EXPECT_EQ(Seen("max_over_time(rate(a[5m])[10m:] offset 20m)"), minutes(35));
  EXPECT_EQ(Seen("a{path=\"[9d]\",q='\\'[9d]'} # [9d]\n + rate(b[1m])"), minutes(5));
  EXPECT_GT(Seen("rate(a[99999999999999999999y])"), minutes(1000000));
}

TEST(Measure, ASelectorWithoutARangeLooksBackFiveMinutes) {
  for (const char* bare : {"up", "{job=\"a\"}", "sum by (job) (up)", "sum(up) by (job)", "up offset 0s", "a * on (b) c"})
    EXPECT_EQ(Seen(bare), minutes(5)) << bare;
  for (const char* none : {"vector(1) / 0", "time() > bool 1e3", "", "-Inf"}) EXPECT_EQ(Seen(none), minutes(0)) << none;
  EXPECT_EQ(Seen("histogram_quantile(0.95, sum by (le) (rate(a_bucket{job=\"x\"}[1m])))"), minutes(1));
  EXPECT_EQ(Seen("sum without (i) (rate(a[1m])) / ignoring (code) group_left sum(rate(b[2m]))"), minutes(2));
}

TEST(Measure, WhatIsNoDurationIsAnError) {
  for (const char* bad : {"rate(a[5x])", "rate(a[5M])", "rate(a[m])", "rate(a[])", "rate(a[5", "a offset soon",
                          "rate(a[$__range])", "max_over_time(a[5m:1q])"}) {
    const auto seen = LookBack(bad);
    ASSERT_FALSE(seen) << bad;
    EXPECT_EQ(seen.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(seen.error().message, HasSubstr("holds no duration"));
  }
}

}  // namespace
}  // namespace vmferry
