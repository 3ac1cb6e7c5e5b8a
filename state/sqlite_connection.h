// SPDX-License-Identifier: Apache-2.0
//
// SqliteConnection and Statement: as much of SQLite as the journal needs, with its errors as ours.
// sqlite_connection.cc is the only file that includes sqlite3.h.
//
// Threading: a connection and its statements are used by one thread at a time. Statements end before their connection.
// What failure looks like: an Error with SQLite's own words, the path, and what to do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "state/chain.h"
#include "state/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace vmferry {

Error JournalError(ErrorKind kind, const std::string& path, std::string message, std::string advice = "");

class SqliteConnection {
 public:
  enum class Mode { kReadOnly, kReadWrite };

  explicit SqliteConnection(std::string path);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // The file must be there. A read-only connection never checkpoints.
  Status Open(Mode mode);
  Status Execute(const std::string& sql);
  // From now on this connection's own statements fire no trigger.
  void SkipTriggers();
  // The first column of the first row; 0 without rows.
  Result<std::int64_t> QueryInt(std::string_view sql);
  // The schema's version; 0 for an empty database. kInvalid for what is no journal and what a newer vmferry wrote.
  Result<std::int64_t> SchemaVersion();

  // True if the call that has just failed found no space.
  bool IsFull() const;
  // The error of the call that has just failed.
  Error Failed(const std::string& doing) const;
  const std::string& path() const { return path_; }

 private:
  friend class Statement;
  const std::string path_;
  sqlite3* db_ = nullptr;
};

// A prepared statement. A mistake in the SQL or a binding surfaces in Step. Bound text must live until Reset or Run.
class Statement {
 public:
  Statement(SqliteConnection& connection, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(int index, std::string_view text);
  Statement& Bind(int index, std::int64_t number);
  // True: a row is there; false: the end.
  Result<bool> Step(const std::string& doing);
  // Steps once, expecting no row, and makes the statement ready again.
  Status Run(const char* doing);
  // Steps to the end, or to the first `row` that fails.
  Status ForEach(const std::function<Status()>& row);
  void Reset();
  std::int64_t Int(int column);
  std::string_view Text(int column);  // valid until the next Step or Reset

 private:
  SqliteConnection& connection_;
  sqlite3_stmt* statement_ = nullptr;
};

// The columns that RowOf reads, in order.
inline constexpr char kRowColumns[] =
    "seq, run, application, chain_seq, header, payload, payload_sha256, prev_hash, hash";
SealedEvent RowOf(Statement& statement);

}  // namespace vmferry
