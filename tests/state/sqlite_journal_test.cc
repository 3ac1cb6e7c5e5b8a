// SPDX-License-Identifier: Apache-2.0
#include "state/sqlite_journal.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "state/sqlite_connection.h"
#include "tests/state/journal_fixture.h"

namespace {
std::atomic<int> sync_calls = 0;
}
// SQLite calls these from its own library; the program's definitions come first, so that a test can count them.
extern "C" int fdatasync(int fd) {
  ++sync_calls;
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}
extern "C" int fsync(int fd) {
  ++sync_calls;
  return static_cast<int>(syscall(SYS_fsync, fd));
}

namespace vmferry {
namespace {

using testing::HasSubstr;

unsigned ModeOf(const std::string& path) {
  struct stat there {};
  return stat(path.c_str(), &there) == 0 ? there.st_mode & 0777U : 0;
}

Event Large(const std::string& run, std::size_t bytes) {
  return MakeEvent(run, "", EventKind::kFacts, Json{{"t", std::string(bytes, 'x')}});
}

std::int64_t Version(const std::string& path) {
  SqliteConnection connection(path);
  if (!connection.Open(SqliteConnection::Mode::kReadOnly)) return -1;
  return connection.SchemaVersion().value();
}

class SqliteJournalTest : public testing::Test {
 protected:
  void MakeSchema1(const std::string& more = "") {
    std::filesystem::create_directories(directory_.File("sub/dir"));
    MakeJournalOfSchema1(path_, more);
  }

