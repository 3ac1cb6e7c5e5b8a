// SPDX-License-Identifier: Apache-2.0
//
// What the journal costs beside bare SQLite (WAL, synchronous=FULL) committing rows of the same bytes, in one run.
// Compare items_per_second: Journal/OneByOne with Bare/OneByOne, Journal/Grouped with Bare/Grouped. The files lie in
// $TMPDIR (or /tmp), so name a disk there, not a tmpfs.
#include <benchmark/benchmark.h>
#include <sqlite3.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "state/chain.h"
#include "state/clock.h"
#include "state/sqlite_journal.h"

namespace vmferry {
namespace {

class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "vmferry-bench-XXXXXX").string();
    if (!mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

Event Intent(int application) {
  Event event;
  event.run = "r-20260301-7f3a9c";
  event.application = "application-" + std::to_string(application);
  event.kind = EventKind::kIntent;
  event.step = 3;
  event.attempt = 1;
  event.at = {1772330400000, 123456789};
  event.actor = "engine";
  event.payload = Json{{"key", std::string(64, 'a')},
                       {"deadline_ms", 1772330460000},
                       {"before", {{"power", "on"}, {"connected", true}}},
                       {"effect", true}};
  return event;
}

SealedEvent Sealed(int application, std::int64_t seq) {
  SealedEvent sealed = *Prepare(Intent(application));
  ChainHead head;
  Seal(sealed, seq, 1, head);
  return sealed;
}

void Check(bool ok, benchmark::State& state) {
  if (!ok) state.SkipWithError("a call failed");
}

// Commits of `state.range(0)` rows each, by the shortest way there is.
void Bare(benchmark::State& state) {
  const Directory directory;
  sqlite3* db = nullptr;
  Check(sqlite3_open(directory.Path("bare.db").c_str(), &db) == SQLITE_OK, state);
  sqlite3_exec(db,
               "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (seq INTEGER PRIMARY KEY, run, "
               "application, chain_seq, header, payload, payload_sha256, prev_hash, hash)",
               nullptr, nullptr, nullptr);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", -1, &insert, nullptr);
  const SealedEvent row = Sealed(1, 1);
  std::int64_t seq = 0;
  for (auto unused : state) {
    sqlite3_exec(db, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      sqlite3_bind_int64(insert, 1, ++seq);
      sqlite3_bind_int64(insert, 4, seq);
      const std::string* texts[] = {&row.event.run, &row.event.application, nullptr,        &row.header,
                                    &row.payload,   &row.payload_sha256,    &row.prev_hash, &row.hash};
      for (int column = 0; column < 8; ++column)
        if (texts[column])
          sqlite3_bind_text(insert, column + 2, texts[column]->data(), static_cast<int>(texts[column]->size()),
                            nullptr);
      Check(sqlite3_step(insert) == SQLITE_DONE, state);
      sqlite3_reset(insert);
    }
    Check(sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK, state);
  }
  state.SetItemsProcessed(seq);
  sqlite3_finalize(insert);
  sqlite3_close(db);
}
BENCHMARK(Bare)->Name("Bare/OneByOne")->Arg(1)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(Bare)->Name("Bare/Grouped")->Arg(1000)->MeasureProcessCPUTime()->UseRealTime();

std::unique_ptr<Journal> Open(const Directory& directory) {
  Result<std::unique_ptr<Journal>> journal = OpenSqliteJournal(directory.Path("journal.db"), SystemClock());
  if (!journal) {
    std::fprintf(stderr, "%s\n", Describe(journal.error()).c_str());
    std::abort();
  }
  return *std::move(journal);
}

// One application whose every event waits for the one before.
void JournalOneByOne(benchmark::State& state) {
  const Directory directory;
  const auto journal = Open(directory);
  for (auto unused : state) Check(journal->Append({Intent(1)}).ok(), state);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(JournalOneByOne)->Name("Journal/OneByOne")->MeasureProcessCPUTime()->UseRealTime();

// The same, going on from the acknowledgement as an engine does.
class Relay {
 public:
  Relay(Journal& journal, int application, std::int64_t events)
      : journal_(journal), application_(application), left_(events) {}
  void Next() {
    journal_.AppendAsync({Intent(application_)}, [this](const Result<std::vector<Event>>& stored) {
      if (!stored) std::abort();
      if (--left_ > 0) return Next();
      const std::lock_guard lock(mutex_);
      done_.notify_one();
    });
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  Journal& journal_;
  int application_;
  std::atomic<std::int64_t> left_;
  std::mutex mutex_;
  std::condition_variable done_;
};

void JournalRelay(benchmark::State& state) {
  const Directory directory;
  const auto journal = Open(directory);
  for (auto unused : state) {
    Relay relay(*journal, 1, 100);
    relay.Next();
    relay.Wait();
  }
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(JournalRelay)->Name("Journal/OneByOneAsync")->MeasureProcessCPUTime()->UseRealTime();

// A thousand applications, 20 events of each a round, appended by one thread as fast as the journal takes them.
void JournalGrouped(benchmark::State& state) {
  const Directory directory;
  const auto journal = Open(directory);
  for (auto unused : state) {
    std::mutex mutex;
    std::condition_variable done;
    int left = 20000;
    for (int i = 0; i < 20000; ++i)
      journal->AppendAsync({Intent(i % 1000)}, [&](const Result<std::vector<Event>>& stored) {
        if (!stored) std::abort();
        const std::lock_guard lock(mutex);
        if (--left == 0) done.notify_one();
      });
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return left == 0; });
  }
  state.SetItemsProcessed(state.iterations() * 20000);
}
BENCHMARK(JournalGrouped)->Name("Journal/Grouped")->MeasureProcessCPUTime()->UseRealTime();

std::unique_ptr<Journal> Filled(const Directory& directory, int events) {
  auto journal = Open(directory);
  for (int i = 0; i < events; i += 1000) {
    std::vector<Event> batch;
    for (int j = 0; j < 1000; ++j) batch.push_back(Intent(j));
    if (!journal->Append(std::move(batch))) std::abort();
  }
  return journal;
}

void JournalRead(benchmark::State& state) {
  const Directory directory;
  const auto journal = Filled(directory, 20000);
  for (auto unused : state) Check(journal->Read("r-20260301-7f3a9c")->size() == 20000, state);
  state.SetItemsProcessed(state.iterations() * 20000);
}
BENCHMARK(JournalRead)->Name("Journal/Read");

void JournalVerify(benchmark::State& state) {
  const Directory directory;
  const auto journal = Filled(directory, 20000);
  for (auto unused : state) Check(journal->Verify("").ok(), state);
  state.SetItemsProcessed(state.iterations() * 20000);
}
BENCHMARK(JournalVerify)->Name("Journal/Verify");

}  // namespace
}  // namespace vmferry

BENCHMARK_MAIN();
