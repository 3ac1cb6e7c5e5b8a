// SPDX-License-Identifier: Apache-2.0
#include "tests/contracts/probe_contract.h"

namespace vmferry::contracts {
namespace {

ProbeRequest Request(const std::string& url) {
  ProbeRequest request;
  request.url = url;
  return request;
}

}  // namespace

TEST_P(ProbeContract, GoodAnswerIsHealthy) {
  ProbeRequest request = Request(harness_->healthy_url());
  request.expect_body = harness_->healthy_text();
  request.max_latency_ms = 20000;
  const auto reply = Ask(request);
  ASSERT_GOOD(reply);
  EXPECT_TRUE(reply->healthy) << reply->why;
  EXPECT_EQ(reply->status, 200);
  EXPECT_NE(reply->body.find(harness_->healthy_text()), std::string::npos) << reply->body;
  EXPECT_EQ(reply->why, "");
}

TEST_P(ProbeContract, OtherStatusIsNotHealthyAndSaysSo) {
  const auto reply = Ask(Request(harness_->sick_url()));
  ASSERT_GOOD(reply);
  EXPECT_FALSE(reply->healthy);
  EXPECT_EQ(reply->status, 503);
  EXPECT_NE(reply->why.find("503"), std::string::npos) << reply->why;
}

TEST_P(ProbeContract, ExpectedStatusMayBeAnother) {
  ProbeRequest request = Request(harness_->sick_url());
  request.expect_status = 503;
  const auto reply = Ask(request);
  ASSERT_GOOD(reply);
  EXPECT_TRUE(reply->healthy) << reply->why;
}

TEST_P(ProbeContract, OtherBodyIsNotHealthyAndSaysWhatWasExpected) {
  ProbeRequest request = Request(harness_->healthy_url());
  request.expect_body = "words nobody says";
  const auto reply = Ask(request);
  ASSERT_GOOD(reply);
  EXPECT_FALSE(reply->healthy);
  EXPECT_EQ(reply->status, 200);
  EXPECT_NE(reply->why.find("words nobody says"), std::string::npos) << reply->why;
}

TEST_P(ProbeContract, RefusedConnectionIsAnAnswerNotAnError) {
  const auto reply = Ask(Request(harness_->closed_url()));
  ASSERT_GOOD(reply);
  EXPECT_FALSE(reply->healthy);
  EXPECT_EQ(reply->status, 0);
  EXPECT_FALSE(reply->why.empty());
}

TEST_P(ProbeContract, NotAUrlIsInvalid) {
  EXPECT_KIND(Ask(Request("gopher//nothing")), ErrorKind::kInvalid);
}

TEST_P(ProbeContract, BodyIsCutAt256Bytes) {
  const auto reply = Ask(Request(harness_->long_url()));
  ASSERT_GOOD(reply);
  EXPECT_TRUE(reply->healthy) << reply->why;
  EXPECT_EQ(reply->body.size(), 256U);
}

}  // namespace vmferry::contracts
