// SPDX-License-Identifier: Apache-2.0
//
// The journal on disk: one SQLite database in WAL mode with synchronous=FULL. JOURNAL.md is the contract.
//
// All writes and checkpoints go through one connection on one thread (SQLite before 3.51.3 has a rare WAL-reset
// corruption race when two connections do them: https://sqlite.org/wal.html#walresetbug); readers have read-only
// connections that never checkpoint, and nothing is memory-mapped.
//
// What failure looks like: disk full, an I/O error, a read-only file or a head that does not verify fail the append
// they hit and refuse all later ones; reading goes on. An append that failed in its commit may still be found after
// the next opening (kUnknownOutcome).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "state/append_queue.h"
#include "state/clock.h"
#include "state/journal.h"
#include "state/journal_lock.h"
#include "state/result.h"

namespace vmferry {

struct JournalOptions {
  std::unique_ptr<JournalLock> lock;  // of the same path; empty: acquired here
  AppendLimits limits;
  std::int64_t reserve_bytes = 0;  // held on the disk, and given back when it is full; less if they are not there
  std::int64_t max_pages = 0;  // for tests: the database is full at this many pages; 0: SQLite's own limit
};

// Opens `path` for writing, creating it (0600, directories 0700) when it is not there, and begins a new epoch.
// kConflict with the holder's pid when another process is the engine of this journal; kInvalid for a newer schema or a
// file that is no journal; kCorrupt when the last event does not verify. `clock` is used during the call only.
Result<std::unique_ptr<Journal>> OpenSqliteJournal(const std::string& path, const Clock& clock,
                                                   JournalOptions options = {});

// Opens `path` read-only, beside a working engine or without one; sees what was acknowledged. Calls may come from any
// thread and take turns.
Result<std::unique_ptr<JournalReader>> OpenJournalReader(const std::string& path);

}  // namespace vmferry
