// SPDX-License-Identifier: Apache-2.0
#include "tests/contracts/flow_contract.h"

namespace vmferry::contracts {

TEST_P(FlowContract, AnOpenFlowIsConnected) {
  const auto reply = Try(harness_->open());
  ASSERT_GOOD(reply);
  EXPECT_TRUE(reply->connected) << reply->why;
  EXPECT_EQ(reply->outcome, "connected");
  EXPECT_EQ(reply->why, "");
}

TEST_P(FlowContract, AClosedFlowIsAnAnswerThatSaysWhy) {
  const auto reply = Try(harness_->closed());
  ASSERT_GOOD(reply);
  EXPECT_FALSE(reply->connected);
  EXPECT_EQ(reply->outcome, "refused");
  EXPECT_FALSE(reply->why.empty());
}

// A denied flow must not be proven by a name that nobody knows.
TEST_P(FlowContract, WhatProvesNothingIsAnError) {
  EXPECT_KIND(Try(harness_->unresolvable()), ErrorKind::kUnavailable);
}

TEST_P(FlowContract, NotAnAddressIsInvalid) {
  FlowRequest request = harness_->open();
  request.port = 65536;
  EXPECT_KIND(Try(request), ErrorKind::kInvalid);
  request.port = 0;
  EXPECT_KIND(Try(request), ErrorKind::kInvalid);
}

}  // namespace vmferry::contracts
