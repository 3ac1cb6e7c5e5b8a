// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "flow" (plugins/flow.h).
#pragma once

#include "plugins/flow.h"
#include "tests/contracts/contract.h"

namespace vmferry::contracts {

class FlowHarness {
 public:
  virtual ~FlowHarness() = default;
  virtual Plugin& plugin() = 0;
  virtual FlowRequest open() = 0;          // somebody listens
  virtual FlowRequest closed() = 0;        // the host is there and nobody listens
  virtual FlowRequest unresolvable() = 0;  // no such host
};

class FlowContract : public ::testing::TestWithParam<Maker<FlowHarness>> {
 protected:
  void SetUp() override {
    harness_ = GetParam().make();
    ASSERT_NE(harness_, nullptr);
  }
  Result<FlowReply> Try(const FlowRequest& request) { return Asker(harness_->plugin())(flow::kTry, request); }

  std::unique_ptr<FlowHarness> harness_;
};

}  // namespace vmferry::contracts
