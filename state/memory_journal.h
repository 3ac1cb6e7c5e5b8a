// SPDX-License-Identifier: Apache-2.0
//
// MemoryJournal: a journal without a disk, for tests and simulation. Same encoding, chain rules and verification as
// the SQLite journal; durable as long as the object lives.
//
// Threading: any thread. AppendAsync calls `done` before it returns, on the caller's thread, so that a simulation is
// deterministic. What failure looks like: FailAt plays an engine that dies before or after an append; from then on
// every append is refused until Restart.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "state/chain.h"
#include "state/journal.h"

namespace vmferry {

class MemoryJournal final : public Journal {
 public:
  enum class Fault { kBeforeStoring, kAfterStoring };

  Result<std::vector<std::string>> Runs() const override;
  Result<std::vector<Event>> Read(const std::string& run, std::int64_t after = 0,
                                  std::int64_t most = kAllEvents) const override;
  Result<RunState> State(const std::string& run) const override;
  Result<std::vector<ChainReport>> Verify(const std::string& run) const override;
  Status AppendOnly() const override { return Ok(); }
  Result<std::vector<ChainReport>> VerifyAgainst(const std::vector<ChainReport>& anchors) const override;
  Result<std::vector<Event>> Append(std::vector<Event> events) override;
  void AppendAsync(std::vector<Event> events, std::function<void(Result<std::vector<Event>>)> done) override;

  // The append with this number (from 1, counted over the life of the object) and all later ones fail.
  void FailAt(std::int64_t append, Fault fault);
  // What opening the journal again does: the epoch rises, appends are accepted.
  void Restart();
  std::int64_t appends() const;
  // The stored events, for tests that tamper with them. REQUIRES: no other call is under way.
  std::vector<SealedEvent>& rows() { return rows_; }

 private:
  std::vector<ChainReport> Check(const std::string& run, const std::vector<ChainReport>& anchors) const;

  mutable std::mutex mutex_;
  std::vector<SealedEvent> rows_;
  std::map<ChainId, ChainHead> heads_;
  std::int64_t epoch_ = 1;
  std::int64_t appends_ = 0;
  std::int64_t fail_at_ = 0;  // 0: never
  Fault fault_ = Fault::kBeforeStoring;
};

}  // namespace vmferry
