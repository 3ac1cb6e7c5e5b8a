// SPDX-License-Identifier: Apache-2.0
#include "plugins/detached.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using State = DetachedView::State;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

class Detached : public ::testing::Test {
 protected:
  Detached() {
    std::string pattern = (fs::temp_directory_path() / "vmferry-detached-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    folder_ = root_ / "work" / "one";
  }
  ~Detached() override {
    StopDetached(folder_, Soon());
    RemoveFolder(root_, Soon());
  }
  static steady_clock::time_point Soon() { return steady_clock::now() + std::chrono::seconds(20); }
  Status Start(const std::string& script) { return StartDetached(folder_, {"/bin/sh", "-c", script}, {"A=b"}, true); }
  DetachedView AwaitEnd() {
    for (const auto end = Soon(); steady_clock::now() < end; std::this_thread::sleep_for(milliseconds(5)))
      if (LookAtDetached(folder_).state != State::kRunning) break;
    return LookAtDetached(folder_);
  }
  bool AwaitFile(const fs::path& path) {
    for (const auto end = Soon(); steady_clock::now() < end; std::this_thread::sleep_for(milliseconds(5)))
      if (fs::exists(path) && fs::file_size(path) > 0) return true;
    return false;
  }

  fs::path root_, folder_;
};

TEST_F(Detached, NothingIsThereBeforeItIsStarted) {
  EXPECT_EQ(LookAtDetached(folder_).state, State::kNone);
  EXPECT_TRUE(StopDetached(folder_, Soon()));
}

TEST_F(Detached, ExitCodeAndOutputAreKept) {
  ASSERT_TRUE(Start("echo out $A; echo err >&2; exit 7"));
  const DetachedView view = AwaitEnd();
  EXPECT_EQ(view.state, State::kEnded);
  EXPECT_EQ(view.exit_code, 7);
  EXPECT_EQ(view.output, "out b\n");
  EXPECT_EQ(view.errors, "err\n");
}

TEST_F(Detached, ItRunsOnceAndIsSeenToRun) {
  ASSERT_TRUE(Start("exec sleep 600"));
  EXPECT_EQ(LookAtDetached(folder_).state, State::kRunning);
  const Status again = Start("exit 0");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(StopDetached(folder_, Soon()));
  EXPECT_FALSE(fs::exists(folder_));
}

TEST_F(Detached, ItSurvivesTheProcessThatStartedIt) {
  const std::string go = (root_ / "go").string();
  ASSERT_EQ(mkfifo(go.c_str(), 0600), 0);
  const pid_t child = fork();
  if (child == 0) _exit(Start("read word < " + go + "; exit 5").ok() ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(LookAtDetached(folder_).state, State::kRunning);
  std::ofstream(go) << "word" << std::endl;
  const DetachedView view = AwaitEnd();
  EXPECT_EQ(view.state, State::kEnded);
  EXPECT_EQ(view.exit_code, 5);
}

TEST_F(Detached, AKilledProgramIsLostAndMayBeStartedAgain) {
  ASSERT_TRUE(Start("kill -9 $$"));
  EXPECT_EQ(AwaitEnd().state, State::kLost);
  ASSERT_TRUE(Start("exit 0"));
  EXPECT_EQ(AwaitEnd().state, State::kEnded);
}

TEST_F(Detached, OneThatIgnoresInterruptsIsKilled) {
  ASSERT_TRUE(Start("trap '' INT TERM; echo ready; while :; do sleep 600; done"));
  ASSERT_TRUE(AwaitFile(folder_ / "output"));
  EXPECT_TRUE(StopDetached(folder_, Soon()));
  EXPECT_FALSE(fs::exists(folder_));
}

TEST_F(Detached, NothingOfOursIsOpenInIt) {
  const int held = open((root_ / "held").c_str(), O_CREAT | O_RDWR, 0600);  // without O_CLOEXEC, as libraries do
  ASSERT_GE(held, 0);
  ASSERT_TRUE(Start("ls -l /proc/$$/fd /proc/$PPID/fd; echo end"));
  const DetachedView view = AwaitEnd();
  close(held);
  EXPECT_NE(view.output.find("end\n"), std::string::npos);
  EXPECT_EQ(view.output.find("held"), std::string::npos) << view.output;
}

TEST_F(Detached, AMissingProgramIsAnErrorAndLeavesNothing) {
  const Status started = StartDetached(folder_, {"/nowhere/restic"}, {}, true);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(Describe(started.error()).find("/nowhere/restic"), std::string::npos) << Describe(started.error());
  EXPECT_FALSE(fs::exists(folder_));
}

TEST_F(Detached, ALongOutputIsReadFromItsEnd) {
  ASSERT_TRUE(Start("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"));
  const DetachedView view = AwaitEnd();
  EXPECT_EQ(view.output.size(), 64U * 1024);
  EXPECT_TRUE(view.output.ends_with("line 19999\n"));
}

TEST_F(Detached, AFolderIsRemovedInPiecesWhenTimeIsShort) {
  fs::create_directories(root_ / "tree" / "deep");
  std::ofstream(root_ / "tree" / "deep" / "file") << "x";
  chmod((root_ / "tree" / "deep").c_str(), 0500);
  EXPECT_FALSE(RemoveFolder(root_ / "tree", steady_clock::now() - milliseconds(1)));
  EXPECT_TRUE(fs::exists(root_ / "tree" / "deep" / "file"));
  EXPECT_TRUE(RemoveFolder(root_ / "tree", Soon()));
  EXPECT_FALSE(fs::exists(root_ / "tree"));
}

}  // namespace
}  // namespace vmferry
