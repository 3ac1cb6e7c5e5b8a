// SPDX-License-Identifier: Apache-2.0
#include "state/sqlite_reader.h"

#include <map>
#include <string_view>
#include <utility>

#include "state/chain.h"
#include "state/chain_verifier.h"
#include "state/journal_schema.h"
#include "state/parallel_fold.h"

namespace vmferry {
namespace {

// Jumps from run to run in the index instead of reading every event.
constexpr char kRuns[] = R"sql(
  WITH RECURSIVE runs(run) AS (
    SELECT min(run) FROM events
    UNION ALL SELECT (SELECT min(run) FROM events WHERE run > runs.run) FROM runs WHERE runs.run IS NOT NULL)
  SELECT run FROM runs WHERE run IS NOT NULL ORDER BY ifnull(
    (SELECT seq FROM events WHERE events.run = runs.run AND application = '' AND chain_seq = 1),
    (SELECT min(seq) FROM events WHERE events.run = runs.run)))sql";

// A whole run is found by the index. Its tail (somebody watches) by seq: the index would give all of the run.
constexpr char kReadRun[] =
    "SELECT header, payload FROM events WHERE seq IN (SELECT seq FROM events WHERE run = ?1) AND seq > ?2 ORDER BY seq "
    "LIMIT ?3";
constexpr char kFoldRun[] =
    "SELECT application, header, payload FROM events WHERE seq IN (SELECT seq FROM events WHERE run = ?1) ORDER BY seq";
// Where most events between a run's first and last are its own, reading them all is much faster than seeking each.
constexpr char kSpan[] = "SELECT count(*), min(seq), max(seq) FROM events WHERE run = ?1";
constexpr char kFoldSpan[] =
    "SELECT application, header, payload FROM events WHERE seq BETWEEN ?2 AND ?3 AND +run = ?1 ORDER BY seq";
constexpr char kReadTail[] = "SELECT header, payload FROM events WHERE +run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

// The statements of the schema that make triggers, by name, as SQLite keeps them. They are as old as the journal.
std::map<std::string, std::string> WrittenTriggers() {
  constexpr std::string_view kBegin = "CREATE TRIGGER ";
  constexpr std::string_view kEnd = "END;";
  constexpr std::string_view kSql = kCreateJournal;
  std::map<std::string, std::string> triggers;
  for (std::size_t at = kSql.find(kBegin); at != std::string_view::npos; at = kSql.find(kBegin, at + 1)) {
    const std::string text(kSql.substr(at, kSql.find(kEnd, at) + kEnd.size() - 1 - at));
    triggers[text.substr(kBegin.size(), text.find(' ', kBegin.size()) - kBegin.size())] = text;
  }
  return triggers;
}

}  // namespace

Status SqliteReader::Open() {
  if (Status opened = connection_.Open(SqliteConnection::Mode::kReadOnly); !opened) return opened;
  const Result<std::int64_t> version = connection_.SchemaVersion();
  if (!version) return version.error();
  if (*version > 0) return Ok();  // what is asked below fits every schema
  return JournalError(ErrorKind::kNotFound, connection_.path(), "the journal holds nothing yet", "start a run first");
}

Result<std::vector<std::string>> SqliteReader::Runs() const {
  const std::lock_guard lock(mutex_);
  Statement statement(connection_, kRuns);
  std::vector<std::string> runs;
  const Status status = statement.ForEach([&]() -> Status {
    runs.emplace_back(statement.Text(0));
    return Ok();
  });
  if (!status) return status.error();
  return runs;
}

Result<std::vector<Event>> SqliteReader::Read(const std::string& run, std::int64_t after, std::int64_t most) const {
  const std::lock_guard lock(mutex_);
  Statement statement(connection_, after <= 0 ? kReadRun : kReadTail);
  statement.Bind(1, run).Bind(2, after).Bind(3, most);
  std::vector<Event> events;
  const Status status = statement.ForEach([&]() -> Status {
    Result<Event> event = Decode(statement.Text(0), statement.Text(1));
    if (!event)
      return JournalError(ErrorKind::kCorrupt, connection_.path(), event.error().message,
                          "`vmferry audit verify` shows what was changed");
    events.push_back(*std::move(event));
    return Ok();
  });
  if (!status) return status.error();
  return events;
}

Result<SqliteReader::Span> SqliteReader::SpanOf(const std::string& run) const {
  Statement statement(connection_, kSpan);
  statement.Bind(1, run);
  Span span;
  const Status status = statement.ForEach([&]() -> Status {
    span = {statement.Int(0), statement.Int(1), statement.Int(2)};
    return Ok();
  });
  if (!status) return status.error();
  return span;
}

Result<RunState> SqliteReader::State(const std::string& run) const {
  const std::lock_guard lock(mutex_);
  const Result<Span> span = SpanOf(run);
  if (!span) return span.error();
  Statement statement(connection_, span->dense() ? kFoldSpan : kFoldRun);
  statement.Bind(1, run);
  if (span->dense()) statement.Bind(2, span->first).Bind(3, span->last);
  ParallelFold fold(run);
  const Status status = statement.ForEach([&]() -> Status {
    fold.Add(statement.Text(0), statement.Text(1), statement.Text(2));
    return Ok();
  });
  if (!status) return status.error();
  Result<RunState> state = fold.Finish();
  if (state) return state;
  return JournalError(ErrorKind::kCorrupt, connection_.path(), state.error().message,
                      "`vmferry audit verify` shows what was changed");
}

Result<std::vector<ChainReport>> SqliteReader::Verify(const std::string& run) const {
  return Check(run, {});
}

// A trigger that is gone, or is another one now.
Status SqliteReader::AppendOnly() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> wanted = WrittenTriggers();
  Statement statement(connection_, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'");
  const Status read = statement.ForEach([&]() -> Status {
    const auto found = wanted.find(std::string(statement.Text(0)));
    if (found != wanted.end() && found->second == statement.Text(1)) wanted.erase(found);
    return Ok();
  });
  if (!read) return read;
  if (wanted.empty()) return Ok();
  return JournalError(ErrorKind::kCorrupt, connection_.path(),
                      "it is not append-only any more: trigger " + wanted.begin()->first + " is missing or changed",
                      "find out who changed it; `vmferry audit verify` shows whether events were changed too");
}

Result<std::vector<ChainReport>> SqliteReader::VerifyAgainst(const std::vector<ChainReport>& anchors) const {
  return Check("", anchors);
}

Result<std::vector<ChainReport>> SqliteReader::Check(const std::string& run,
                                                     const std::vector<ChainReport>& anchors) const {
  const std::lock_guard lock(mutex_);
  const bool whole = run.empty();
  // A whole journal is read by seq, so that a damaged index cannot hide events.
  const std::string sql = std::string("SELECT ") + kRowColumns +
                          (whole ? " FROM events NOT INDEXED ORDER BY seq"
                                 : " FROM events WHERE seq IN (SELECT seq FROM events WHERE run = ?1) ORDER BY seq");
  Statement statement(connection_, sql);
  if (!whole) statement.Bind(1, run);
  ChainVerifier verifier(whole ? ChainVerifier::Scope::kWholeJournal : ChainVerifier::Scope::kOneRun, anchors);
  const Status status = statement.ForEach([&]() -> Status {
    verifier.Add(RowOf(statement));
    return Ok();
  });
  if (!status) return status.error();
  return verifier.Finish();
}

}  // namespace vmferry
