// SPDX-License-Identifier: Apache-2.0
#include "plugins/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmferry {
namespace {

TEST(UrlTest, PartsAreTakenApart) {
  const auto url = ParseUrl("https://vc1.example.com:8443/sdk?x=1#part");
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "vc1.example.com");
  EXPECT_EQ(url->port, "8443");
  EXPECT_EQ(url->target, "/sdk?x=1");
  EXPECT_EQ(url->Origin(), "https://vc1.example.com:8443");
}

TEST(UrlTest, PortAndPathHaveDefaults) {
  const auto secure = ParseUrl("https://vc1");
  EXPECT_EQ(secure->port, "443");
  EXPECT_EQ(secure->target, "/");
  EXPECT_EQ(secure->Authority(), "vc1");
  EXPECT_EQ(ParseUrl("http://web?q")->port, "80");
  EXPECT_EQ(ParseUrl("http://web?q")->target, "/?q");
}

TEST(UrlTest, Ipv6AddressKeepsItsBracketsOnlyOutside) {
  const auto url = ParseUrl("https://[fe80::1]:444/");
  EXPECT_EQ(url->host, "fe80::1");
  EXPECT_EQ(url->Authority(), "[fe80::1]:444");
}

TEST(UrlTest, UnusableAddressesAreRefused) {
  for (const char* text : {"", "vc1", "ftp://x", "https://", "https://:443", "https://h:", "https://h:99999",
                           "https://h:4x", "https://[::1", "https://a b/", "https://h/\r\nX: y"})
    EXPECT_EQ(ParseUrl(text).error().kind, ErrorKind::kInvalid) << text;
}

TEST(UrlTest, PasswordInAnAddressIsRefusedWithoutShowingIt) {
  const auto url = ParseUrl("https://root:hunter2@vc1/sdk");
  ASSERT_FALSE(url.ok());
  EXPECT_THAT(Describe(url.error()), ::testing::Not(::testing::HasSubstr("hunter2")));
}

TEST(UrlTest, EncodingKeepsOnlyWhatIsSafe) {
  EXPECT_EQ(EncodePath("a b/ü&#%.vmdk"), "a%20b/%C3%BC%26%23%25.vmdk");
  EXPECT_EQ(EncodeQuery("Europe/DC 0&x"), "Europe%2FDC%200%26x");
}

}  // namespace
}  // namespace vmferry
