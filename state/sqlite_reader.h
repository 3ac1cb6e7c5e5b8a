// SPDX-License-Identifier: Apache-2.0
//
// SqliteReader: reads a journal through a connection of its own that can neither write nor checkpoint, so it may work
// beside the engine, in its process or in another. It sees committed events only, each call a consistent snapshot.
// Threading: any thread; calls take turns. Failures leave it usable.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "state/journal.h"
#include "state/sqlite_connection.h"

namespace vmferry {

class SqliteReader final : public JournalReader {
 public:
  explicit SqliteReader(const std::string& path) : connection_(path) {}
  Status Open();

  Result<std::vector<std::string>> Runs() const override;
  Result<std::vector<Event>> Read(const std::string& run, std::int64_t after, std::int64_t most) const override;
  Result<RunState> State(const std::string& run) const override;
  Result<std::vector<ChainReport>> Verify(const std::string& run) const override;
  Status AppendOnly() const override;
  Result<std::vector<ChainReport>> VerifyAgainst(const std::vector<ChainReport>& anchors) const override;

 private:
  // How many events a run has, and between which of the journal's they lie.
  struct Span {
    std::int64_t count = 0, first = 0, last = 0;
    bool dense() const { return count > (last - first) / 4; }
  };
  Result<Span> SpanOf(const std::string& run) const;
  Result<std::vector<ChainReport>> Check(const std::string& run, const std::vector<ChainReport>& anchors) const;

  mutable std::mutex mutex_;
  mutable SqliteConnection connection_;
};

}  // namespace vmferry
