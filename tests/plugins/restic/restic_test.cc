// SPDX-License-Identifier: Apache-2.0
//
// What the plugin makes of restic's ends, with a script in restic's place. The real program is run by the live tests.
#include "plugins/restic/restic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "plugins/backup.h"
#include "plugins/detached.h"

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

constexpr char kKey[] = "0123456789ab";
constexpr char kBackup[] = "03035e2c";
constexpr char kScript[] = R"sh(#!/bin/sh
cd "${0%/*}"
case " $* " in
  *" stats "*) cat stats ;;
  *" snapshots "*) cat snapshots ;;
  *" check "*) exec sleep 600 ;;
  *" backup "*) cat errors >&2; exit "$(cat code)" ;;
esac
)sh";

class ResticPlugin : public ::testing::Test {
 protected:
  ResticPlugin() {
    std::string pattern = (fs::temp_directory_path() / "vmferry-restic-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    Write("restic", kScript);
    chmod((root_ / "restic").c_str(), 0700);
    Write("password", "secret\n");
    chmod((root_ / "password").c_str(), 0600);
    Write("snapshots", "[]");
    Write("stats", R"({"total_size":10,"total_file_count":2})");
    Ends(0, "");
    plugin_ = Make();
  }
  ~ResticPlugin() override {
    plugin_.reset();
    RemoveFolder(root_, Soon());
  }
  static steady_clock::time_point Soon() { return steady_clock::now() + std::chrono::seconds(20); }
  void Write(const char* name, const std::string& text) const { std::ofstream(root_ / name) << text; }
  void Ends(int code, const std::string& errors) const {
    Write("code", std::to_string(code));
    Write("errors", errors);
  }
  std::shared_ptr<Plugin> Make(const std::string& work = "work") const {
    const Json settings = {{"repository", "/r"},
                           {"password", "file:" + (root_ / "password").string()},
                           {"workDirectory", (root_ / work).string()},
                           {"program", (root_ / "restic").string()}};
    return *ResticKind().make(PluginSetup{"vault", settings, ResolveSecret});
  }
  template <class Request, class Answer>
  Result<Answer> Ask(const Call<Request, Answer>& call, const Request& request) {
    CallContext context;
    context.timeout = std::chrono::seconds(20);
    return Invoke(*plugin_, call, request, context);
  }
  BackupRun Await() {
    for (const auto end = Soon(); steady_clock::now() < end; std::this_thread::sleep_for(milliseconds(5))) {
      const auto run = Ask(backup::kReadRun, Run());
      EXPECT_TRUE(run) << Describe(run.error());
      if (!run || run->state != "running") return run ? *run : BackupRun();
    }
    return {};
  }
  BackupRunRequest Run() const { return {kKey, {"shop", {root_.string()}, {}}}; }
  std::size_t Works() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(root_ / "work")) count += entry.is_directory() ? 1 : 0;
    return count;
  }

  fs::path root_;
  std::shared_ptr<Plugin> plugin_;
};

// A lock of somebody else's backup was told as "this backup failed" and nothing more. The step could not tell it from a
// target that cannot be backed up.
TEST_F(ResticPlugin, OnlyWhatPassesByItselfIsTransient) {
  struct End {
    int code;
    const char* errors;
    bool transient;
  };
  for (const End& end : {End{11, "", true}, End{1, "unable to create lock in backend: already locked by PID 7", true},
                         End{1, "dial tcp 10.0.0.1:8000: connect: connection refused", true},
                         End{1, "Fatal: unsupported file system", false}, End{12, "wrong password", false},
                         End{1, "no space left on device", false}, End{3, "read /nfs/a: connection reset", false}}) {
    Ends(end.code, end.errors);
    ASSERT_TRUE(Ask(backup::kBeginRun, Run()));
    const BackupRun run = Await();
    EXPECT_EQ(run.state, "failed") << end.errors;
    EXPECT_EQ(run.transient, end.transient) << end.errors;
    EXPECT_THAT(run.said, HasSubstr(end.errors));
  }
}

