// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/networks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmferry::libvirt {
namespace {

// As libvirt 9.0 prints it back.
constexpr char kFilter[] = R"(<filter name='shop-web' chain='root'>
  <uuid>3fa94710-d970-477d-9844-eef8d51e7967</uuid>
  <filterref filter='clean-traffic'/>
  <rule action='drop' direction='in' priority='1000' statematch='false'>
    <all/>
  </rule>
  <rule action='accept' direction='in' priority='100'>
    <tcp srcipaddr='10.1.2.3' srcipmask='8' dstportstart='443' comment='web'/>
  </rule>
  <rule action='accept' direction='out' priority='500'>
    <udp dstipaddr='10.0.0.2' dstportstart='53' dstportend='53'/>
  </rule>
  <rule action='accept' direction='in' priority='500'>
    <tcp srcipaddr='10.0.0.0' srcipmask='255.255.0.0' state='NEW' dstportstart='80' dstportend='90'/>
  </rule>
  <rule action='accept' direction='in' priority='500'>
    <tcp-ipv6 srcipaddr='fd00::1' srcipmask='8' dstportstart='443'/>
  </rule>
  <rule action='drop' direction='out' priority='1000'/>
</filter>)";

TEST(LibvirtFilter, RulesComeInTheOrderInWhichTheyAreApplied) {
  const Result<FilterFacts> facts = ParseFilter(kFilter);
  ASSERT_TRUE(facts.ok()) << Describe(facts.error());
  EXPECT_TRUE(facts->exists);
  EXPECT_THAT(
      facts->rules,
      testing::ElementsAre("in accept tcp 443 from 10.0.0.0/8", "out accept udp 53 to 10.0.0.2/32",
                           "in accept tcp 80-90 from 10.0.0.0/16 state=NEW", "in accept tcp-ipv6 443 from fd00::/8",
                           "in drop all statematch=false", "out drop any", "include clean-traffic"));
}

TEST(LibvirtFilter, WhatIsNoFilterIsCorrupt) {
  for (const char* xml : {"", "<filter", "<network/>"}) {
    const Result<FilterFacts> facts = ParseFilter(xml);
    ASSERT_FALSE(facts.ok()) << xml;
    EXPECT_EQ(facts.error().kind, ErrorKind::kCorrupt);
  }
}

TEST(LibvirtFilter, AnAddressOfUnknownFormIsShownAsItIs) {
  const Result<FilterFacts> facts = ParseFilter(
      "<filter name='x'><rule action='accept' direction='in'><tcp srcipaddr='odd' srcipmask='9x'/></rule></filter>");
  ASSERT_TRUE(facts.ok());
  EXPECT_THAT(facts->rules, testing::ElementsAre("in accept tcp from odd/9x"));
}

}  // namespace
}  // namespace vmferry::libvirt
