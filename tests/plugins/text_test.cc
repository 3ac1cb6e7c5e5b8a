// SPDX-License-Identifier: Apache-2.0
#include "plugins/text.h"

#include <gtest/gtest.h>

namespace vmferry {
namespace {

TEST(Joined, PutsTheSeparatorBetweenAndNowhereElse) {
  EXPECT_EQ(Joined({}), "");
  EXPECT_EQ(Joined({"a"}), "a");
  EXPECT_EQ(Joined({"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(Joined({"", "b"}, "; "), "; b");
}

}  // namespace
}  // namespace vmferry