// restic leaves a snapshot of what it could read, and when the record of its end was gone that snapshot became "done".
// Only the record of a run that ended well makes it so.
TEST_F(ResticPlugin, ASnapshotWithoutARecordOfAGoodEndIsNotDone) {
  Write("snapshots", R"([{"time":"2026-03-01T01:00:00Z","paths":[")" + root_.string() +
                         R"("],"hostname":"shop","tags":["vmferry-0123456789ab"],"id":"03035e2c9e35"}])");
  const auto before = Ask(backup::kReadRun, Run());
  ASSERT_TRUE(before) << Describe(before.error());
  EXPECT_EQ(before->state, "failed");
  EXPECT_EQ(before->backup.id, "03035e2c9e35");
  EXPECT_THAT(before->said, HasSubstr("no record"));
  Ends(3, "at least one source file could not be read");
  ASSERT_EQ(Ask(backup::kBeginRun, Run())->state, "running");
  EXPECT_EQ(Await().state, "failed");
  Ends(0, "");
  ASSERT_EQ(Ask(backup::kBeginRun, Run())->state, "running");
  EXPECT_EQ(Await().state, "done");
  ASSERT_TRUE(Ask(backup::kEnsureStopped, BackupKey{kKey}));
  EXPECT_EQ(Ask(backup::kReadRun, Run())->state, "failed");
}

// A test restore filled the disk that it was unpacked on, and then called the backup damaged. Now the size is held
// against what is free before it begins.
TEST_F(ResticPlugin, ATestRestoreNeedsItsRoom) {
  Write("stats", R"({"total_size":1152921504606846976,"total_file_count":2})");
  const BackupCheckRequest request{kKey, kBackup, "restore"};
  Result<BackupCheck> check = Ask(backup::kTestRestore, request);
  for (const auto end = Soon(); check && check->state == "running" && steady_clock::now() < end;
       check = Ask(backup::kTestRestore, request))
    std::this_thread::sleep_for(milliseconds(5));
  ASSERT_FALSE(check);
  EXPECT_EQ(check.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(check.error().message, HasSubstr("needs 1152921504606855168 bytes"));
  EXPECT_THAT(check.error().message, HasSubstr("are free"));
  EXPECT_EQ(Works(), 0U);
}

// A check is begun by a step that may only read, so that nothing told it to stop when the run was aborted. It ends with
// the plugin now.
TEST_F(ResticPlugin, AChecksWorkEndsWithThePlugin) {
  ASSERT_EQ(Ask(backup::kCheck, BackupCheckRequest{kKey, kBackup, "structure"})->state, "running");
  ASSERT_EQ(Works(), 1U);
  plugin_.reset();
  EXPECT_EQ(Works(), 0U);
}

TEST_F(ResticPlugin, AChecksWorkOfAProcessThatWasKilledEndsBeforeTheNext) {
  const pid_t child = fork();
  if (child == 0) {
    const auto begun = Ask(backup::kCheck, BackupCheckRequest{"ba9876543210", kBackup, "structure"});
    _exit(begun ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 0);
  const fs::path left = root_ / "work" / "ba9876543210-structure-03035e2c";
  ASSERT_EQ(LookAtDetached(left).state, DetachedView::State::kRunning);
  ASSERT_TRUE(Ask(backup::kCheck, BackupCheckRequest{kKey, kBackup, "structure"}));
  EXPECT_FALSE(fs::exists(left));
  const std::shared_ptr<Plugin> other = Make();
  CallContext context;
  ASSERT_TRUE(Invoke(*other, backup::kCheck, BackupCheckRequest{"aaaaaaaaaaaa", kBackup, "structure"}, context));
  EXPECT_EQ(Works(), 2U) << "of somebody who lives";
}

// A workDirectory that could not be read looked like one in which nothing works. Only one that is not there does.
TEST_F(ResticPlugin, AWorkDirectoryThatCannotBeReadIsNotCalledStopped) {
  EXPECT_TRUE(Ask(backup::kEnsureStopped, BackupKey{kKey})) << "it is not there yet";
  Write("file", "");
  plugin_ = Make("file");
  const auto stopped = Ask(backup::kEnsureStopped, BackupKey{kKey});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace vmferry
