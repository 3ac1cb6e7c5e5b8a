// SPDX-License-Identifier: Apache-2.0
#include "plugins/rfc3339.h"

#include <gtest/gtest.h>

namespace vmferry {
namespace {

TEST(Rfc3339, TimesAreReadWithFractionAndOffset) {
  EXPECT_EQ(ParseRfc3339("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ParseRfc3339("2026-03-01T02:00:00.123456789Z"), 1772330400123);
  EXPECT_EQ(ParseRfc3339("2026-03-01T03:30:00.5+01:30"), 1772330400500);
  EXPECT_EQ(ParseRfc3339("2026-02-28T21:00:00-05:00"), 1772330400000);
  EXPECT_EQ(ParseRfc3339("2024-02-29T00:00:00Z"), 1709164800000);
  for (const char* bad : {"", "yesterday", "2026-03-01", "2026-02-30T00:00:00Z", "2026-03-01T25:00:00Z",
                          "2026-03-01T02:00:00", "2026-03-01T02:00:00+1", "2026-03-01T02:00:00Zulu"})
    EXPECT_EQ(ParseRfc3339(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace vmferry
