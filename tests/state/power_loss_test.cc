// SPDX-License-Identifier: Apache-2.0
//
// Promise 2 once more, with the machine gone and not just the process: what was acknowledged before the power failed is
// there when it is back. kill -9 cannot show that, since the kernel keeps what the process wrote.
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "state/journal_schema.h"
#include "state/sqlite_connection.h"
#include "tests/state/journal_fixture.h"
#include "tests/state/power_loss_vfs.h"

namespace vmferry {
namespace {

// Text that differs everywhere, so that no page of the database looks like another.
std::string TextOf(std::size_t number, std::size_t size) {
  static const std::string text = [] {
    std::mt19937 random(1);
    std::string all(std::size_t{1} << 19, ' ');
    for (char& c : all) c = static_cast<char>('a' + random() % 26);
    return all;
  }();
  return text.substr(number * 997 % (text.size() - size), size);
}

// What engines appended to one journal, and what they were told about it.
class History {
 public:
  struct Append {
    std::vector<Event> events;
    bool acknowledged = false;
  };

  // It stays where it is while the journal's thread acknowledges it.
  Append& Add(std::vector<Event> events) { return appends_.emplace_back(Append{std::move(events), false}); }
  // Compares with all events of the journal: acknowledged appends are there, others may be, each of them whole, and
  // nothing else. Empty when that is so; what is there is certain from now on, and the rest forgotten.
  std::string Settle(const std::vector<Event>& found);
  std::size_t lost() const { return lost_; }  // acknowledged events that Settle did not find

 private:
  static bool Same(const Event& a, const Event& b) {
    return a.run == b.run && a.application == b.application && a.kind == b.kind && a.payload == b.payload;
  }

  std::deque<Append> appends_;
  std::size_t lost_ = 0;
};

std::string History::Settle(const std::vector<Event>& found) {
  std::deque<Append> appends;
  std::swap(appends, appends_);
  auto at = found.begin();
  for (Append& append : appends) {
    const auto& events = append.events;
    const bool room = found.end() - at >= std::ssize(events);
    if (room && std::equal(events.begin(), events.end(), at, Same)) {
      at += std::ssize(events);
      Add(std::move(append.events)).acknowledged = true;
    } else if (append.acknowledged) {
      lost_ += events.size();
    }
  }
  if (lost_ > 0) return "lost " + std::to_string(lost_) + " acknowledged events";
  return at == found.end() ? "" : "holds what nobody appended, or an append in part";
}

// Appends events of one run, telling the history. Each function says whether the journal took them all.
class Engine {
 public:
  Engine(Journal& journal, History& history, std::string run)
      : journal_(journal), history_(history), run_(std::move(run)) {}

  bool Create() { return Single(RunCreated(run_, {"a", "b"})); }
  bool Single() { return Single({Next(100)}); }
  bool Singles(int count, std::size_t size);
  bool Group(int count);

 private:
  Event Next(std::size_t size);
  bool Single(std::vector<Event> events);
  void Acknowledge(History::Append& append, bool stored);

  Journal& journal_;
  History& history_;
  const std::string run_;
  std::size_t number_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool first_done_ = false, all_pushed_ = false;
};

Event Engine::Next(std::size_t size) {
  ++number_;
  const char* application = number_ % 3 == 0 ? "" : number_ % 3 == 1 ? "a" : "b";
  return MakeEvent(run_, application, EventKind::kFacts, Json{{"n", number_}, {"t", TextOf(number_, size)}});
}

bool Engine::Single(std::vector<Event> events) {
  History::Append& append = history_.Add(std::move(events));
  append.acknowledged = static_cast<bool>(journal_.Append(append.events));
  return append.acknowledged;
}

bool Engine::Singles(int count, std::size_t size) {
  for (int i = 0; i < count; ++i)
    if (!Single({Next(size)})) return false;
  return true;
}

// The first append is held in its acknowledgement until all others wait, so that one commit takes them together.
bool Engine::Group(int count) {
  waiting_ = count;
  first_done_ = all_pushed_ = false;
  History::Append* last = nullptr;
  for (int i = 0; i < count; ++i) {
    last = &history_.Add({Next(300), Next(20)});
    journal_.AppendAsync(last->events, [this, last](const Result<std::vector<Event>>& stored) {
      Acknowledge(*last, static_cast<bool>(stored));
    });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return first_done_; });
  }
  std::unique_lock lock(mutex_);
  all_pushed_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return waiting_ == 0; });
  return last->acknowledged;
}

void Engine::Acknowledge(History::Append& append, bool stored) {
  std::unique_lock lock(mutex_);
  append.acknowledged = stored;
  first_done_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return all_pushed_; });
  --waiting_;
  changed_.notify_all();
}

bool AppendAll(Journal& journal, const std::string& run, History& history) {
  Engine engine(journal, history, run);
  return engine.Create() && engine.Singles(4, 100) && engine.Group(8) && engine.Singles(4, 5000) && engine.Group(3);
}

