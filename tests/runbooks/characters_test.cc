// SPDX-License-Identifier: Apache-2.0
#include "runbooks/characters.h"

#include <gtest/gtest.h>

#include "runbooks/check.h"
#include "runbooks/secrecy.h"

namespace vmferry {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

TEST(Characters, Utf8IsTakenAsRfc3629SaysAndNothingElse) {
  EXPECT_EQ(FindInvalidUtf8("plain \xC3\xA9 \xE6\x9D\xB1 \xF0\x9F\x9A\xA2"), kNone);
  EXPECT_EQ(FindInvalidUtf8("ab\xFF"), 2U);
  EXPECT_EQ(FindInvalidUtf8("a\xC3"), 1U) << "cut off";
  EXPECT_EQ(FindInvalidUtf8("\xC0\xAF"), 0U) << "overlong";
  EXPECT_EQ(FindInvalidUtf8("\xE0\x80\x80"), 0U) << "overlong";
  EXPECT_EQ(FindInvalidUtf8("\xED\xA0\x80"), 0U) << "surrogate";
  EXPECT_EQ(FindInvalidUtf8("\xF4\x90\x80\x80"), 0U) << "beyond U+10FFFF";
  EXPECT_EQ(FindInvalidUtf8("a\x80"), 1U) << "stray continuation";
}

TEST(Characters, ControlsAreFoundButLineEndsAndTabsAreNone) {
  EXPECT_EQ(FindControl("a\tb\nc\r\nd"), kNone);
  EXPECT_EQ(FindControl("a\rb"), 1U);
  EXPECT_EQ(FindControl(std::string_view("a\0b", 3)), 1U);
  EXPECT_EQ(FindControl("a\x04"), 1U);
  EXPECT_EQ(FindControl("\xC3\xA9\xC2\x9B"), 2U) << "C1: CSI in one character";
}

TEST(Characters, AreCountedNotBytes) {
  EXPECT_EQ(CountCharacters("\xE6\x9D\xB1\xE4\xBA\xAC \xC3\xA9"), 4U);
}

TEST(Characters, TamedTextCannotSteerATerminal) {
  EXPECT_EQ(Tamed("a\x1b[31m\tb"), "a\xEF\xBF\xBD[31m\tb");
  EXPECT_EQ(Tamed("a\xE2\x80\xAE"
                  "b\xFF"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
}

TEST(Characters, QuotedTextIsOneShortLine) {
  EXPECT_EQ(Quoted("web"), "`web`");
  EXPECT_EQ(Quoted("one\ntwo"), "`one...`");
  EXPECT_EQ(Quoted(std::string(100, 'x')), "`" + std::string(60, 'x') + "...`");
  EXPECT_EQ(Quoted("password:hunter2"), "`password:***`");
  EXPECT_EQ(Quoted("http://u:hunter2@h/"), "`http://***`");
}

Diagnostic At(int column, std::string source) {
  return {"f.yaml", 3, column, "wrong", "", std::move(source)};
}

TEST(Render, PutsTheCaretUnderTheCharacterAfterTabsWideAndCombiningOnes) {
  EXPECT_EQ(Render(At(3, "\tabc"), false), "f.yaml:3:3: error: wrong\n   3 | \tabc\n     | \t ^\n");
  EXPECT_EQ(Render(At(3, "\xE6\x9D\xB1\xE4\xBA\xAC!"), false),
            "f.yaml:3:3: error: wrong\n   3 | \xE6\x9D\xB1\xE4\xBA\xAC!\n     |     ^\n");
  EXPECT_EQ(Render(At(3, "e\xCC\x81!"), false), "f.yaml:3:3: error: wrong\n   3 | e\xCC\x81!\n     |  ^\n");
  EXPECT_EQ(Render(At(4, "abc"), false), "f.yaml:3:4: error: wrong\n   3 | abc\n     |    ^\n") << "behind the line";
}

TEST(Render, ShowsNoCaretWhereTheTextIsHidden) {
  EXPECT_EQ(Render(At(30, "password: ***"), false), "f.yaml:3:30: error: wrong\n   3 | password: ***\n");
}

TEST(Render, ShowsThePartOfALongLineAroundTheCaret) {
  const std::string line = std::string(300, 'a') + "X" + std::string(300, 'b');
  EXPECT_EQ(Render(At(301, line), false), "f.yaml:3:301: error: wrong\n   3 | ..." + std::string(80, 'a') + "X" +
                                              std::string(39, 'b') + "...\n     | " + std::string(83, ' ') + "^\n");
}

TEST(Render, ColoursOnlyWhenAsked) {
  const Diagnostic diagnostic{"f.yaml", 12345, 1, "wrong", "put it right", "x"};
  EXPECT_EQ(Render(diagnostic, false), "f.yaml:12345:1: error: wrong\n12345 | x\n      | ^\nhint: put it right\n");
  EXPECT_EQ(Render(diagnostic, true),
            "\x1b[1mf.yaml:12345:1: \x1b[1;31merror: \x1b[0m\x1b[1mwrong\x1b[0m\n12345 | x\n      | "
            "\x1b[1;32m^\x1b[0m\nhint: put it right\n");
}

TEST(Render, SaysTheSameAsJson) {
  const Json json = DiagnosticToJson({"f.yaml", 2, 5, "wrong", "put it right", "a: b"});
  EXPECT_EQ(json.dump(),
            R"({"column":5,"file":"f.yaml","hint":"put it right","line":2,"message":"wrong","source":"a: b"})");
}

}  // namespace
}  // namespace vmferry
