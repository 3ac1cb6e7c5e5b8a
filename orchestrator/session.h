// SPDX-License-Identifier: Apache-2.0
//
// Session: carries out one order (a new run, a decision) on a journal: as its engine when none is at work, else by
// asking the engine over its socket.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "orchestrator/control.h"
#include "state/journal_lock.h"

namespace vmferry {

constexpr std::int64_t kReserveBytes = std::int64_t{64} << 20;  // on the journal's disk: a run's events, generously

struct Order {
  Json request;                                        // for an engine in another process
  bool soak = true;                                    // of our own engine: see EngineOptions
  std::function<Result<std::string>(Engine&)> begin;  // for our own; the run's id
};

struct OrderResult {
  RunState state;
  std::string stopped;              // why it stopped before the run rested; empty if it rests
  std::optional<Error> error;       // the order was refused, or the journal failed
  bool held = false;                // error: the journal is held by something that does not answer
  bool leave_at_once = false;       // a step call hangs: end the process by _exit, without destructors
};

// Blocks until the run rests. Shows progress through the watcher that `view` makes for the run's id (empty: not known
// yet). First SIGINT or SIGTERM: stop at the next safe point; the second ends the process at once (exit 130), which
// leaves a consistent journal. SIGHUP is ignored.
OrderResult CarryOut(const std::string& journal_path, const Order& order, Watcher& watcher);

}  // namespace vmferry
