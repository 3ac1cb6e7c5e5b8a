// SPDX-License-Identifier: Apache-2.0
//
// Files that are broken, enormous or hostile: one clear answer each, soon, and no secret in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>

#include "runbooks/document.h"
#include "tests/runbooks/little_world.h"

namespace vmferry::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Say(const std::string& text) {
  return RenderAll(CheckFiles({"f.yaml"}, LittleOptions({{"f.yaml", text}})));
}

TEST(Limits, AFileThatCannotBeReadIsSaidToBe) {
  EXPECT_EQ(RenderAll(CheckFiles({"none.yaml"}, LittleOptions({}))),
            "none.yaml:1:1: error: cannot read the file: No such file or directory\n");
  CheckOptions options;
  options.vocabulary = LittleVocabulary();
  EXPECT_EQ(RenderAll(CheckFiles({"/"}, options)), "/:1:1: error: cannot read the file: it is a directory\n");
  EXPECT_EQ(RenderAll(CheckFiles({"/no/such.yaml"}, options)),
            "/no/such.yaml:1:1: error: cannot read the file: No such file or directory\n");
}

TEST(Limits, ARealFileIsRead) {
  const auto path = std::filesystem::path(testing::TempDir()) / "vmferry_limits_test.yaml";
  std::ofstream(path) << "application: shop\nsourcePlatform: a\ntargetPlatform: b\npreChecks: [vm_exists]\n";
  CheckOptions options;
  options.vocabulary = LittleVocabulary();
  EXPECT_EQ(RenderAll(CheckFiles({path.string()}, options)), "");
  std::ofstream(path, std::ios::app) << std::string(Document::kMaxBytes, '#');
  EXPECT_EQ(
      RenderAll(CheckFiles({path.string()}, options)),
      path.string() +
          ":1:1: error: the file is larger than 1 MiB, which no document may be\n   1 | application: shop\n     | ^\n");
  std::filesystem::remove(path);
}

TEST(Limits, WhatIsNotUtf8IsShownWhereItIs) {
  EXPECT_EQ(Say("application: sh\xFFop\n"),
            "f.yaml:1:16: error: not UTF-8\n   1 | application: sh\xEF\xBF\xBDop\n     |                ^\n"
            "hint: save the file as UTF-8\n");
  EXPECT_THAT(Say(std::string("\xFF\xFE"
                              "a\0:\0",
                              6)),
              HasSubstr("f.yaml:1:1: error: not UTF-8"))
      << "UTF-16";
}

TEST(Limits, AControlCharacterIsShownWhereItIs) {
  EXPECT_EQ(Say("application: a\x04"
                "b\n"),
            "f.yaml:1:15: error: a control character\n   1 | application: a\xEF\xBF\xBD"
            "b\n     |               ^\n"
            "hint: take it out; in double quotes it can be written as an escape\n");
}

TEST(Limits, AByteOrderMarkAndWindowsLineEndsAreTaken) {
  EXPECT_EQ(Say("\xEF\xBB\xBF"
                "application: shop\r\nsourcePlatform: a\r\ntargetPlatform: b\r\npreChecks: [vm_exist]\r\n"),
            "f.yaml:4:13: error: unknown step `vm_exist`\n   4 | preChecks: [vm_exist]\n     |             ^\n"
            "hint: did you mean `vm_exists`?\n");
}

TEST(Limits, OnlyTheFirstHundredProblemsOfAFileAreShown) {
  std::string text = "application: shop\nsourcePlatform: a\ntargetPlatform: b\npreChecks:\n";
  for (int i = 0; i < 5000; ++i) text += "  - nothing_like_it\n";
  const auto diagnostics = CheckFiles({"f.yaml"}, LittleOptions({{"f.yaml", text}}));
  ASSERT_EQ(diagnostics.size(), 101U);
  EXPECT_EQ(Render(diagnostics[0], false),
            "f.yaml:1:1: error: more than 100 problems; the rest is not shown\n   1 | application: shop\n     | ^\n"
            "hint: correct these first\n");
}

// Of processor time, since the machine may be busy; generous, since sanitizers are slow. Measured without them: below
// half a second. Anything worse than linear takes minutes.
constexpr double kSoon = 15;

