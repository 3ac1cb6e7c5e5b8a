// SPDX-License-Identifier: Apache-2.0
#include "plugins/filters.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace vmferry {
namespace {

constexpr CallSpec kLook{"role", "Look", Access::kRead};
constexpr CallSpec kChange{"role", "Change", Access::kWrite};

// Remembers what reached it.
class Recorder final : public Plugin {
 public:
  std::string system() const override { return "recorder"; }
  Result<Reply> Invoke(const CallSpec& call, const Json&, const CallContext&) override {
    reached.emplace_back(call.name);
    if (fails) return Error{ErrorKind::kConflict, "recorder", "thing", "is somebody else's", ""};
    return Reply{Json{{"answer", 42}}, nullptr};
  }
  std::vector<std::string> reached;
  bool fails = false;
};

class FiltersTest : public testing::Test {
 protected:
  static Result<Reply> Ask(Plugin& plugin, const CallSpec& call) {
    return plugin.Invoke(call, Json{{"password", "hunter2"}}, CallContext{});
  }
  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
};

TEST_F(FiltersTest, ReadOnlyLetsReadsThroughAndNoWriteReachesThePlugin) {
  const auto plugin = ReadOnly(recorder_);
  EXPECT_TRUE(Ask(*plugin, kLook).ok());
  const auto refused = Ask(*plugin, kChange);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(Describe(refused.error()),
            "recorder: denied: dry run: role.Change may change something and was refused; only an effect step of a "
            "real run may do this");
  EXPECT_EQ(recorder_->reached, std::vector<std::string>{"Look"});
  EXPECT_EQ(plugin->system(), "recorder");
}

TEST_F(FiltersTest, LoggedTellsCallAndErrorButNoContents) {
  std::vector<CallLine> lines;
  const auto plugin = Logged(recorder_, [&](const CallLine& line) { lines.push_back(line); });
  EXPECT_EQ(Ask(*plugin, kLook)->body.at("answer"), 42);
  recorder_->fails = true;
  EXPECT_FALSE(Ask(*plugin, kChange).ok());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].system, "recorder");
  EXPECT_EQ(lines[0].call.name, "Look");
  EXPECT_GE(lines[0].took.count(), 0);
  EXPECT_FALSE(lines[0].error.has_value());
  EXPECT_EQ(lines[1].call.access, Access::kWrite);
  EXPECT_EQ(lines[1].error->message, "is somebody else's");
}

TEST_F(FiltersTest, FaultyFailsBeforeTheEffectWithTheChosenKind) {
  const auto plugin = Faulty(recorder_, [](const CallSpec&, const Json&) {
    return Fault{Fault::Kind::kBefore, ErrorKind::kTimedOut};
  });
  EXPECT_EQ(Ask(*plugin, kChange).error().kind, ErrorKind::kTimedOut);
  EXPECT_TRUE(recorder_->reached.empty());
}

TEST_F(FiltersTest, FaultyLosesTheAnswerAfterTheEffect) {
  const auto plugin = Faulty(recorder_, [](const CallSpec&, const Json&) {
    return Fault{Fault::Kind::kLostAnswer, {}};
  });
  EXPECT_EQ(Ask(*plugin, kChange).error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_EQ(Ask(*plugin, kLook).error().kind, ErrorKind::kUnavailable);  // a lost read is no unknown outcome
  EXPECT_EQ(recorder_->reached, (std::vector<std::string>{"Change", "Look"}));
}

TEST_F(FiltersTest, FaultyDecidesByCallAndRequest) {
  const auto plugin = Faulty(recorder_, [](const CallSpec& call, const Json& request) {
    const bool hit = call.access == Access::kWrite && request.contains("password");
    return hit ? Fault{Fault::Kind::kBefore, ErrorKind::kDenied} : Fault{};
  });
  EXPECT_TRUE(Ask(*plugin, kLook).ok());
  EXPECT_FALSE(Ask(*plugin, kChange).ok());
}

TEST_F(FiltersTest, CountedCountsEachCallAndTheWrites) {
  const auto counts = std::make_shared<CallCounts>();
  const auto plugin = Counted(recorder_, counts);
  for (const CallSpec& call : {kLook, kLook, kChange}) EXPECT_TRUE(Ask(*plugin, call).ok());
  EXPECT_EQ(counts->Of(kLook), 2u);
  EXPECT_EQ(counts->Of(kChange), 1u);
  EXPECT_EQ(counts->writes(), 1u);
  EXPECT_EQ(counts->total(), 3u);
}

TEST_F(FiltersTest, FiltersStack) {
  const auto counts = std::make_shared<CallCounts>();
  const auto plugin = ReadOnly(Counted(recorder_, counts));
  EXPECT_FALSE(Ask(*plugin, kChange).ok());
  EXPECT_EQ(counts->total(), 0u);
}

}  // namespace
}  // namespace vmferry
