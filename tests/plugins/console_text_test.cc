// SPDX-License-Identifier: Apache-2.0
#include "plugins/console_text.h"

#include <gtest/gtest.h>

namespace vmferry {
namespace {

TEST(ConsoleText, LinesEndAtAnyKindOfLineEndAndEmptyOnesGo) {
  EXPECT_EQ(ConsoleText("one\r\ntwo\rthree\n\n\nfour"), "one\ntwo\nthree\nfour\n");
  EXPECT_EQ(ConsoleText(""), "");
}

TEST(ConsoleText, EscapeSequencesAndControlCharactersGo) {
  EXPECT_EQ(ConsoleText("\x1b[2J\x1b[1;32m[  OK  ]\x1b[0m Started \x07ssh\x1b]0;title\x07.\n"), "[  OK  ] Started ssh.\n");
  EXPECT_EQ(ConsoleText("\x1b]0;title\x1b\\a\x1b(Bb\x1b=c\td"), "ab" "c d\n");
  EXPECT_EQ(ConsoleText(std::string_view("a\0b\x7f\x01", 5)), "ab\n");
}

TEST(ConsoleText, ASequenceThatNeverEndsTakesNoOtherLineWithIt) {
  EXPECT_EQ(ConsoleText("a\x1b[12;\nb"), "a\nb\n");
  EXPECT_EQ(ConsoleText("a\x1b]0;evil\nb"), "a\nb\n");
  EXPECT_EQ(ConsoleText("a\x1b\nb\x1b"), "a\nb\n");
}

TEST(ConsoleText, LongLinesAreCutAndBytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(ConsoleText(std::string(5000, 'x')).size(), kLongestConsoleLine + 1);
  EXPECT_EQ(ConsoleText("caf\xe9!"), "caf\xef\xbf\xbd!\n");
  EXPECT_EQ(ConsoleText("caf\xc3\xa9"), "caf\xc3\xa9\n");
}

}  // namespace
}  // namespace vmferry