// One life of a journal: opening, single appends, groups, closing. Ends early when the journal answers an error.
void Live(const std::string& path, const std::string& run, History& history) {
  const auto journal = OpenSqliteJournal(path, SystemClock());
  if (journal) (void)AppendAll(**journal, run, history);
}

// Where a story begins: the files of a journal, and what was appended to it.
struct Beginning {
  std::string path;  // empty: no journal yet
  History history;
};

void CopyJournal(const std::string& from, const std::string& to) {
  for (const char* ending : {"", "-wal"})
    if (std::filesystem::exists(from + ending)) std::filesystem::copy_file(from + ending, to + ending);
}

// A journal whose WAL is a few appends short of the 250 pages at which it makes a checkpoint. A copy of the files
// that an engine has open, as a machine leaves them: closing would make the checkpoint at once.
Beginning ShortOfACheckpoint(const TempDirectory& directory) {
  constexpr std::uintmax_t kFrame = 4096 + 24;
  const std::string path = directory.File("open.db");
  Beginning beginning{directory.File("copy.db"), {}};
  const PowerLossDisk disk(0);  // whose power stays: it spares the real disk some hundred syncs
  const auto journal = OpenOrFail(path);
  Engine engine(*journal, beginning.history, "r-0");
  bool going = engine.Create();
  while (going && std::filesystem::file_size(path + "-wal") < 220 * kFrame) going = engine.Single();
  EXPECT_TRUE(going);
  CopyJournal(path, beginning.path);
  return beginning;
}

Result<std::vector<Event>> AllEvents(const JournalReader& journal) {
  const auto runs = journal.Runs();
  if (!runs) return runs.error();
  std::vector<Event> all;
  for (const std::string& run : *runs) {
    auto events = journal.Read(run);
    if (!events) return events.error();
    std::ranges::move(*events, std::back_inserter(all));
  }
  std::ranges::sort(all, {}, &Event::seq);
  return all;
}

// A journal of schema 1, which is brought to schema 2 as it is opened.
Beginning OfSchema1(const TempDirectory& directory) {
  Beginning beginning{directory.File("old.db"), {}};
  MakeJournalOfSchema1(beginning.path);
  for (const Event& event : AllEvents(**OpenJournalReader(beginning.path)).value())
    beginning.history.Add({event}).acknowledged = true;
  return beginning;
}

// SQLite's own opinion; "ok" is what it says of a database that is whole.
std::string IntegrityOf(const std::string& path) {
  sqlite3* db = nullptr;
  sqlite3_open(path.c_str(), &db);
  std::string text;
  const auto add = [](void* to, int, char** values, char**) {
    *static_cast<std::string*>(to) += values[0];
    return 0;
  };
  if (sqlite3_exec(db, "PRAGMA integrity_check", add, &text, nullptr) != SQLITE_OK) text += sqlite3_errmsg(db);
  sqlite3_close(db);
  return text;
}

// What is wrong with the journal after a loss; empty when nothing is. Leaves it closed.
std::string ProblemsAfter(const std::string& path, History& history) {
  const PowerLossDisk disk(0);  // whose power stays: it spares the real disk its syncs
  {
    const auto journal = OpenSqliteJournal(path, SystemClock());
    if (!journal) return "cannot be opened: " + Describe(journal.error());
    const auto found = AllEvents(**journal);
    if (!found) return "cannot be read: " + Describe(found.error());
    if (const std::string problem = history.Settle(*found); !problem.empty()) return problem;
    History::Append& append = history.Add({MakeEvent("r-after", "")});
    const auto next = (*journal)->Append(append.events);
    append.acknowledged = static_cast<bool>(next);
    if (!next) return "does not go on: " + Describe(next.error());
    if (next->at(0).seq != static_cast<std::int64_t>(found->size()) + 1) return "goes on elsewhere";
    if (const std::string problem = Problems((*journal)->Verify("")); !problem.empty()) return problem;
  }
  SqliteConnection connection(path);
  if (!connection.Open(SqliteConnection::Mode::kReadOnly)) return "cannot be opened once more";
  if (*connection.SchemaVersion() != kJournalSchema) return "has an old schema for good";
  const std::string integrity = IntegrityOf(path);
  return integrity == "ok" ? "" : "SQLite says: " + integrity;
}

// Different for each time the WAL was begun anew, which SQLite does after a checkpoint of all of it.
std::string WalHeader(const std::string& path) {
  std::string header(32, '\0');
  std::ifstream(path + "-wal", std::ios::binary).read(header.data(), std::ssize(header));
  return header;
}

struct Loss {
  unsigned seed = 0;
  std::int64_t point = 0;          // the call in which the power fails; 0: after the last
  std::optional<std::string> lie;  // the disk lies about syncs of files with this ending
};

