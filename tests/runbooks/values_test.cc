// SPDX-License-Identifier: Apache-2.0
#include "runbooks/values.h"

#include <gtest/gtest.h>

#include "runbooks/suggest.h"
#include "steps/criterion_rule.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

TEST(Values, IntegersAreDecimalAndStrict) {
  EXPECT_EQ(ParseInteger("0"), 0);
  EXPECT_EQ(ParseInteger("-12"), -12);
  EXPECT_EQ(ParseInteger("9223372036854775807"), INT64_MAX);
  for (const char* text :
       {"", "-", "+1", "-0", "010", "0x10", "1.0", "1e3", " 1", "1 ", "1_000", "9223372036854775808"})
    EXPECT_FALSE(ParseInteger(text)) << text;
}

TEST(Values, BooleansAreTrueAndFalseOnly) {
  EXPECT_EQ(ParseBoolean("true"), true);
  EXPECT_EQ(ParseBoolean("false"), false);
  for (const char* text : {"yes", "no", "on", "True", "1", ""}) EXPECT_FALSE(ParseBoolean(text)) << text;
}

TEST(Values, DurationsCarryTheirUnitsInFallingOrder) {
  EXPECT_EQ(ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(ParseDuration("90s"), milliseconds(90000));
  EXPECT_EQ(ParseDuration("2m"), milliseconds(120000));
  EXPECT_EQ(ParseDuration("1h30m"), milliseconds(5400000));
  EXPECT_EQ(ParseDuration("1d2h3m4s5ms"), milliseconds(93784005));
  EXPECT_EQ(ParseDuration("3650d"), milliseconds(315360000000));
  for (const char* text : {"", "5", "m", "1m1h", "1m2m", "1.5h", "-1s", "1 s", "1S", "01s", "3651d", "s1", "1ss",
                           "3650d1ms", "99999999999999999999s"})
    EXPECT_FALSE(ParseDuration(text)) << text;
}

TEST(Values, SizesCarryBinaryUnits) {
  EXPECT_EQ(ParseSize("512B"), 512);
  EXPECT_EQ(ParseSize("10GiB"), 10737418240);
  EXPECT_EQ(ParseSize("8191PiB"), 8191LL << 50);
  for (const char* text : {"", "10", "10GB", "GiB", "1.5GiB", "-1B", "8192PiB", "10gib"})
    EXPECT_FALSE(ParseSize(text)) << text;
}

TEST(Values, StandardsOfTheCatalogueAreReadLikeText) {
  ParameterSpec list;
  list.type = ParameterType::kTextList;
  list.standard = "a,b";
  EXPECT_EQ(ReadStandard(list).value, (Json{"a", "b"}));
  ParameterSpec duration;
  duration.type = ParameterType::kDuration;
  duration.standard = "30s";
  EXPECT_EQ(ReadStandard(duration).value, 30000);
  duration.standard = "30";
  EXPECT_FALSE(ReadStandard(duration).ok());
}

TEST(Suggest, CountsEditsAndSwapsOfNeighbours) {
  EXPECT_EQ(EditDistance("smoke", "smoke", 3), 0U);
  EXPECT_EQ(EditDistance("smoek", "smoke", 3), 1U);
  EXPECT_EQ(EditDistance("kitten", "sitting", 3), 3U);
  EXPECT_EQ(EditDistance("a", "abcdefgh", 3), 4U) << "more than the limit";
}

TEST(Suggest, OnlyWhatIsNearEnoughToBeMeant) {
  const std::vector<std::string> known{"smoke_test", "vm_exists", "url"};
  EXPECT_EQ(Nearest("smokeTest", known), "smoke_test");
  EXPECT_EQ(Nearest("SMOKE-TETS", known), "smoke_test");
  EXPECT_EQ(Nearest("uri", known), "url");
  EXPECT_EQ(Nearest("backup", known), std::nullopt);
  EXPECT_EQ(Nearest("", known), std::nullopt);
  EXPECT_EQ(Nearest(std::string(1 << 20, 'x'), known), std::nullopt);
}

Value MapOf(std::vector<std::pair<std::string, std::string>> members) {
  Value map;
  map.kind = Value::Kind::kMap;
  for (auto& [key, text] : members) {
    Value value;
    value.kind = Value::Kind::kText;
    value.text = std::move(text);
    map.members.push_back({std::move(key), 0, std::move(value)});
  }
  return map;
}

ParameterSpec RuleParameter(const std::string& name) {
  StepSpec spec;
  AddRuleParameters(spec, {});
  for (const ParameterSpec& parameter : spec.parameters)
    if (parameter.name == name) return parameter;
  throw std::runtime_error("no parameter " + name);
}

TEST(Values, AMapHasItsMembersTheirStandardsAndNoOthers) {
  const ParameterSpec trip = RuleParameter("trip");
  EXPECT_EQ(ReadParameter(MapOf({{"failures", "2"}, {"within", "4"}}), trip).value, (Json{{"failures", 2}, {"within", 4}}));
  EXPECT_EQ(ReadParameter(MapOf({{"failures", "2"}}), trip).value, (Json{{"failures", 2}, {"within", 5}}));
  EXPECT_EQ(ReadStandard(trip).value, (Json{{"failures", 3}, {"within", 5}}));
  EXPECT_EQ(ReadParameter(MapOf({{"failure", "2"}}), trip).message, "`trip` has no member `failure`");
  EXPECT_EQ(ReadParameter(MapOf({{"failure", "2"}}), trip).hint, "did you mean `failures`?");
  EXPECT_EQ(ReadParameter(MapOf({{"failures", "0"}}), trip).message, "`failures` must be at least 1");
  EXPECT_EQ(ReadParameter(MapOf({{"within", "101"}}), trip).message, "`within` must be at most 100");
  Value list;
  list.kind = Value::Kind::kList;
  EXPECT_EQ(ReadParameter(list, trip).message, "`trip` must be a map, not a list");
}

TEST(Values, ABareValueIsThatOfAMapsFirstMember) {
  Value text;
  text.kind = Value::Kind::kText;
  text.text = "notify";
  EXPECT_EQ(ReadParameter(text, RuleParameter("noData")).value, (Json{{"then", "notify"}, {"consecutive", 5}}));
  text.text = "panic";
  EXPECT_EQ(ReadParameter(text, RuleParameter("errors")).message, "`panic` is not one of `rollback`, `hold` or `notify`");
}

TEST(Values, ARuleThatCannotTripOrNeverRestsIsAContradiction) {
  EXPECT_TRUE(RuleContradictions({{"trip", {{"failures", 3}, {"within", 5}}}, {"every", 1000}}).empty());
  EXPECT_EQ(RuleContradictions({{"trip", {{"failures", 6}, {"within", 5}}}}).at(0).message,
            "`trip` wants 6 failures within 5 samples");
  EXPECT_EQ(RuleContradictions({{"trip", {{"failures", 1}, {"within", 1}}}, {"every", 999}}).at(0).message,
            "`every` is less than a second");
}

}  // namespace
}  // namespace vmferry
