// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "backup" on real repositories: the plugin restic, and the plugin backup_command with the
// example that its README shows; and what only restic does. Needs restic and python3, not the lab.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "plugins/backup_command/backup_command.h"
#include "plugins/program.h"
#include "plugins/restic/restic.h"
#include "tests/contracts/backup_contract.h"
#include "tests/live/temp_directory.h"

namespace vmferry::contracts {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

void Write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// A folder of a test's own with something to back up in it.
class Place {
 public:
  Place() {
    fs::create_directories(data());
    Write(data() / "hello", "hello\n");
    std::string noise(std::size_t{3} << 20, '\0');
    for (std::size_t i = 0, x = 12345; i < noise.size(); ++i, x = x * 1103515245 + 12345)
      noise[i] = static_cast<char>(x >> 16);
    Write(data() / "noise", noise);
    Write(root() / "password", "secret of the test\n");
    chmod((root() / "password").c_str(), 0600);
  }
  fs::path root() const { return folder_.path(); }
  fs::path data() const { return root() / "data"; }

 private:
  live::TempDirectory folder_;
};

std::shared_ptr<Plugin> Made(const PluginKind& kind, const Json& settings) {
  const auto plugin = kind.make(PluginSetup{"vault", settings, ResolveSecret});
  EXPECT_TRUE(plugin) << Describe(plugin.error());
  return plugin ? *plugin : nullptr;
}

int CountFiles(const fs::path& folder, const std::string& ending = "") {
  int count = 0;
  if (fs::exists(folder))
    for (const auto& entry : fs::directory_iterator(folder)) count += entry.path().string().ends_with(ending) ? 1 : 0;
  return count;
}

void FlipInTheMiddle(const fs::path& path) {
  chmod(path.c_str(), 0600);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto at = static_cast<std::streamoff>(fs::file_size(path) / 2);
  file.seekg(at);
  const auto byte = static_cast<char>(file.get() ^ 0x55);
  file.seekp(at);
  file.put(byte);
}

class ResticPlace final : public BackupHarness {
 public:
  ResticPlace() {
    EXPECT_EQ(Restic({"init"}), 0) << "is restic installed?";
    plugin_ = Made(ResticKind(), settings());
  }
  Json settings() const {
    return {{"repository", repository().string()},
            {"password", "file:" + (place_.root() / "password").string()},
            {"workDirectory", (place_.root() / "work").string()}};
  }
  fs::path repository() const { return place_.root() / "repository"; }
  const Place& place() const { return place_; }
  int Restic(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"/usr/bin/restic", "--repo", repository().string(), "--no-cache"});
    const auto ended = RunProgram(arguments, {{"RESTIC_PASSWORD", "secret of the test"}},
                                  {std::chrono::steady_clock::now() + std::chrono::minutes(1), {}});
    return ended ? ended->exit_code : -1;
  }

  Plugin& plugin() override { return *plugin_; }
  std::string existing_path() override { return place_.data().string(); }
  int Kept() override { return CountFiles(repository() / "snapshots"); }
  bool WorksLeft() override {
    return CountFiles(place_.root() / "work") > CountFiles(place_.root() / "work", "/cache");
  }
  // The largest pack holds the noise.
  void Damage() override {
    fs::path largest;
    for (const auto& entry : fs::recursive_directory_iterator(repository() / "data"))
      if (entry.is_regular_file() && (largest.empty() || entry.file_size() > fs::file_size(largest)))
        largest = entry.path();
    FlipInTheMiddle(largest);
  }
  bool Breathe() override {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return true;
  }

 private:
  Place place_;
  std::shared_ptr<Plugin> plugin_;
};

// The example, by the path in the checkout.
class ExamplePlace final : public BackupHarness {
 public:
  ExamplePlace() {
    fs::create_directories(vault());
    plugin_ =
        Made(BackupCommandKind(),
             {{"command", {std::string(VMFERRY_SOURCE_DIR) + "/plugins/backup_command/example.py", vault().string()}}});
  }
  fs::path vault() const { return place_.root() / "vault"; }

  Plugin& plugin() override { return *plugin_; }
  std::string existing_path() override { return place_.data().string(); }
  int Kept() override { return CountFiles(vault(), ".json"); }
  bool WorksLeft() override { return CountFiles(vault() / "work") > 0; }
  void Damage() override {
    for (const auto& entry : fs::directory_iterator(vault()))
      if (entry.path().extension() == ".tar") FlipInTheMiddle(entry.path());
  }
  bool Breathe() override {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return true;
  }

 private:
  Place place_;
  std::shared_ptr<Plugin> plugin_;
};

INSTANTIATE_TEST_SUITE_P(
    Live, BackupContract,
    ::testing::Values(Maker<BackupHarness>{"restic", [] { return std::make_unique<ResticPlace>(); }},
                      Maker<BackupHarness>{"example_command", [] { return std::make_unique<ExamplePlace>(); }}),
    MakerName());

class ResticLive : public ::testing::Test {
 protected:
  template <class Request, class Answer>
  Result<Answer> Ask(const Call<Request, Answer>& call, const Request& request, const Json& changed = Json::object()) {
    Json settings = harness_.settings();
    settings.update(changed);
    return Asker(*Made(ResticKind(), settings))(call, request);
  }
  BackupRunRequest Run(const std::string& path) { return {"0123456789ab", {"shop-db", {path}, {}}}; }
  BackupRun Await(const std::string& path) {
    BackupRun last;
    EXPECT_TRUE(Until(
        [&] {
          const auto run = Ask(backup::kReadRun, Run(path));
          EXPECT_GOOD(run);
          if (run) last = *run;
          return !run || run->state != "running";
        },
        [&] { return harness_.Breathe(); }));
    return last;
  }

