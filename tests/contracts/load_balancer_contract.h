// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "load balancer" (plugins/load_balancer.h).
#pragma once

#include <string>
#include <vector>

#include "plugins/load_balancer.h"
#include "tests/contracts/contract.h"

namespace vmferry::contracts {

class LoadBalancerHarness {
 public:
  virtual ~LoadBalancerHarness() = default;
  virtual Plugin& plugin() = 0;
  virtual std::string pool() = 0;
  // A ready, healthy server of the pool, and one in maintenance.
  virtual std::string ready_server() = 0;
  virtual std::string idle_server() = 0;
  virtual int instances() = 0;

  // The truth, seen without the plugin: "ready", "drain" or "maint", and the weight, on one instance (from 0).
  virtual std::string StateOn(int instance, const std::string& server) = 0;
  virtual int WeightOn(int instance, const std::string& server) = 0;
  // Somebody else sets a state on one instance.
  virtual void SetStateOn(int instance, const std::string& server, const std::string& state) = 0;
  virtual bool Breathe() { return false; }
};

class LoadBalancerContract : public ::testing::TestWithParam<Maker<LoadBalancerHarness>> {
 protected:
  void SetUp() override {
    harness_ = GetParam().make();
    ASSERT_NE(harness_, nullptr);
  }
  template <class Request, class Answer>
  Result<Answer> Ask(const Call<Request, Answer>& call, const Request& request) {
    return Asker(harness_->plugin())(call, request);
  }
  // The server as the plugin sees it; a failure fails the test.
  LbServer Server(const std::string& name);
  void ExpectEverywhere(const std::string& server, const std::string& state);

  std::unique_ptr<LoadBalancerHarness> harness_;
};

}  // namespace vmferry::contracts
