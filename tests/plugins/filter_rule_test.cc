// SPDX-License-Identifier: Apache-2.0
#include "plugins/filter_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmferry {
namespace {

std::string Canonical(const std::string& text) {
  const Result<FilterRule> rule = ParseFilterRule(text);
  return rule ? FilterRuleText(*rule) : "wrong: " + rule.error().message;
}

TEST(FilterRule, TextsOfTheSameRuleBecomeTheSame) {
  EXPECT_EQ(Canonical("in accept tcp 443 from 10.0.0.0/8"), "in accept tcp 443 from 10.0.0.0/8");
  EXPECT_EQ(Canonical("in  accept tcp from 10.1.2.3/255.0.0.0 443-443"), "in accept tcp 443 from 10.0.0.0/8");
  EXPECT_EQ(Canonical("in accept tcp from 0.0.0.0/0"), "in accept tcp");
  EXPECT_EQ(Canonical("out accept udp 53 to 10.0.0.2"), "out accept udp 53 to 10.0.0.2/32");
  EXPECT_EQ(Canonical("in accept tcp 443 from FD00:0::1/8"), "in accept tcp-ipv6 443 from fd00::/8");
  EXPECT_EQ(Canonical("in accept tcp-ipv6 443 from fd00::/8"), "in accept tcp-ipv6 443 from fd00::/8");
  EXPECT_EQ(Canonical("inout drop all state=NEW comment=x"), "inout drop all comment=x state=NEW");
  EXPECT_EQ(Canonical("out accept arp from $IP"), "out accept arp from $IP");
}

TEST(FilterRule, DifferentRulesStayDifferent) {
  EXPECT_NE(Canonical("in accept tcp 443 from 10.0.0.0/8"), Canonical("in accept tcp 443 to 10.0.0.0/8"));
  EXPECT_NE(Canonical("in accept tcp 443 from 10.0.0.0/8"), Canonical("in accept tcp 443 from 10.0.0.0/9"));
  EXPECT_NE(Canonical("in accept tcp 443"), Canonical("in accept tcp 443-444"));
  EXPECT_NE(Canonical("in drop all"), Canonical("in reject all"));
  EXPECT_NE(Canonical("in drop all"), Canonical("inout drop all"));
}

TEST(FilterRule, WhatIsWrongIsNamed) {
  using ::testing::HasSubstr;
  EXPECT_THAT(Canonical("accept tcp 443"), HasSubstr("does not begin with in, out or inout"));
  EXPECT_THAT(Canonical("in allow tcp 443"), HasSubstr("second word is not accept"));
  EXPECT_THAT(Canonical("in accept"), HasSubstr("names no protocol"));
  EXPECT_THAT(Canonical("in accept tcp 65536"), HasSubstr("`65536` is not understood"));
  EXPECT_THAT(Canonical("in accept tcp 90-80"), HasSubstr("`90-80` is not understood"));
  EXPECT_THAT(Canonical("in accept tcp from"), HasSubstr("`from` names no network"));
  EXPECT_THAT(Canonical("in accept tcp from example.com"), HasSubstr("`example.com` is not an IP address"));
  EXPECT_THAT(Canonical("in accept tcp from 10.0.0.0/33"), HasSubstr("`33` is not a prefix length"));
  EXPECT_THAT(Canonical("in accept tcp from 10.0.0.0/255.0.255.0"), HasSubstr("is not a prefix length or mask"));
  EXPECT_THAT(Canonical("in accept tcp from 10.0.0.1 from 10.0.0.2"), HasSubstr("`from` is there twice"));
  EXPECT_THAT(Canonical("in accept tcp " + std::string(600, '1')), HasSubstr("longer than 500"));
}

}  // namespace
}  // namespace vmferry
