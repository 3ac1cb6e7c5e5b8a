// SPDX-License-Identifier: Apache-2.0
#include "state/sqlite_journal.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "state/chain.h"
#include "state/journal_files.h"
#include "state/journal_schema.h"
#include "state/space_reserve.h"
#include "state/sqlite_connection.h"
#include "state/sqlite_reader.h"

namespace vmferry {
namespace {

// Writing. Opened on the caller's thread; Write is then called on the journal's thread only.
class Writer {
 public:
  explicit Writer(const std::string& path) : connection_(path) {}

  Status Open(const Clock& clock, std::int64_t max_pages, std::int64_t reserve_bytes) {
    if (Status opened = connection_.Open(SqliteConnection::Mode::kReadWrite); !opened) return opened;
    const Result<std::int64_t> version = connection_.SchemaVersion();
    if (!version) return version.error();
    if (Status set = SetUp(); !set) return set;
    const Instant now = clock.Now();
    if (Status migrated = Migrate(*version, now); !migrated) return migrated;
    if (Status tail = LoadTail(); !tail) return tail;
    if (Status begun = BeginEpoch(now); !begun) return begun;
    Prepare();
    // A journal that could not hold its reserve is opened all the same: somebody may have to go back.
    if (reserve_bytes > 0) (void)reserve_.Hold(connection_.path(), reserve_bytes);
    if (max_pages > 0) return connection_.Execute("PRAGMA max_page_count=" + std::to_string(max_pages));
    return Ok();
  }

  // One transaction for the whole group.
  Status Write(AppendQueue::Group& group) {
    bool full = false;
    Status status = Try(group, full);
    if (!status && full && reserve_.Release()) status = Try(group, full);
    return status;
  }

 private:
  struct End {
    std::int64_t events = 0, seq = 0;  // how many a chain has, and the last one's
  };
  using Ends = std::unordered_map<std::string, End>;  // by application

  Status Try(AppendQueue::Group& group, bool& full) {
    const std::int64_t before = last_seq_;
    Status status = WriteAll(group);
    if (status) return status;
    full = connection_.IsFull();
    // SQLite may have rolled back already (https://sqlite.org/lang_transaction.html); then this one fails.
    (void)connection_.Execute("ROLLBACK");
    last_seq_ = before;
    heads_.clear();  // some moved on to what was not written
    ends_.clear();
    return status;
  }

  Status SetUp() {
    Statement wal(connection_, "PRAGMA journal_mode=WAL");
    const Result<bool> row = wal.Step("cannot switch to WAL");
    if (!row) return row.error();
    if (!*row || wal.Text(0) != "wal")
      return JournalError(ErrorKind::kInvalid, connection_.path(), "its file system cannot hold a WAL database",
                          "put the journal on a local disk with --journal");
    wal.Reset();
    // A small WAL is soon overwritten in place, which syncs faster than growing, and the events behind a checkpoint of
    // 250 pages wait less than behind one of SQLite's own 1,000. The table's constraints and triggers are for other
    // hands: what is written here was just encoded, is only ever inserted, and the primary key keeps it from a place
    // that is taken. To look again takes a fifth of the time of an append.
    connection_.SkipTriggers();
    return connection_.Execute(
        "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=250; PRAGMA cache_size=-8192;"
        "PRAGMA journal_size_limit=67108864; PRAGMA ignore_check_constraints=ON");
  }

  // In one transaction, `sql` and the journal's new version.
  Status BringTo(std::int64_t version, const std::string& sql) {
    Status done =
        connection_.Execute("BEGIN IMMEDIATE;" + sql + "PRAGMA user_version=" + std::to_string(version) + "; COMMIT");
    if (!done) (void)connection_.Execute("ROLLBACK");
    return done;
  }

  Status Migrate(std::int64_t version, const Instant& now) {
    if (version == 0) {
      std::string sql = "PRAGMA application_id=" + std::to_string(kJournalApplicationId) + ";" + kCreateJournal;
      for (const char* migration : kMigrations) sql += migration;
      sql += "INSERT INTO meta VALUES ('created_ms', '" + std::to_string(now.wall_ms) + "');";
      return BringTo(kJournalSchema, sql);
    }
    for (; version < kJournalSchema; ++version)
      if (!BringTo(version + 1, kMigrations.at(static_cast<std::size_t>(version - 1)))) break;
    return Ok();
  }

