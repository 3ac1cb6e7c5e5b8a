// SPDX-License-Identifier: Apache-2.0
#include "state/event.h"

#include <gtest/gtest.h>

namespace vmferry {
namespace {

TEST(Event, EveryKindHasANameThatLeadsBackToIt) {
  for (int i = 0; i <= static_cast<int>(EventKind::kPhase); ++i) {
    const auto kind = static_cast<EventKind>(i);
    EXPECT_EQ(EventKindFromName(Name(kind)), kind) << Name(kind);
  }
  EXPECT_EQ(Name(EventKind::kUndoOutcome), "undo outcome");
  EXPECT_EQ(EventKindFromName("nonsense"), std::nullopt);
}

TEST(Event, ErrorComesBackFromJsonAsItWas) {
  const Error error{.kind = ErrorKind::kUnknownOutcome,
                    .system = "vmware (https://vc1/sdk)",
                    .object = "VM web1",
                    .message = "connection reset",
                    .advice = "look at the task"};
  const Error back = ErrorFromJson(ErrorToJson(error));
  EXPECT_EQ(Describe(back), Describe(error));
  EXPECT_EQ(back.kind, ErrorKind::kUnknownOutcome);
}

TEST(Event, ErrorOfAnotherShapeReadsAsInternalInsteadOfThrowing) {
  for (const Json& json : {Json(), Json::array(), Json(7), Json{{"kind", 7}, {"message", Json::array()}}})
    EXPECT_EQ(ErrorFromJson(json).kind, ErrorKind::kInternal) << json;
}

}  // namespace
}  // namespace vmferry