struct Tally {
  int losses = 0;          // of power before the end of a history
  int damaged = 0;         // journals with a problem afterwards
  std::size_t lost = 0;    // acknowledged events that are missing in journals that can be read
  std::int64_t calls = 0;  // the longest history
};

// Two lives of a journal, cut short by a loss; what is wrong afterwards.
std::string ProblemsOf(const Loss& loss, const Beginning& beginning, Tally& tally) {
  const TempDirectory directory;
  const std::string path = directory.File("j.db");
  History history = beginning.history;
  if (!beginning.path.empty()) CopyJournal(beginning.path, path);
  {
    PowerLossDisk disk(loss.seed * 100000 + static_cast<unsigned>(loss.point));
    disk.FailAt(loss.point);
    if (loss.lie) disk.LieAboutSyncsOf(*loss.lie);
    Live(path, "r-1", history);
    Live(path, "r-2", history);
    disk.Recover();
    tally.losses += disk.failed() ? 1 : 0;
    tally.calls = std::max(tally.calls, disk.calls());
  }
  std::string problems = ProblemsAfter(path, history);
  tally.damaged += problems.empty() ? 0 : 1;
  tally.lost += history.lost();
  return problems;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned kSeeds = 1;  // each takes ten times as long
#else
constexpr unsigned kSeeds = 3;
#endif

// Cuts the power at every `stride`-th call, beginning with another one for each seed.
Tally CutEverywhere(const Beginning& beginning, std::int64_t stride) {
  Tally tally;
  EXPECT_EQ(ProblemsOf({}, beginning, tally), "") << "the power stayed";
  const std::int64_t calls = tally.calls;
  for (unsigned seed = 1; seed <= kSeeds; ++seed)
    for (std::int64_t point = seed; point <= calls; point += stride) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", point " + std::to_string(point));
      EXPECT_EQ(ProblemsOf({seed, point, std::nullopt}, beginning, tally), "");
      if (testing::Test::HasFailure()) return tally;
    }
  std::cout << tally.losses << " losses in a history of " << calls << " calls\n";
  return tally;
}

TEST(JournalPowerLoss, AcknowledgedEventsSurviveAPowerLoss) {
  EXPECT_GE(CutEverywhere({}, 5).losses, 35 * kSeeds);
}

TEST(JournalPowerLoss, AcknowledgedEventsSurviveAPowerLossAroundACheckpoint) {
  const TempDirectory directory;
  const Beginning beginning = ShortOfACheckpoint(directory);
  {
    const std::string path = directory.File("checkpointed.db");
    CopyJournal(beginning.path, path);
    const auto journal = OpenOrFail(path);
    const std::string before = WalHeader(path);
    History history;
    ASSERT_TRUE(AppendAll(*journal, "r-1", history));
    EXPECT_NE(WalHeader(path), before) << "no checkpoint before closing";
  }
  EXPECT_GE(CutEverywhere(beginning, 7).losses, 35 * kSeeds);
}

TEST(JournalPowerLoss, AnOldJournalSurvivesAPowerLossWhileItIsBroughtUpToDate) {
  const TempDirectory directory;
  const Beginning beginning = OfSchema1(directory);
  EXPECT_GE(CutEverywhere(beginning, 3).losses, 35 * kSeeds);
}

// The second loss of each pair comes soon, while the journal is being opened or a little later.
TEST(JournalPowerLoss, AJournalSurvivesOneLossAfterAnother) {
  const TempDirectory directory;
  const std::string path = directory.File("j.db");
  History history;
  std::mt19937 random(1);
  for (unsigned pair = 0; pair < 40; ++pair) {
    for (const unsigned within : {120U, 12U}) {
      PowerLossDisk disk(pair * 1000 + within);
      disk.FailAt(1 + random() % within);
      Live(path, "r-" + std::to_string(pair) + "-" + std::to_string(within), history);
      disk.Recover();
      ASSERT_TRUE(disk.failed()) << "pair " << pair;
    }
    ASSERT_EQ(ProblemsAfter(path, history), "") << "pair " << pair;
  }
}

// Shows that the tests above can fail: to a disk that says it has synced, no journal can be true.
TEST(JournalPowerLoss, AcknowledgedEventsAreLostWhenSyncsDoNothing) {
  const std::string all, wal = "-wal", database = "j.db";
  for (const std::string& lie : {all, wal, database}) {
    Tally tally;
    for (std::int64_t point = 10; point <= 260; point += 10) (void)ProblemsOf({1, point, lie}, {}, tally);
    std::cout << "syncs of *" << lie << " do nothing: " << tally.damaged << " of " << tally.losses
              << " journals are damaged, and " << tally.lost << " acknowledged events missing in those still read\n";
    EXPECT_GT(tally.damaged, 5) << lie;
    EXPECT_GT(tally.lost, 0U) << lie;
  }
}

}  // namespace
}  // namespace vmferry
