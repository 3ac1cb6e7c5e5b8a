// SPDX-License-Identifier: Apache-2.0
//
// House rules that a compiler does not check, over every source file of the checkout.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

namespace vmferry {
namespace {

namespace fs = std::filesystem;

struct SourceFile {
  std::string path;  // from the root
  std::vector<std::string> lines;
};

std::string ReadAll(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<SourceFile> Sources(const std::vector<std::string>& folders) {
  std::vector<SourceFile> files;
  const fs::path root(VMFERRY_SOURCE_DIR);
  for (const std::string& folder : folders)
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cc") continue;
      SourceFile file{fs::relative(entry.path(), root).string(), {}};
      std::istringstream in(ReadAll(entry.path()));
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  return files;
}

const std::vector<std::string> kLayers{"state", "plugins", "steps", "runbooks", "orchestrator"};

int LayerOf(const std::string& path) {
  const std::string folder = path.substr(0, path.find('/'));
  for (std::size_t i = 0; i < kLayers.size(); ++i)
    if (kLayers[i] == folder) return static_cast<int>(i);
  return -1;
}

// What `file` includes with quotes or brackets.
std::vector<std::string> Includes(const SourceFile& file) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*["<]([^">]+)[">])");
  std::vector<std::string> names;
  std::smatch match;
  for (const std::string& line : file.lines)
    if (std::regex_search(line, match, kInclude)) names.push_back(match[1]);
  return names;
}

TEST(Tidy, IncludesPointToTheLeft) {
  for (const SourceFile& file : Sources(kLayers))
    for (const std::string& name : Includes(file)) {
      const int included = LayerOf(name);
      if (name.find('/') == std::string::npos || included < 0) continue;
      EXPECT_LE(included, LayerOf(file.path)) << file.path << " includes " << name;
    }
}

TEST(Tidy, AForeignLibraryIsIncludedByItsOwnRoomOnly) {
  const std::vector<std::pair<std::regex, std::string>> rules{
      {std::regex("^sqlite3\\.h$"), "^state/sqlite_"},
      {std::regex("^yaml-cpp/"), "^runbooks/(parse_)?document"},
      {std::regex("^libvirt/"), "^plugins/libvirt/"},
      {std::regex("^ldns/"), "^plugins/rfc2136/message\\.cc$"},
      {std::regex("^boost/asio/(awaitable|co_spawn|use_awaitable|detached)\\.hpp$"), "^orchestrator/async\\.h$"},
      {std::regex("^CLI/"), "^orchestrator/(cli|completion)\\.cc$"},
  };
  for (const SourceFile& file : Sources(kLayers))
    for (const std::string& name : Includes(file))
      for (const auto& [library, room] : rules) {
        if (!std::regex_search(name, library)) continue;
        EXPECT_TRUE(std::regex_search(file.path, std::regex(room))) << file.path << " includes " << name;
      }
}

// The statement that begins in line `at`: its lines joined up to the semicolon or opening brace of a block.
std::string Statement(const SourceFile& file, std::size_t at) {
  std::string statement;
  for (std::size_t i = at; i < file.lines.size() && i < at + 12; ++i) {
    statement += file.lines[i] + " ";
    if (file.lines[i].find(';') != std::string::npos) break;
  }
  return statement;
}

TEST(Tidy, NoCoAwaitStatementHasAFormThatGxx12Miscompiles) {
  static const std::regex kTrap(R"(co_await [^;]*(\{|\[|\?))");
  for (const SourceFile& file : Sources({"orchestrator"}))
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (line.find("co_await ") == std::string::npos || line.find("//") < line.find("co_await ")) continue;
      EXPECT_FALSE(std::regex_search(Statement(file, i), kTrap)) << file.path << ":" << i + 1 << ": " << line;
    }
}

TEST(Tidy, CoroutinesStayInTheOrchestrator) {
  for (const SourceFile& file : Sources({"state", "plugins", "steps", "runbooks"}))
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      EXPECT_EQ(file.lines[i].find("co_await"), std::string::npos) << file.path << ":" << i + 1;
}

TEST(Tidy, CoroutinesHaveNoDefaultArguments) {
  static const std::regex kTrap(R"(^\s*Task<.*\) *(;|\{|const).*|^\s*Task<[^;{]*=[^;{]*\))");
  static const std::regex kDefault(R"(\([^)]*[^=!<>]=[^=][^)]*\))");
  for (const SourceFile& file : Sources({"orchestrator"}))
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      if (std::regex_search(file.lines[i], kTrap) && file.lines[i].find("co_await") == std::string::npos) {
        EXPECT_FALSE(std::regex_search(file.lines[i], kDefault)) << file.path << ":" << i + 1;
      }
}

TEST(Tidy, StepsAndPluginsDoNotSleepOrReadTheWallClock) {
  static const std::regex kClock(R"(system_clock::now|std::time\(|gettimeofday|sleep_for|usleep\()");
  for (const SourceFile& file : Sources({"steps"}))
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      EXPECT_FALSE(std::regex_search(file.lines[i], kClock)) << file.path << ":" << i + 1;
}

TEST(Tidy, EveryFileCarriesItsLicence) {
  auto folders = kLayers;
  folders.emplace_back("tests");
  for (const SourceFile& file : Sources(folders)) {
    ASSERT_FALSE(file.lines.empty()) << file.path;
    EXPECT_EQ(file.lines[0], "// SPDX-License-Identifier: Apache-2.0") << file.path;
  }
}

TEST(Tidy, FilesStaySmall) {
  for (const SourceFile& file : Sources(kLayers)) {
    const bool header = file.path.ends_with(".h");
    EXPECT_LE(file.lines.size(), header ? 220U : 420U) << file.path;
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      EXPECT_LE(file.lines[i].size(), 130U) << file.path << ":" << i + 1;
  }
}

// A function's length, from a line that opens it at column 0 to its closing brace at column 0.
TEST(Tidy, FunctionsAreAtMostSeventyLines) {
  static const std::regex kOpens(R"(^[A-Za-z].*\) (const )?\{$)");
  for (const SourceFile& file : Sources(kLayers)) {
    std::size_t opened = 0;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      if (std::regex_search(file.lines[i], kOpens)) opened = i + 1;
      if (file.lines[i] != "}" || opened == 0) continue;
      EXPECT_LE(i + 1 - opened, 70U) << file.path << ":" << opened;
      opened = 0;
    }
  }
}

TEST(Tidy, NoFolderOrFileIsACatchAll) {
  static const std::regex kBad(R"((^|/)(util|utils|common|core|misc|helpers?|manager)(/|\.|_|$))");
  for (const SourceFile& file : Sources(kLayers)) EXPECT_FALSE(std::regex_search(file.path, kBad)) << file.path;
}

}  // namespace
}  // namespace vmferry