  void Prepare() {
    begin_ = std::make_unique<Statement>(connection_, "BEGIN IMMEDIATE");
    commit_ = std::make_unique<Statement>(connection_, "COMMIT");
    insert_ =
        std::make_unique<Statement>(connection_, "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    find_ends_ = std::make_unique<Statement>(connection_, "SELECT application, seq FROM events WHERE run = ?1");
    find_row_ =
        std::make_unique<Statement>(connection_, std::string("SELECT ") + kRowColumns + " FROM events WHERE seq = ?1");
  }

  Status BeginEpoch(const Instant& now) {
    const Result<std::int64_t> last = connection_.QueryInt("SELECT max(epoch) FROM epochs");
    if (!last) return last.error();
    epoch_ = std::max(*last, epoch_) + 1;
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    Statement insert(connection_, "INSERT INTO epochs VALUES (?1, ?2, ?3, ?4)");
    insert.Bind(1, epoch_).Bind(2, now.wall_ms).Bind(3, std::int64_t{getpid()}).Bind(4, std::string_view(host.data()));
    return insert.Run("cannot begin an epoch");
  }

  // Continuing behind a changed event would bury the change.
  Status CheckTail(const SealedEvent& row) {
    const std::string problem = CheckRow(row);
    if (problem.empty()) return Ok();
    return CannotContinue(row, problem);
  }

  Error CannotContinue(const SealedEvent& row, const std::string& problem) {
    return JournalError(ErrorKind::kCorrupt, connection_.path(),
                        "event " + std::to_string(row.event.seq) + " cannot be continued: " + problem,
                        "look at it with `vmferry audit verify`, and restore the journal from a copy");
  }

  Status LoadTail() {
    Statement last(connection_, std::string("SELECT ") + kRowColumns + " FROM events ORDER BY seq DESC LIMIT 1");
    const Result<bool> row = last.Step("cannot read the last event");
    if (!row) return row.error();
    if (!*row) return Ok();
    const SealedEvent tail = RowOf(last);
    last_seq_ = tail.event.seq;
    if (Status status = CheckTail(tail); !status) return status;
    epoch_ = DecodeHeader(tail.header)->epoch;
    return Ok();
  }

  // Where each chain of a run ends that was written before this opening: one walk through the run's index.
  Result<Ends*> EndsOf(const std::string& run) {
    const auto [entry, is_new] = ends_.try_emplace(run);
    if (!is_new) return &entry->second;
    find_ends_->Bind(1, run);
    const Status status = find_ends_->ForEach([&]() -> Status {
      End& end = entry->second[std::string(find_ends_->Text(0))];
      end = {end.events + 1, std::max(end.seq, find_ends_->Int(1))};
      return Ok();
    });
    find_ends_->Reset();
    if (!status) return status.error();
    return &entry->second;
  }

  // The last event of a chain that this opening continues.
  Result<ChainHead> Continue(const Event& next, const End& end) {
    find_row_->Bind(1, end.seq);
    const Result<bool> row = find_row_->Step("cannot read the end of a chain");
    const SealedEvent last = row && *row ? RowOf(*find_row_) : SealedEvent{};
    find_row_->Reset();
    if (!row) return row.error();
    if (!*row) return CannotContinue(last, "the index names event " + std::to_string(end.seq) + ", which is not there");
    if (Status status = CheckTail(last); !status) return status.error();
    const bool its_own = last.event.run == next.run && last.event.application == next.application;
    if (its_own && last.event.chain_seq == end.events) return ChainHead{last.event.chain_seq, last.hash};
    return CannotContinue(last, "its chain has " + std::to_string(end.events) + " events, and it is number " +
                                    std::to_string(last.event.chain_seq));
  }

  // The end of a chain, from the cache or the chain's last row.
  Result<ChainHead*> Head(const Event& event) {
    const auto [entry, is_new] = heads_.try_emplace(event.run + '\n' + event.application);
    if (!is_new) return &entry->second;
    const Result<Ends*> ends = EndsOf(event.run);
    if (!ends) return ends.error();
    const auto end = (*ends)->find(event.application);
    if (end == (*ends)->end()) return &entry->second;
    const Result<ChainHead> head = Continue(event, end->second);
    if (!head) return head.error();
    entry->second = *head;
    (*ends)->erase(end);
    return &entry->second;
  }

  Status Insert(SealedEvent& sealed) {
    const Result<ChainHead*> head = Head(sealed.event);
    if (!head) return head.error();
    Seal(sealed, ++last_seq_, epoch_, **head);
    const Event& event = sealed.event;
    insert_->Bind(1, event.seq).Bind(2, event.run).Bind(3, event.application).Bind(4, event.chain_seq);
    insert_->Bind(5, sealed.header).Bind(6, sealed.payload).Bind(7, sealed.payload_sha256);
    insert_->Bind(8, sealed.prev_hash).Bind(9, sealed.hash);
    return insert_->Run("cannot append an event");
  }

  Status WriteAll(AppendQueue::Group& group) {
    bool begun = false;
    for (AppendQueue::Append& append : group) {
      if (!append.events) continue;
      for (SealedEvent& sealed : *append.events) {
        if (!begun)
          if (Status status = begin_->Run("cannot begin to append"); !status) return status;
        begun = true;
        if (Status status = Insert(sealed); !status) return status;
      }
    }
    return begun ? commit_->Run("cannot make events durable") : Ok();
  }

  SpaceReserve reserve_;
  SqliteConnection connection_;
  std::unique_ptr<Statement> begin_, commit_, find_ends_, find_row_, insert_;  // end before the connection
  std::int64_t epoch_ = 0;  // ours; before BeginEpoch that of the last event
  std::int64_t last_seq_ = 0;
  std::unordered_map<std::string, ChainHead> heads_;  // by run and application
  std::unordered_map<std::string, Ends> ends_;        // by run, of the chains that are not among heads_ yet
};

// The journal of an engine: the lock, the writer on its thread, and a reader beside it.
class SqliteJournal final : public Journal {
 public:
  SqliteJournal(std::unique_ptr<JournalLock> lock, std::unique_ptr<Writer> writer, const AppendLimits& limits)
      : lock_(std::move(lock)),
        writer_(std::move(writer)),
        reader_(lock_->journal_path()),
        queue_([this](AppendQueue::Group& group) { return writer_->Write(group); }, limits) {}