  TempDirectory directory_;
  const std::string path_ = directory_.File("sub/dir/journal.db");
};

TEST_F(SqliteJournalTest, OnlyTheOwnerMayReadWhatIsCreated) {
  const auto journal = OpenOrFail(path_);
  ASSERT_TRUE(journal->Append({MakeEvent("r", "")}));
  for (const char* ending : {"", "-wal", "-shm", ".lock"}) EXPECT_EQ(ModeOf(path_ + ending), 0600u) << ending;
  EXPECT_EQ(ModeOf(directory_.File("sub")), 0700u);
  EXPECT_EQ(ModeOf(directory_.File("sub/dir")), 0700u);
}

TEST_F(SqliteJournalTest, ADirectoryThatIsThereKeepsItsMode) {
  std::filesystem::create_directory(directory_.File("group"));
  chmod(directory_.File("group").c_str(), 0770);
  OpenOrFail(directory_.File("group/journal.db"));
  EXPECT_EQ(ModeOf(directory_.File("group")), 0770u);
}

TEST_F(SqliteJournalTest, EveryAcknowledgementComesAfterASync) {
  const auto journal = OpenOrFail(path_);
  for (int i = 0; i < 10; ++i) {
    const int before = sync_calls;
    ASSERT_TRUE(journal->Append({MakeEvent("r", "")}));
    EXPECT_GT(sync_calls, before);
  }
}

TEST_F(SqliteJournalTest, EpochRisesWithEveryOpening) {
  for (std::int64_t epoch = 1; epoch <= 3; ++epoch) {
    const auto journal = OpenOrFail(path_);
    EXPECT_EQ(journal->Append({MakeEvent("r", "")})->at(0).epoch, epoch);
  }
  { OpenOrFail(path_); }  // an engine that wrote nothing was one too
  EXPECT_EQ(OpenOrFail(path_)->Append({MakeEvent("r", "")})->at(0).epoch, 5);
}

TEST_F(SqliteJournalTest, ChainsGoOnAfterOpeningAgain) {
  { ASSERT_TRUE(OpenOrFail(path_)->Append(RunCreated("r", {"a", "b"}))); }
  const auto journal = OpenOrFail(path_);
  const auto stored = journal->Append({MakeEvent("r", "b")});
  EXPECT_EQ(stored->at(0).seq, 4);
  EXPECT_EQ(stored->at(0).chain_seq, 2);
  EXPECT_EQ(Problems(journal->Verify("")), "");
}

TEST_F(SqliteJournalTest, ReaderWorksWithAnEngineAndWithoutOne) {
  {
    const auto journal = OpenOrFail(path_);
    ASSERT_TRUE(journal->Append({MakeEvent("r", "")}));
    const auto beside = OpenJournalReader(path_);
    ASSERT_TRUE(beside) << Describe(beside.error());
    EXPECT_EQ((*beside)->Read("r")->size(), 1u);
    ASSERT_TRUE(journal->Append({MakeEvent("r", "")}));
    EXPECT_EQ((*beside)->Read("r")->size(), 2u);
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal")) << "closed cleanly";
  const auto alone = OpenJournalReader(path_);
  ASSERT_TRUE(alone) << Describe(alone.error());
  EXPECT_EQ((*alone)->Read("r")->size(), 2u);
  EXPECT_EQ(*(*alone)->Runs(), std::vector<std::string>{"r"});
}

// The writer ends by itself: one that went on until the reader had read thirty times outran a reader that a sanitizer
// made slow, which then had ever more to read.
TEST_F(SqliteJournalTest, ReaderDuringWritingSeesWholeAppendsOnly) {
  constexpr std::size_t kAppends = 300;
  const auto journal = OpenOrFail(path_);
  ASSERT_TRUE(journal->Append(RunCreated("r", {"a"})));
  std::thread writer([&] {
    for (std::size_t i = 0; i < kAppends; ++i)
      EXPECT_TRUE(journal->Append({MakeEvent("r", "a"), MakeEvent("r", ""), MakeEvent("r", "a")}));
  });
  const auto reader = OpenJournalReader(path_);
  for (std::size_t last = 0; last < 2 + 3 * kAppends && !HasFailure();) {
    const auto events = (*reader)->Read("r");
    if (!events) ADD_FAILURE() << Describe(events.error());
    if (!events) break;
    EXPECT_EQ((events->size() - 2) % 3, 0u);
    EXPECT_GE(events->size(), last);
    last = events->size();
    EXPECT_EQ(Problems((*reader)->Verify("")), "");
  }
  writer.join();
}

// The writer fires no triggers of its own; the primary key alone keeps it from a place that somebody else has taken.
TEST_F(SqliteJournalTest, WritesNothingOverARowOfAnotherHand) {
  const auto journal = OpenOrFail(path_);
  ASSERT_TRUE(journal->Append({MakeEvent("r", "")}));
  ASSERT_EQ(RunSql(path_,
                   "INSERT INTO events SELECT 2, run, 'other', 1, header, payload, payload_sha256, prev_hash, hash "
                   "FROM events WHERE seq = 1"),
            "");
  const auto appended = journal->Append({MakeEvent("r", "")});
  ASSERT_FALSE(appended);
  EXPECT_THAT(Describe(appended.error()), testing::HasSubstr("UNIQUE constraint failed: events.seq"));
  EXPECT_EQ(journal->Read("r")->size(), 2u);
}

// A run that is most of what lies between its ends is read in another way than one of which little is there.
TEST_F(SqliteJournalTest, TheStateOfARunIsWhatItsOwnEventsAddUpTo) {
  const auto journal = OpenOrFail(path_);
  for (const char* run : {"r-few", "r-most"}) ASSERT_TRUE(journal->Append(RunCreated(run, {"app1", "app2"})));
  for (int i = 0; i < 60; ++i) {
    const std::string run = i % 12 == 0 ? "r-few" : "r-most";
    const Json facts{{"name", run}, {"facts", {{"n", i}}}};
    ASSERT_TRUE(journal->Append({MakeEvent(run, i % 5 == 0 ? "app1" : "app2", EventKind::kFacts, facts)}));
  }
  for (const char* run : {"r-few", "r-most", "r-none"}) {
    RunState expected;
    for (const Event& event : *journal->Read(run, 0, 1000)) Fold(expected, event);
    const Result<RunState> state = journal->State(run);
    ASSERT_TRUE(state);
    ASSERT_EQ(state->applications.size(), expected.applications.size()) << run;
    EXPECT_EQ(state->order, expected.order);
    for (const auto& [name, application] : expected.applications) {
      EXPECT_EQ(state->applications.at(name).last_seq, application.last_seq) << run << " " << name;
      EXPECT_EQ(state->applications.at(name).steps.at(2).facts, application.steps.at(2).facts) << run << " " << name;
    }
  }
}

TEST_F(SqliteJournalTest, ReaderOfAMissingJournalSaysWhatToDo) {
  const auto reader = OpenJournalReader(directory_.File("none.db"));
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(reader.error().advice, HasSubstr("start a run first"));
  EXPECT_FALSE(std::filesystem::exists(directory_.File("none.db"))) << "reading creates nothing";
}

TEST_F(SqliteJournalTest, ReaderInADirectoryThatIsNotWritableIsToldWhy) {
  { ASSERT_TRUE(OpenOrFail(path_)->Append({MakeEvent("r", "")})); }
  chmod(path_.c_str(), 0644);
  for (const char* name : {"", "sub", "sub/dir"}) chmod(directory_.File(name).c_str(), 0555);
  const pid_t child = fork();
  if (child == 0) {  // root may write anywhere, so become nobody
    if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0)) _exit(9);
    const auto reader = OpenJournalReader(path_);
    if (reader) _exit(1);
    _exit(reader.error().advice.find("its directory is not writable") != std::string::npos ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  for (const char* name : {"", "sub", "sub/dir"}) chmod(directory_.File(name).c_str(), 0700);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SqliteJournalTest, ANewerSchemaIsRefused) {
  { OpenOrFail(path_); }
  ASSERT_EQ(RunSql(path_, "PRAGMA user_version = 7"), "");
  const auto writer = OpenSqliteJournal(path_, SystemClock());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(writer.error().message, "was written by a newer vmferry (schema 7, this one knows schemas up to 2)");
  const auto reader = OpenJournalReader(path_);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().message, writer.error().message);
}

TEST_F(SqliteJournalTest, AFileThatIsNoJournalIsRefusedAndLeftAlone) {
  std::filesystem::create_directories(directory_.File("sub/dir"));
  ASSERT_EQ(RunSql(path_, "CREATE TABLE mine (x)"), "");
  EXPECT_THAT(OpenSqliteJournal(path_, SystemClock()).error().message, HasSubstr("no journal of vmferry"));
  EXPECT_EQ(RunSql(path_, "SELECT * FROM mine"), "");

  const std::string text = directory_.File("notes.txt");
  std::ofstream(text) << std::string(5000, 'n');
  EXPECT_EQ(OpenSqliteJournal(text, SystemClock()).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(std::filesystem::file_size(text), 5000u);

  const std::string folder = directory_.File("folder");
  std::filesystem::create_directory(folder);
  EXPECT_EQ(OpenSqliteJournal(folder, SystemClock()).error().kind, ErrorKind::kInvalid);
}

TEST_F(SqliteJournalTest, AnEmptyFileLeftByACrashBecomesAJournal) {
  std::filesystem::create_directories(directory_.File("sub/dir"));
  std::ofstream(path_).flush();
  EXPECT_EQ(OpenJournalReader(path_).error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(OpenOrFail(path_)->Append({MakeEvent("r", "")}));
}

// journal_v1.sql is a journal as schema 1 was written on the day it was made. It must verify and go on for ever.
TEST_F(SqliteJournalTest, AJournalOfSchema1IsReadVerifiedAndContinued) {
  MakeSchema1();
  {
    const auto reader = OpenJournalReader(path_);
    ASSERT_TRUE(reader) << "an auditor may have nothing but the old file";
    EXPECT_EQ((*reader)->Read("r-20260301-7f3a9c")->size(), 4u);
    EXPECT_EQ(Problems((*reader)->Verify("")), "");
    EXPECT_TRUE((*reader)->AppendOnly());
  }
  EXPECT_EQ(Version(path_), 1) << "reading changes nothing";
  const auto journal = OpenOrFail(path_);
  EXPECT_EQ(Version(path_), 2);
  EXPECT_TRUE(journal->AppendOnly());
  const auto reports = journal->Verify("");
  EXPECT_EQ(Problems(reports), "");
  ASSERT_EQ(reports->size(), 2u);
  EXPECT_EQ(reports->at(1).events, 3);
  EXPECT_EQ(reports->at(1).head, "0d63a9e23166aeb17936fd600137906e206794f685faecd277365f965b156499");
  const auto events = journal->Read("r-20260301-7f3a9c");
  ASSERT_EQ(events->size(), 4u);
  EXPECT_EQ(events->at(3).kind, EventKind::kOutcome);
  EXPECT_EQ(events->at(3).payload["facts"]["power"], "off");
  EXPECT_EQ(journal->Append({MakeEvent("r-20260301-7f3a9c", "shop")})->at(0).chain_seq, 4);
  EXPECT_EQ(Problems(journal->VerifyAgainst(*reports)), "");
}

// Somebody has to be able to go back, whatever is in the way of the new schema.
TEST_F(SqliteJournalTest, AnOldJournalThatCannotBeBroughtUpToDateIsUsedAsItIs) {
  MakeSchema1("CREATE TABLE events_of_a_run (taken INTEGER);");
  const auto journal = OpenOrFail(path_);
  EXPECT_EQ(Version(path_), 1);
  EXPECT_EQ(journal->Append({MakeEvent("r-20260301-7f3a9c", "shop")})->at(0).chain_seq, 4);
  EXPECT_EQ(journal->Read("r-20260301-7f3a9c")->size(), 5u);
  EXPECT_EQ(journal->State("r-20260301-7f3a9c")->applications.at("shop").last_seq, 5);
  EXPECT_EQ(Problems(journal->Verify("r-20260301-7f3a9c")), "");
}

TEST_F(SqliteJournalTest, ADiskThatIsFullEndsAppendingButNotReading) {
  {
    const auto journal = OpenOrFail(path_, {.lock = nullptr, .limits = {}, .max_pages = 60});
    ASSERT_TRUE(journal->Append({MakeEvent("r", "")}));
    const auto failed = journal->Append({Large("r", 1000), Large("r", 400000)});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, ErrorKind::kUnavailable);
    EXPECT_THAT(Describe(failed.error()), HasSubstr("disk full"));
    EXPECT_THAT(failed.error().advice, HasSubstr("free space"));
    const auto refused = journal->Append({MakeEvent("r", "")});
    ASSERT_FALSE(refused) << "a small one would fit, but its predecessor is lost";
    EXPECT_THAT(refused.error().message, HasSubstr("refuses further events since an append failed"));
    EXPECT_EQ(journal->Read("r")->size(), 1u) << "all of an append or nothing";
    EXPECT_EQ(Problems(journal->Verify("")), "");
  }
  const auto again = OpenOrFail(path_);
  EXPECT_EQ(again->Append({MakeEvent("r", "")})->at(0).seq, 2);
  EXPECT_EQ(Problems(again->Verify("")), "");
}

// In a child with a small file system of its own; 77: it may not have one. The chains were begun by another opening,
// half of them are taken up before the disk is full and half of them while it is.
int FillTheDisk(const std::string& folder) {
  const bool own = unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
  if (!own || mount("none", folder.c_str(), "tmpfs", 0, "size=24m") != 0) return 77;
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) names.push_back("app" + std::to_string(i));
  const std::vector<Event> created = RunCreated("r", names);
  if (!OpenOrFail(folder + "/j.db")->Append(created)) return 5;
  JournalOptions options;
  options.reserve_bytes = 8 << 20;
  const auto opened = OpenSqliteJournal(folder + "/j.db", SystemClock(), std::move(options));
  if (!opened) return 1;
  Journal& journal = **opened;
  std::size_t stored = created.size();
  for (std::size_t i = 0; i < names.size(); i += 2, ++stored)
    if (!journal.Append({MakeEvent("r", names[i])})) return 6;
  // Somebody else takes all there is.
  std::ofstream hog(folder + "/hog");
  const std::string block(64 << 10, 'x');
  while (hog.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
  const auto append = [&] {
    Event event = Large("r", 10000);
    event.application = names[stored % names.size()];
    return journal.Append({std::move(event)}).ok();
  };
  while (append()) ++stored;
  if (stored < 260) return 2;  // 2 MB at least of what was reserved, in the WAL and in the database
  const auto events = journal.Read("r");
  if (!events || events->size() != stored) return 3;
  return Problems(journal.Verify("")).empty() ? 0 : 4;
}

TEST_F(SqliteJournalTest, WritesOnInItsReserveWhenTheDiskIsFull) {
  const pid_t child = fork();
  if (child == 0) _exit(FillTheDisk(directory_.File("")));
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "needs to mount a file system of its own";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// A write that the kernel refuses: the child may not make any file larger than 256 KiB.
TEST_F(SqliteJournalTest, AnIoErrorEndsAppendingButNotReading) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{256 << 10, 256 << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto journal = OpenOrFail(path_);
    std::size_t stored = 0;
    Result<std::vector<Event>> result = journal->Append({Large("r", 10000)});
    for (; result; result = journal->Append({Large("r", 10000)})) ++stored;
    if (stored == 0 || result.error().kind != ErrorKind::kUnknownOutcome) _exit(1);
    if (journal->Append({MakeEvent("r", "")})) _exit(2);
    if (journal->Read("r")->size() != stored) _exit(3);
    _exit(Problems(journal->Verify("")).empty() ? 0 : 4);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(OpenOrFail(path_)->Append({MakeEvent("r", "")}));
}

TEST_F(SqliteJournalTest, AReadOnlyFileIsRefusedWithAdvice) {
  { OpenOrFail(path_); }
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0) {
      for (const char* name : {"", "sub", "sub/dir", "sub/dir/journal.db.lock"})
        if (chown(directory_.File(name).c_str(), 65534, 65534) != 0) _exit(9);
      if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) _exit(9);
    } else {
      chmod(path_.c_str(), 0400);
    }
    const auto journal = OpenSqliteJournal(path_, SystemClock());
    if (journal) _exit(1);
    _exit(journal.error().kind == ErrorKind::kDenied ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace vmferry