double SecondsToSay(const std::string& text) {
  const std::clock_t start = std::clock();
  Say(text);
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

// Each of these, grown to 1 MiB, made some parser or other slow, deep or endless.
class Hostile : public testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(Hostile, FileOfOneMebibyteIsAnsweredSoon) {
  const auto& [head, piece] = GetParam();
  std::string text = head;
  while (text.size() + piece.size() <= Document::kMaxBytes) text += piece;
  EXPECT_LT(SecondsToSay(text), kSoon) << head << " + " << piece;
}

using Pair = std::pair<std::string, std::string>;
INSTANTIATE_TEST_SUITE_P(
    Pieces, Hostile,
    testing::Values(Pair("", "["), Pair("", "{"), Pair("", "- "), Pair("", "? "), Pair("", "{a: "), Pair("", "&a "),
                    Pair("", "- &a x\n"), Pair("", "a"), Pair("", "a\n"), Pair("", "'"), Pair("", "\"\\"),
                    Pair("a: [", "1,"), Pair("a: [", "a: b,"), Pair("", "---\n"), Pair("", "[],"), Pair("", ",,"),
                    Pair("", "!a "), Pair("", "*a "), Pair("", "%a\n"), Pair("a: |\n", " x\n"), Pair("", "-\n"),
                    Pair("preChecks:\n", "- x\n"), Pair("preChecks:\n", "- vm_exists\n"),
                    Pair("preChecks:\n", "- vm_exists: {a: b}\n"), Pair("parameters:\n", "  a: b\n"),
                    Pair("preChecks: [", "vm_exists, "), Pair("preChecks: [", "vm_exists: {a: [b]}, "),
                    Pair("rollbackCriteria:\n", "- x\n"), Pair("", "password:\n"), Pair("a:\n", "\t\n \tx\n"),
                    Pair("kind: Site\nspec:\n  applications:\n    a:\n      workloads:\n",
                         "      - {name: a, vm: b}\n"),
                    Pair("kind: Site\nspec:\n  networks: {", "a: [], "),
                    Pair("kind: Wave\nspec:\n  runbooks:\n", "  - f.yaml\n"), Pair("application: ", "\xE6\x9D\xB1"),
                    Pair("application: \"", "\\u6771")));

TEST(Limits, ManyDifferentKeysAreAnsweredSoon) {
  std::string text;
  for (int i = 0; text.size() < 1000000; ++i) text += "key" + std::to_string(i) + ": v\n";
  EXPECT_LT(SecondsToSay(text), kSoon);
}

// Wherever a secret stands by mistake, no diagnostic about it or its neighbours repeats it.
TEST(Secrets, AreInNoDiagnostic) {
  const std::string head =
      "apiVersion: vmferry.dev/v1\nkind: Site\nmetadata: {name: lab}\nspec:\n  platforms:\n    vc:\n"
      "      plugin: vsphere\n      url: https://vc/sdk\n";
  for (const std::string& text :
       std::vector<std::string>{"      password: hunter2\n",
                                "      password: \"hunter2\"\n",
                                "      password: 'hunter2\n",
                                "      password: \"hunter2\n",
                                "      password: hunter2: x\n",
                                "      password: hunter2\n      password: hunter2\n",
                                "      password: &a hunter2\n",
                                "      password: !x hunter2\n",
                                "      password: |\n        hunter2\n",
                                "      password: |\n        hunter2\n       x: y\n",
                                "      password: >-\n        a\n\n        hunter2\n",
                                "      password:\n        - hunter2\n",
                                "      password:\n      - hunter2\n",
                                "      password: [hunter2\n",
                                "      password:\n        value: hunter2\n",
                                "      password: {hunter2: x}\n",
                                "      password: {a: hunter2, a: hunter2}\n",
                                "      password: one\n        hunter2\n",
                                "      password: one\n       \thunter2\n",
                                "      password: hun\x04ter2 hunter2\n",
                                "      password: hunter2 \xFF\n",
                                "      pasword: hunter2\n",
                                "      secret_key: hunter2\n",
                                "      apiToken: hunter2\n",
                                "      \"pass word\": hunter2\n",
                                "      url: https://u:hunter2@vc/sdk\n",
                                "      user: https://u:hunter2@vc/sdk\n",
                                "      password: hunter2, nothing: x\n",
                                "      password:hunter2\n",
                                "      password : hunter2\n",
                                "      password: env:hunter2 x\n    b: {plugin: nope, password: hunter2}\n",
                                "      password: env:OK\n      token: hunter2\n      nothing: x\n"}) {
    const std::string said = Say(head + text);
    EXPECT_THAT(said, HasSubstr("error")) << text;
    // A reference names its variable, which is no secret.
    if (text.find("env:hunter2") == std::string::npos)
      EXPECT_THAT(said, Not(HasSubstr("hunter2"))) << text;
    else
      EXPECT_THAT(said, Not(HasSubstr("password: hunter2"))) << text;
  }
}

}  // namespace
}  // namespace vmferry::test
