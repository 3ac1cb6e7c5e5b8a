// SPDX-License-Identifier: Apache-2.0
#include "plugins/call.h"

#include <gtest/gtest.h>

namespace vmferry {
namespace {

constexpr Call<Json, Json> kLook{{"role", "Look", Access::kRead}};

// Remembers how long it was given.
class Recorder final : public Plugin {
 public:
  std::string system() const override { return "recorder"; }
  Result<Reply> Invoke(const CallSpec&, const Json&, const CallContext& context) override {
    timeouts.push_back(context.timeout);
    return Reply{Json::object(), nullptr};
  }
  std::vector<std::chrono::milliseconds> timeouts;
};

// A step that asked several slow systems could take 30 s for each, while the engine gave it up after 35 s.
TEST(Call, SharesTheTimeOfItsAttempt) {
  Recorder plugin;
  CallContext context;
  const std::chrono::milliseconds whole = context.timeout;
  ASSERT_TRUE(Invoke(plugin, kLook, Json(), context));
  context.until = std::chrono::steady_clock::now() + whole / 2;
  ASSERT_TRUE(Invoke(plugin, kLook, Json(), context));
  EXPECT_EQ(plugin.timeouts.front(), whole);
  EXPECT_LE(plugin.timeouts.back(), whole / 2);
  context.until = std::chrono::steady_clock::now();
  const auto late = Invoke(plugin, kLook, Json(), context);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(late.error().system, "recorder");
  EXPECT_EQ(plugin.timeouts.size(), 2u) << "nothing was sent";
}

}  // namespace
}  // namespace vmferry
