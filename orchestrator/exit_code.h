// SPDX-License-Identifier: Apache-2.0
//
// Exit codes: stable, listed in the README. A wave exits with the first of 1, 13, 11, 10, 12, 3, 0 that occurred.
#pragma once

#include "state/run_state.h"

namespace vmferry {

enum class ExitCode {
  kDone = 0,
  kInternal = 1,
  kUsage = 2,
  kProblems = 3,  // validation or dry run found problems, or pre-checks failed with nothing touched
  kRolledBack = 10,
  kRollbackBlocked = 11,
  kWaiting = 12,
  kNeedsOperator = 13,
  kJournalHeld = 14,
  kAuditFailed = 16,
  kInterrupted = 130,
};

// Of an application that rests; kInterrupted if it could go on.
ExitCode ExitOf(const ApplicationState& state);
// Of a run, over its applications.
ExitCode ExitOf(const RunState& run);

}  // namespace vmferry
