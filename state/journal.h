// SPDX-License-Identifier: Apache-2.0
//
// Journal: the durable, append-only, hash-chained record of events. One writer (the engine); any number of readers.
//
// Threading: Append may be called from any thread and blocks until the events are durable (or failed). Readers see
// what was acknowledged. What failure looks like: an Error; after a failed append the journal refuses further appends
// (the engine must stop starting effects) while reading goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "state/event.h"
#include "state/result.h"
#include "state/run_state.h"

namespace vmferry {

// Names one hash chain: a run's own (application empty) or that of one application in it.
struct ChainId {
  std::string run;
  std::string application;
  auto operator<=>(const ChainId&) const = default;
};

// What verification of a chain found.
struct ChainReport {
  ChainId chain;
  std::int64_t events = 0;
  std::string head;     // hash of the last event, hex
  std::string problem;  // empty: the chain is whole; else what is wrong and at which event
};

inline constexpr std::int64_t kAllEvents = std::numeric_limits<std::int64_t>::max();

class JournalReader {
 public:
  virtual ~JournalReader() = default;
  // Run ids, oldest first.
  virtual Result<std::vector<std::string>> Runs() const = 0;
  // The first `most` events of a run with seq > after, in journal order, chains interleaved as written.
  virtual Result<std::vector<Event>> Read(const std::string& run, std::int64_t after = 0,
                                          std::int64_t most = kAllEvents) const = 0;
  // What the run's events add up to; one with no events has no applications. Holds one event at a time.
  virtual Result<RunState> State(const std::string& run) const = 0;
  // Checks every chain (of one run, or of all with an empty id) over the stored bytes: edits, removals, reorderings.
  virtual Result<std::vector<ChainReport>> Verify(const std::string& run) const = 0;
  // Ok if the store itself refuses to change or remove events; else kCorrupt with what is missing.
  virtual Status AppendOnly() const = 0;
  // Verify("") which also knows what an earlier one saw (chain, events, head): a cut tail is seen too.
  virtual Result<std::vector<ChainReport>> VerifyAgainst(const std::vector<ChainReport>& anchors) const = 0;
};

class Journal : public JournalReader {
 public:
  // Appends all events or none, durably, in order; sets seq, chain_seq and epoch in the returned copies.
  virtual Result<std::vector<Event>> Append(std::vector<Event> events) = 0;
  // Calls `done` (on the journal's thread) once the events are durable or failed. Order of calls is kept.
  virtual void AppendAsync(std::vector<Event> events, std::function<void(Result<std::vector<Event>>)> done) = 0;
};

}  // namespace vmferry
