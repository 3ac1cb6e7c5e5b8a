// SPDX-License-Identifier: Apache-2.0
//
// The journal's SQL schema, version by version. JOURNAL.md explains the tables.
#pragma once

#include <array>
#include <cstdint>

namespace vmferry {

// "vmfj" in SQLite's application_id: this database is a vmferry journal.
inline constexpr std::int64_t kJournalApplicationId = 0x766d666a;

// kMigrations[v] brings schema v to v + 1 inside one transaction; nothing is version 0. Readers read every version, so
// the columns of version 1 stay; no migration touches the bytes of stored events. Add to the end, never change what is
// there.
inline constexpr std::array<const char*, 2> kMigrations{R"sql(
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
  hash TEXT NOT NULL CHECK (length(hash) = 64),
  UNIQUE (run, application, chain_seq)
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
)sql",
                                                           R"sql(
ALTER TABLE events RENAME TO events_1;

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

INSERT INTO events SELECT * FROM events_1;
DROP TABLE events_1;

-- Grows at the end of a run, so that a commit writes a page of it. The UNIQUE it replaces took one for nearly every
-- application that appended, as many as the events themselves; that no place in a chain is taken twice is what
-- verification shows.
CREATE INDEX events_of_a_run ON events (run, seq, application);

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER events_are_added_at_the_end BEFORE INSERT ON events
WHEN NEW.seq <> (SELECT ifnull(max(seq), 0) + 1 FROM events)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
)sql"};

inline constexpr std::int64_t kJournalSchema = static_cast<std::int64_t>(kMigrations.size());

}  // namespace vmferry