  Status OpenReader() { return reader_.Open(); }

  Result<std::vector<std::string>> Runs() const override { return reader_.Runs(); }
  Result<std::vector<Event>> Read(const std::string& run, std::int64_t after, std::int64_t most) const override {
    return reader_.Read(run, after, most);
  }
  Result<RunState> State(const std::string& run) const override { return reader_.State(run); }
  Result<std::vector<ChainReport>> Verify(const std::string& run) const override { return reader_.Verify(run); }
  Status AppendOnly() const override { return reader_.AppendOnly(); }
  Result<std::vector<ChainReport>> VerifyAgainst(const std::vector<ChainReport>& anchors) const override {
    return reader_.VerifyAgainst(anchors);
  }
  // Encoding and digests of payloads happen here, on the caller's thread: the journal's has enough to do.
  Result<std::vector<Event>> Append(std::vector<Event> events) override {
    return queue_.PushAndWait(PrepareAll(std::move(events)));
  }
  void AppendAsync(std::vector<Event> events, std::function<void(Result<std::vector<Event>>)> done) override {
    queue_.Push(PrepareAll(std::move(events)), std::move(done));
  }

 private:
  // Ends from the last to the first: the queue commits what waits, the reader closes, the writer (the last connection)
  // checkpoints, the lock goes.
  std::unique_ptr<JournalLock> lock_;
  std::unique_ptr<Writer> writer_;
  SqliteReader reader_;
  AppendQueue queue_;
};

Result<std::unique_ptr<JournalLock>> LockOf(const std::string& path, JournalOptions& options) {
  if (options.lock) {
    if (options.lock->journal_path() == path) return std::move(options.lock);
    return JournalError(ErrorKind::kInternal, path, "was to be opened with the lock of another journal");
  }
  Result<JournalLock::Attempt> attempt = JournalLock::Acquire(path);
  if (!attempt) return attempt.error();
  if (const auto* holder = std::get_if<LockHolder>(&*attempt)) return HeldError(path, *holder);
  return std::move(std::get<std::unique_ptr<JournalLock>>(*attempt));
}

}  // namespace

Result<std::unique_ptr<Journal>> OpenSqliteJournal(const std::string& path, const Clock& clock,
                                                   JournalOptions options) {
  Result<std::unique_ptr<JournalLock>> lock = LockOf(path, options);
  if (!lock) return lock.error();
  if (Status file = CreateFile0600(path); !file) return file.error();
  auto writer = std::make_unique<Writer>(path);
  if (Status opened = writer->Open(clock, options.max_pages, options.reserve_bytes); !opened) return opened.error();
  auto journal = std::make_unique<SqliteJournal>(*std::move(lock), std::move(writer), options.limits);
  if (Status opened = journal->OpenReader(); !opened) return opened.error();
  return std::unique_ptr<Journal>(std::move(journal));
}

Result<std::unique_ptr<JournalReader>> OpenJournalReader(const std::string& path) {
  struct stat there {};
  if (stat(path.c_str(), &there) != 0) {
    const int number = errno;
    return JournalError(number == ENOENT ? ErrorKind::kNotFound : ErrorKind::kDenied, path,
                        std::string("cannot reach the journal: ") + std::strerror(number),
                        "start a run first, or name the journal with --journal");
  }
  if (!S_ISREG(there.st_mode))
    return JournalError(ErrorKind::kInvalid, path, "is not a file", "name the journal's file with --journal");
  if (Status local = CheckLocal(path); !local) return local.error();
  auto reader = std::make_unique<SqliteReader>(path);
  if (Status opened = reader->Open(); !opened) return opened.error();
  return std::unique_ptr<JournalReader>(std::move(reader));
}

}  // namespace vmferry
