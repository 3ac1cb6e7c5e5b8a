// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "probe" (plugins/probe.h).
#pragma once

#include <string>

#include "plugins/probe.h"
#include "tests/contracts/contract.h"

namespace vmferry::contracts {

class ProbeHarness {
 public:
  virtual ~ProbeHarness() = default;
  virtual Plugin& plugin() = 0;
  // Answers 200 with a body that contains healthy_text().
  virtual std::string healthy_url() = 0;
  virtual std::string healthy_text() = 0;
  // Answers 503.
  virtual std::string sick_url() = 0;
  // Nobody listens.
  virtual std::string closed_url() = 0;
  // Answers 200 with a body of more than 256 bytes.
  virtual std::string long_url() = 0;
};

class ProbeContract : public ::testing::TestWithParam<Maker<ProbeHarness>> {
 protected:
  void SetUp() override {
    harness_ = GetParam().make();
    ASSERT_NE(harness_, nullptr);
  }
  Result<ProbeReply> Ask(const ProbeRequest& request) { return Asker(harness_->plugin())(probe::kProbe, request); }

  std::unique_ptr<ProbeHarness> harness_;
};

}  // namespace vmferry::contracts
