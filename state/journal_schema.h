// SPDX-License-Identifier: Apache-2.0
//
// The journal's SQL schema, version by version. JOURNAL.md explains the tables.
#pragma once

#include <array>
#include <cstdint>

namespace vmferry {

// "vmfj" in SQLite's application_id: this database is a vmferry journal.
inline constexpr std::int64_t kJournalApplicationId = 0x766d666a;

// What a new journal begins with; all migrations follow.
inline constexpr const char* kCreateJournal = R"sql(
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE epochs (
  epoch INTEGER PRIMARY KEY,
  opened_ms INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  host TEXT NOT NULL
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  run TEXT NOT NULL CHECK (run <> ''),
  application TEXT NOT NULL,
  chain_seq INTEGER NOT NULL CHECK (chain_seq > 0),
  header TEXT NOT NULL CHECK (json_valid(header)),
  payload TEXT NOT NULL CHECK (json_valid(payload)),
  payload_sha256 TEXT NOT NULL CHECK (length(payload_sha256) = 64),
  prev_hash TEXT NOT NULL CHECK (length(prev_hash) = 64),
  hash TEXT NOT NULL CHECK (length(hash) = 64)
) STRICT;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Also keeps INSERT OR REPLACE from removing a row, which would fire no DELETE trigger.
CREATE TRIGGER events_are_added_at_the_end BEFORE INSERT ON events
WHEN NEW.seq <> (SELECT ifnull(max(seq), 0) + 1 FROM events)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER epochs_are_not_changed BEFORE UPDATE ON epochs
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER epochs_are_not_removed BEFORE DELETE ON epochs
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
)sql";

// kMigrations[v - 1] brings schema v to v + 1 inside one transaction. What is asked of a journal fits every schema, so
// one that cannot be brought on is used as it is: somebody may have to go back. No migration touches the bytes of
// stored events. Add to the end, never change what is there.
//
// 1 to 2: an index that grows at the end of a run, so that a commit writes a page of it. A journal that began with schema
// 1 also keeps its UNIQUE (run, application, chain_seq), whose pages to write lie all over the run.
inline constexpr std::array<const char*, 1> kMigrations{
    "CREATE INDEX events_of_a_run ON events (run, seq, application);"};

inline constexpr std::int64_t kJournalSchema = 1 + static_cast<std::int64_t>(kMigrations.size());

}  // namespace vmferry
