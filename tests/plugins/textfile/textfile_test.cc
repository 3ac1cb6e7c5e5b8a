// SPDX-License-Identifier: Apache-2.0
#include "plugins/textfile/textfile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "plugins/signal.h"
#include "plugins/textfile/exposition.h"

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class TextfileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "vmferry-textfile.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    plugin_ = *TextfileKind().make(PluginSetup{"signals", {{"directory", folder_.string()}}, nullptr});
  }
  void TearDown() override { fs::remove_all(folder_); }

  template <class Request, class Answer>
  Result<Answer> Ask(const Call<Request, Answer>& call, const Request& request) {
    return Invoke(*plugin_, call, request, CallContext{});
  }
  Result<Done> Set(double value) {
    return Ask(signals::kEnsure, SetSignalRequest{series_.metric, series_.labels, value});
  }
  fs::path file() const { return folder_ / textfile::FileName(series_); }
  std::string Content() const {
    std::ifstream in(file());
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::size_t Files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
  std::shared_ptr<Plugin> plugin_;
  SignalQuery series_{"vmferry_alert_trial", {{"application", "shop"}, {"vmferry", "0123456789ab"}}};
};

TEST_F(TextfileTest, ASignalIsOneWholeFileThatOthersCanRead) {
  const mode_t before = umask(077);
  const auto set = Set(1);
  umask(before);
  ASSERT_TRUE(set) << Describe(set.error());
  EXPECT_EQ(Content(),
            "# HELP vmferry_alert_trial Set by vmferry to try alerting.\n# TYPE vmferry_alert_trial gauge\n"
            "vmferry_alert_trial{application=\"shop\",vmferry=\"0123456789ab\"} 1\n");
  struct stat facts {};
  ASSERT_EQ(stat(file().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0644U);
  EXPECT_EQ(file().extension(), ".prom");
  EXPECT_EQ(Files(), 1U) << "a draft was left";
}

TEST_F(TextfileTest, SettingAndClearingMayBeRepeated) {
  EXPECT_FALSE(Ask(signals::kDescribe, series_)->present);
  for (const double value : {1.0, 1.0, 0.25}) {
    ASSERT_TRUE(Set(value));
    const auto facts = Ask(signals::kDescribe, series_);
    ASSERT_TRUE(facts) << Describe(facts.error());
    EXPECT_TRUE(facts->present);
    EXPECT_EQ(facts->value, value);
    EXPECT_EQ(facts->where, file().string());
  }
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(Ask(signals::kEnsureGone, series_));
  EXPECT_FALSE(Ask(signals::kDescribe, series_)->present);
  EXPECT_EQ(Files(), 0U);
}

TEST_F(TextfileTest, SignalsDoNotMeet) {
  ASSERT_TRUE(Set(1));
  SignalQuery other = series_;
  other.labels["vmferry"] = "ba9876543210";
  EXPECT_FALSE(Ask(signals::kDescribe, other)->present);
  ASSERT_TRUE(Ask(signals::kEnsureGone, other));
  EXPECT_TRUE(Ask(signals::kDescribe, series_)->present);
}

TEST_F(TextfileTest, ValuesOfLabelsAreEscaped) {
  series_.labels = {{"a", "x\"y\\z\nw"}};
  ASSERT_TRUE(Set(1));
  EXPECT_THAT(Content(), HasSubstr(R"({a="x\"y\\z\nw"} 1)"));
  EXPECT_TRUE(Ask(signals::kDescribe, series_)->present);
}

TEST_F(TextfileTest, WhatWouldSpoilTheScrapeIsRefused) {
  const auto refused = [this](const SignalQuery& series) {
    const auto set = Ask(signals::kEnsure, SetSignalRequest{series.metric, series.labels, 1});
    return !set && set.error().kind == ErrorKind::kInvalid;
  };
  for (const char* metric : {"", "9a", "a b", "a\nb 1", "../a", "a-b"}) EXPECT_TRUE(refused({metric, {}})) << metric;
  for (const char* label : {"", "9", "a:b", "a b", "__name__"}) EXPECT_TRUE(refused({"a", {{label, "x"}}})) << label;
  EXPECT_TRUE(refused({"a", {{"b", "\xff"}}}));
  EXPECT_TRUE(refused({"a", {{"b", std::string(600, 'x')}}}));
  EXPECT_EQ(Files(), 0U);
}

TEST_F(TextfileTest, AFileOfSomebodyElseIsNotTakenForOurs) {
  std::ofstream(file()) << "vmferry_alert_trial 1\n";
  const auto facts = Ask(signals::kDescribe, series_);
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(Describe(facts.error()), HasSubstr(file().string() + " holds something else"));
}

TEST_F(TextfileTest, ADraftOfACrashIsWrittenOver) {
  std::ofstream(folder_ / ("." + textfile::FileName(series_) + ".new")) << std::string(1000, 'x');
  ASSERT_TRUE(Set(1));
  EXPECT_EQ(Content().size(), textfile::FileText(series_, 1).size());
  EXPECT_EQ(Files(), 1U);
}

TEST_F(TextfileTest, AFolderThatIsGoneIsNamed) {
  fs::remove_all(folder_);
  const auto expect = [this](const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::kNotFound);
    EXPECT_THAT(Describe(error), HasSubstr("signals (textfile " + folder_.string() + ")"));
    EXPECT_THAT(Describe(error), HasSubstr("No such file or directory"));
  };
  expect(Set(1).error());
  expect(Ask(signals::kDescribe, series_).error());
  expect(Ask(signals::kEnsureGone, series_).error());
}

TEST_F(TextfileTest, ALinkInItsPlaceIsNotFollowed) {
  const fs::path elsewhere = folder_ / "elsewhere";
  std::ofstream(elsewhere) << "precious\n";
  fs::create_symlink(elsewhere, folder_ / ("." + textfile::FileName(series_) + ".new"));
  EXPECT_FALSE(Set(1));
  EXPECT_EQ(fs::file_size(elsewhere), 9U);
}

TEST(Textfile, ARelativeFolderIsRefused) {
  EXPECT_FALSE(TextfileKind().make(PluginSetup{"signals", {{"directory", "signals"}}, nullptr}));
}

}  // namespace
}  // namespace vmferry
