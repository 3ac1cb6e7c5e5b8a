// SPDX-License-Identifier: Apache-2.0
#include "state/sqlite_connection.h"

#include <sqlite3.h>
#include <unistd.h>

#include <utility>

#include "state/journal_files.h"
#include "state/journal_schema.h"

namespace vmferry {
namespace {

constexpr int kBusyTimeoutMs = 5000;  // only a stray writer (a person with the sqlite3 shell) can be in the way

ErrorKind KindOf(int code) {  // https://www.sqlite.org/rescode.html
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorKind::kUnavailable;
    case SQLITE_IOERR:
      return ErrorKind::kUnknownOutcome;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return ErrorKind::kDenied;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorKind::kCorrupt;
    default:
      return ErrorKind::kInternal;
  }
}

std::string AdviceFor(int code, const std::string& path) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "free space on its file system, then `vmferry resume`";
    case SQLITE_IOERR:
      return "check the disk, quotas and the kernel's log, then `vmferry resume`";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "end the other program that uses the file";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      if (access(DirectoryOf(path).c_str(), W_OK) == 0) return "check the permissions of the file";
      return "its directory is not writable for you, which SQLite needs even to read a journal that no engine has "
             "open: read it as its owner, or read a copy";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "keep the file as it is, and go on with a copy of it from a backup";
    default:
      return "";
  }
}

}  // namespace

Error JournalError(ErrorKind kind, const std::string& path, std::string message, std::string advice) {
  return Error{
      .kind = kind, .system = "journal", .object = path, .message = std::move(message), .advice = std::move(advice)};
}

SqliteConnection::SqliteConnection(std::string path) : path_(std::move(path)) {}
SqliteConnection::~SqliteConnection() {
  sqlite3_close(db_);
}

Status SqliteConnection::Open(Mode mode) {
  // SQLite counts its memory behind a lock, for statistics that nobody reads. Too late if it is in use already.
  static const int uncounted = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  (void)uncounted;
  const bool read_only = mode == Mode::kReadOnly;
  const int flags = (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path_.c_str(), &db_, flags, nullptr) != SQLITE_OK) return Failed("cannot open");
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, kBusyTimeoutMs);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, read_only ? 1 : 0, nullptr);
  // Not trusted_schema=OFF: SQLite 3.40 then refuses json_valid() in our CHECKs as unsafe.
  return Execute("PRAGMA mmap_size=0");
}

Status SqliteConnection::Execute(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return Failed("cannot run SQL");
  return Ok();
}

void SqliteConnection::SkipTriggers() {
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
}

Result<std::int64_t> SqliteConnection::QueryInt(std::string_view sql) {
  Statement statement(*this, sql);
  const Result<bool> row = statement.Step("cannot read");
  if (!row) return row.error();
  return *row ? statement.Int(0) : 0;
}

Result<std::int64_t> SqliteConnection::SchemaVersion() {
  const Result<std::int64_t> tables = QueryInt("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  if (*tables == 0) return 0;
  const Result<std::int64_t> id = QueryInt("PRAGMA application_id");
  if (!id) return id.error();
  if (*id != kJournalApplicationId)
    return JournalError(ErrorKind::kInvalid, path_, "is a SQLite database, but no journal of vmferry",
                        "choose another file with --journal");
  const Result<std::int64_t> version = QueryInt("PRAGMA user_version");
  if (version && *version > kJournalSchema)
    return JournalError(ErrorKind::kInvalid, path_,
                        "was written by a newer vmferry (schema " + std::to_string(*version) +
                            ", this one knows schemas up to " + std::to_string(kJournalSchema) + ")",
                        "use the newer vmferry for this journal");
  return version;
}

bool SqliteConnection::IsFull() const {
  return db_ && (sqlite3_errcode(db_) & 0xff) == SQLITE_FULL;
}

Error SqliteConnection::Failed(const std::string& doing) const {
  if (!db_) return JournalError(ErrorKind::kInternal, path_, doing + ": out of memory");
  const int code = sqlite3_errcode(db_);
  const std::string why = (code & 0xff) == SQLITE_FULL ? ": disk full (" : ": ";
  return JournalError(KindOf(code), path_, doing + why + sqlite3_errmsg(db_) + (why.size() > 2 ? ")" : ""),
                      AdviceFor(code, path_));
}

Statement::Statement(SqliteConnection& connection, std::string_view sql) : connection_(connection) {
  sqlite3_prepare_v3(connection.db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement_,
                     nullptr);
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::Bind(int index, std::string_view text) {
  sqlite3_bind_text64(statement_, index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::Bind(int index, std::int64_t number) {
  sqlite3_bind_int64(statement_, index, number);
  return *this;
}

Result<bool> Statement::Step(const std::string& doing) {
  if (!statement_) return connection_.Failed(doing);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return connection_.Failed(doing);
}

Status Statement::Run(const char* doing) {
  const int code = statement_ ? sqlite3_step(statement_) : SQLITE_ERROR;
  Status status = code == SQLITE_DONE || code == SQLITE_ROW ? Ok() : Status(connection_.Failed(doing));
  Reset();
  return status;
}

Status Statement::ForEach(const std::function<Status()>& row) {
  while (true) {
    const Result<bool> more = Step("cannot read");
    if (!more) return more.error();
    if (!*more) return Ok();
    if (Status status = row(); !status) return status;
  }
}

void Statement::Reset() {
  sqlite3_reset(statement_);
}

std::int64_t Statement::Int(int column) {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::Text(int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (!text) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

SealedEvent RowOf(Statement& statement) {
  SealedEvent row;
  row.event.seq = statement.Int(0);
  row.event.run = statement.Text(1);
  row.event.application = statement.Text(2);
  row.event.chain_seq = statement.Int(3);
  row.header = statement.Text(4);
  row.payload = statement.Text(5);
  row.payload_sha256 = statement.Text(6);
  row.prev_hash = statement.Text(7);
  row.hash = statement.Text(8);
  return row;
}

}  // namespace vmferry
