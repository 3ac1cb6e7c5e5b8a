// SPDX-License-Identifier: Apache-2.0
//
// Every diagnostic, whole: the cases in tests/data/diagnostics/*.cases. A case is a title, documents, and what
// CheckFiles says of them all, exactly:
//
//   ##### TitleAsAStatement
//   === runbook.yaml
//   application: shop
//   === expect
//   runbook.yaml:1:1: error: ...
//
// A `=== site.yaml` without text is the standard site beside the cases. With VMFERRY_UPDATE_GOLDEN=1 in the
// environment the expectations are written anew, to be read with care in the diff.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/runbooks/little_world.h"

namespace vmferry::test {
namespace {

const std::string kFolder = std::string(VMFERRY_SOURCE_DIR) + "/tests/data/diagnostics/";

struct GoldenCase {
  std::string file;  // the .cases file
  std::string title;
  std::vector<std::pair<std::string, std::string>> documents;  // path and text
  std::string expect;
};

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<GoldenCase> ReadCases(const std::string& file) {
  std::vector<GoldenCase> cases;
  std::istringstream in(ReadAll(file));
  std::string* section = nullptr;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("##### ")) {
      cases.push_back({file, line.substr(6), {}, ""});
      section = nullptr;
    } else if (line == "=== expect") {
      section = &cases.back().expect;
    } else if (line.starts_with("=== ")) {
      section = &cases.back().documents.emplace_back(line.substr(4), "").second;
    } else if (section != nullptr) {
      *section += line + "\n";
    }
  }
  return cases;
}

std::vector<GoldenCase> AllCases() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder))
    if (entry.path().extension() == ".cases") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  std::vector<GoldenCase> all;
  for (const std::string& file : files)
    for (GoldenCase& golden : ReadCases(file)) all.push_back(std::move(golden));
  return all;
}

std::string Outcome(const GoldenCase& golden) {
  std::map<std::string, std::string> files;
  std::vector<std::string> paths;
  for (const auto& [path, text] : golden.documents) {
    const bool standard = path == "site.yaml" && text.empty();
    files[path] = standard ? ReadAll(kFolder + "site.yaml") : text;
    paths.push_back(path);
  }
  return RenderAll(CheckFiles(paths, LittleOptions(files)));
}

void Update(const std::vector<GoldenCase>& cases) {
  std::map<std::string, std::string> texts;
  for (const GoldenCase& golden : cases) {
    std::string& text = texts[golden.file];
    text += "##### " + golden.title + "\n";
    for (const auto& [path, document] : golden.documents) text += "=== " + path + "\n" + document;
    text += "=== expect\n" + Outcome(golden);
  }
  for (const auto& [file, text] : texts) std::ofstream(file, std::ios::binary) << text;
}

class Golden : public testing::TestWithParam<GoldenCase> {};

TEST_P(Golden, IsSaidExactlyLikeThis) {
  if (std::getenv("VMFERRY_UPDATE_GOLDEN") != nullptr) return Update(AllCases());
  EXPECT_EQ(Outcome(GetParam()), GetParam().expect);
}

std::string TitleOf(const testing::TestParamInfo<GoldenCase>& one) {
  return one.param.title;
}

INSTANTIATE_TEST_SUITE_P(Diagnostics, Golden, testing::ValuesIn(AllCases()), TitleOf);

TEST(GoldenCases, AreThere) {
  EXPECT_GT(AllCases().size(), 100U);
}

}  // namespace
}  // namespace vmferry::test
