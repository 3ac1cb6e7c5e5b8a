// SPDX-License-Identifier: Apache-2.0
#include "state/journal_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>

#include "tests/state/journal_fixture.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

std::unique_ptr<JournalLock> Acquired(const std::string& path) {
  Result<JournalLock::Attempt> attempt = JournalLock::Acquire(path);
  EXPECT_TRUE(attempt) << Describe(attempt.error());
  auto* lock = std::get_if<std::unique_ptr<JournalLock>>(&*attempt);
  return lock ? std::move(*lock) : nullptr;
}

LockHolder HolderOf(const std::string& path) {
  Result<JournalLock::Attempt> attempt = JournalLock::Acquire(path);
  EXPECT_TRUE(attempt) << Describe(attempt.error());
  const auto* holder = std::get_if<LockHolder>(&*attempt);
  EXPECT_TRUE(holder) << "nobody held it";
  return holder ? *holder : LockHolder{};
}

// A child that opens the journal and waits to be killed.
class Engine {
 public:
  explicit Engine(const std::string& path) {
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      const auto journal = OpenOrFail(path);
      if (write(ends[1], "x", 1) != 1) _exit(1);
      while (true) pause();
    }
    char ready = 0;
    EXPECT_EQ(read(ends[0], &ready, 1), 1);
    close(ends[0]);
    close(ends[1]);
  }
  ~Engine() { Kill(); }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

TEST(JournalLock, SecondOpenerIsToldWhoHoldsTheJournal) {
  const TempDirectory directory;
  const std::string path = directory.File("j.db");
  Engine engine(path);
  const auto second = OpenSqliteJournal(path, SystemClock());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(Describe(second.error()), HasSubstr("held by pid " + std::to_string(engine.pid()) + " since 20"));
  EXPECT_EQ(HolderOf(path).pid, engine.pid());
}

TEST(JournalLock, LockOfADeadProcessIsTakenOver) {
  const TempDirectory directory;
  const std::string path = directory.File("j.db");
  Engine engine(path);
  engine.Kill();
  std::ifstream left(path + ".lock");
  EXPECT_TRUE(left.good()) << "the file of the dead process is still there";
  const auto journal = OpenOrFail(path);
  EXPECT_TRUE(journal->Append({MakeEvent("r", "")}));
  EXPECT_EQ(HolderOf(path).pid, getpid());
}

TEST(JournalLock, IsReleasedWithItsOwner) {
  const TempDirectory directory;
  const std::string path = directory.File("j.db");
  { ASSERT_TRUE(Acquired(path)); }
  EXPECT_TRUE(Acquired(path));
}

TEST(JournalLock, NamesTheSocketOnlyWhileSomebodyAnswersThere) {
  const TempDirectory directory;
  const std::string path = directory.File("j.db");
  const std::string socket_path = directory.File("j.sock");
  const auto lock = Acquired(path);
  EXPECT_EQ(HolderOf(path).socket, "") << "none announced";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(fd, 8), 0);
  ASSERT_TRUE(lock->Announce(socket_path));
  EXPECT_EQ(HolderOf(path).socket, socket_path);
  EXPECT_THAT(HeldError(path, HolderOf(path)).advice, HasSubstr("talk to it over " + socket_path));
  close(fd);
  EXPECT_EQ(HolderOf(path).socket, "") << "the file is there, but nobody listens";
  EXPECT_THAT(HeldError(path, HolderOf(path)).advice, HasSubstr("does not answer"));
}

TEST(JournalLock, TextOfAPredecessorIsNotTakenForTheHolder) {
  const TempDirectory directory;
  const std::string path = directory.File("j.db");
  const auto lock = Acquired(path);
  std::string host(256, '\0');
  gethostname(host.data(), host.size() - 1);
  const pid_t dead = fork();
  if (dead == 0) _exit(0);
  waitpid(dead, nullptr, 0);
  std::ofstream(path + ".lock") << Json{{"pid", dead}, {"host", host.c_str()}, {"since", "then"}, {"socket", ""}};
  EXPECT_EQ(HolderOf(path).pid, 0);
  EXPECT_EQ(HeldError(path, HolderOf(path)).message, "held by another vmferry that is just starting");
}

TEST(JournalLock, OpenTakesALockThatItsCallerHolds) {
  const TempDirectory directory;
  const std::string path = directory.File("j.db");
  const auto journal = OpenOrFail(path, {.lock = Acquired(path), .limits = {}, .max_pages = 0});
  EXPECT_TRUE(journal->Append({MakeEvent("r", "")}));
  EXPECT_EQ(HolderOf(path).pid, getpid());
  const auto wrong = OpenSqliteJournal(directory.File("other.db"), SystemClock(),
                                       {.lock = Acquired(directory.File("third.db")), .limits = {}, .max_pages = 0});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, ErrorKind::kInternal);
}

}  // namespace
}  // namespace vmferry
