// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/bounded.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>

namespace vmferry::libvirt {
namespace {

constexpr CallSpec kRead{"target", "DescribeTarget", Access::kRead};
constexpr CallSpec kWrite{"target", "EnsureRunning", Access::kWrite};

// Work that ends when the test says so, and never hangs the program.
struct Held {
  std::shared_ptr<std::promise<void>> release = std::make_shared<std::promise<void>>();
  std::function<Result<int>()> work() {
    return [future = std::make_shared<std::future<void>>(release->get_future())]() -> Result<int> {
      future->wait();
      return 7;
    };
  }
  ~Held() { release->set_value(); }
};

CallContext Within(int ms, std::stop_token stop = {}) {
  return {std::move(stop), std::chrono::milliseconds(ms)};
}

TEST(LibvirtBounded, WhatAnswersInTimeIsPassedOn) {
  const auto result = WithinTimeout<int>("kvm", kRead, Within(10000), false, [] { return Result<int>(3); });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, 3);
}

TEST(LibvirtBounded, AReadGivenUpTimedOutAndAWriteIsUnknown) {
  Held read;
  Held write;
  EXPECT_EQ(WithinTimeout<int>("kvm", kRead, Within(20), false, read.work()).error().kind, ErrorKind::kTimedOut);
  const auto written = WithinTimeout<int>("kvm", kWrite, Within(20), false, write.work());
  EXPECT_EQ(written.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_EQ(written.error().message, "EnsureRunning: no answer within 20 ms");
}

TEST(LibvirtBounded, ALongCallOutlivesItsTimeoutButNotAStop) {
  Held held;
  std::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  const auto result = WithinTimeout<int>("kvm", kWrite, Within(0, source.get_token()), true, held.work());
  stopper.join();
  EXPECT_EQ(result.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_EQ(result.error().message, "EnsureRunning: stopped on request");
}

TEST(LibvirtBounded, AnExceptionIsAnInternalError) {
  const auto result =
      WithinTimeout<int>("kvm", kRead, Within(10000), false, []() -> Result<int> { throw std::runtime_error("oops"); });
  EXPECT_EQ(result.error().kind, ErrorKind::kInternal);
  EXPECT_EQ(result.error().message, "DescribeTarget: oops");
}

}  // namespace
}  // namespace vmferry::libvirt