  ResticPlace harness_;
};

TEST_F(ResticLive, AWrongPasswordIsDenied) {
  Write(harness_.place().root() / "wrong", "something else\n");
  chmod((harness_.place().root() / "wrong").c_str(), 0600);
  const auto newest =
      Ask(backup::kFindNewest, BackupQuery{}, {{"password", "file:" + (harness_.place().root() / "wrong").string()}});
  EXPECT_KIND(newest, ErrorKind::kDenied);
  EXPECT_THAT(Text(newest), HasSubstr("wrong password"));
  EXPECT_THAT(Text(newest), testing::Not(HasSubstr("something else")));
}

TEST_F(ResticLive, NoRepositoryIsNotFoundAndAnUnreachableOneUnavailable) {
  EXPECT_KIND(Ask(backup::kFindNewest, BackupQuery{}, {{"repository", (harness_.place().root() / "none").string()}}),
              ErrorKind::kNotFound);
  const auto far = Ask(backup::kFindNewest, BackupQuery{}, {{"repository", "rest:http://127.0.0.1:1/"}});
  ASSERT_FALSE(far.ok());
  EXPECT_TRUE(SafeToRetry(far.error())) << Text(far);
}

TEST_F(ResticLive, AMissingProgramIsNamed) {
  const auto newest = Ask(backup::kFindNewest, BackupQuery{}, {{"program", "/nowhere/restic"}});
  EXPECT_KIND(newest, ErrorKind::kInvalid);
  EXPECT_THAT(Text(newest), HasSubstr("/nowhere/restic"));
  EXPECT_KIND(Ask(backup::kBeginRun, Run(harness_.existing_path()), {{"program", "/nowhere/restic"}}),
              ErrorKind::kInvalid);
}

TEST_F(ResticLive, AMissingPathIsRefusedBeforeAnythingIsBackedUp) {
  const auto begun = Ask(backup::kBeginRun, Run(harness_.place().root() / "nowhere"));
  EXPECT_KIND(begun, ErrorKind::kNotFound);
  EXPECT_EQ(harness_.Kept(), 0);
}

// restic calls a backup that left out what it could not read by another exit code, but keeps the snapshot.
TEST_F(ResticLive, ABackupThatCouldNotReadAllFailed) {
  const fs::path secret = harness_.place().data() / "unreadable";
  fs::create_symlink("/proc/self/mem", harness_.place().root() / "memory");
  Write(secret, "x");
  chmod(secret.c_str(), 0);
  std::string path = harness_.existing_path();
  if (geteuid() == 0) path = "/proc/self/mem";  // root reads everything else; this begins with an error for all
  ASSERT_GOOD(Ask(backup::kBeginRun, Run(path)));
  const BackupRun run = Await(path);
  chmod(secret.c_str(), 0600);
  EXPECT_EQ(run.state, "failed");
  EXPECT_FALSE(run.said.empty());
}

TEST_F(ResticLive, ABrokenRepositoryFailsItsOwnCheck) {
  ASSERT_GOOD(Ask(backup::kBeginRun, Run(harness_.existing_path())));
  const BackupRun run = Await(harness_.existing_path());
  ASSERT_EQ(run.state, "done") << run.said;
  for (const auto& entry : fs::recursive_directory_iterator(harness_.repository() / "data"))
    if (entry.is_regular_file()) fs::remove(entry.path());
  BackupCheck verdict;
  EXPECT_TRUE(Until(
      [&] {
        const BackupCheckRequest request{"0123456789ab", run.backup.id, "structure"};
        const auto check = Invoke(harness_.plugin(), backup::kCheck, request, CallContext{});  // a check ends with its plugin
        EXPECT_GOOD(check);
        if (check) verdict = *check;
        return !check || check->state != "running";
      },
      [&] { return harness_.Breathe(); }));
  EXPECT_EQ(verdict.state, "failed");
  EXPECT_FALSE(verdict.said.empty());
}

// As a backup that was killed leaves it.
TEST_F(ResticLive, ABackupThatWasKilledFailedAndMayBeBegunAgain) {
  fs::create_directories(harness_.place().root() / "work" / "0123456789ab-backup");
  Write(harness_.place().root() / "work" / "0123456789ab-backup" / "lock", "");
  const BackupRun run = Await(harness_.existing_path());
  EXPECT_EQ(run.state, "failed");
  EXPECT_THAT(run.said, HasSubstr("killed"));
  ASSERT_GOOD(Ask(backup::kBeginRun, Run(harness_.existing_path())));
  EXPECT_EQ(Await(harness_.existing_path()).state, "done");
}

TEST_F(ResticLive, NothingOfThePasswordIsInTheWorkDirectory) {
  ASSERT_GOOD(Ask(backup::kBeginRun, Run(harness_.existing_path())));
  EXPECT_EQ(Await(harness_.existing_path()).state, "done");
  for (const auto& entry : fs::recursive_directory_iterator(harness_.place().root() / "work")) {
    if (!entry.is_regular_file() || entry.path().string().find("/cache/") != std::string::npos) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(text.find("secret of the test"), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace vmferry::contracts
