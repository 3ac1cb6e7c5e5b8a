// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exit_code.h"

#include <algorithm>
#include <array>

#include "orchestrator/rehearsal.h"

namespace vmferry {

ExitCode ExitOf(const ApplicationState& state) {
  switch (state.phase) {
    case Phase::kCommitted: return ExitCode::kDone;
    case Phase::kAborted: return ExitCode::kProblems;
    case Phase::kRolledBack: return RehearsedWell(state) ? ExitCode::kDone : ExitCode::kRolledBack;
    default: break;
  }
  switch (state.activity) {
    case Activity::kRollbackBlocked: return ExitCode::kRollbackBlocked;
    case Activity::kNeedsOperator: return ExitCode::kNeedsOperator;
    case Activity::kHolding:
    case Activity::kPaused: return ExitCode::kWaiting;
    case Activity::kRollingBack: return ExitCode::kInterrupted;
    case Activity::kWorking: break;
  }
  const bool rests = state.phase == Phase::kSoak && !state.commit_requested;
  return rests ? ExitCode::kDone : ExitCode::kInterrupted;
}

ExitCode ExitOf(const RunState& run) {
  constexpr std::array<ExitCode, 8> kWorstFirst{ExitCode::kInternal,    ExitCode::kNeedsOperator,
                                                ExitCode::kRollbackBlocked, ExitCode::kInterrupted,
                                                ExitCode::kRolledBack,  ExitCode::kWaiting,
                                                ExitCode::kProblems,    ExitCode::kDone};
  std::size_t worst = kWorstFirst.size() - 1;
  for (const auto& [name, application] : run.applications) {
    const auto* at = std::find(kWorstFirst.begin(), kWorstFirst.end(), ExitOf(application));
    worst = std::min(worst, static_cast<std::size_t>(at - kWorstFirst.begin()));
  }
  return kWorstFirst[worst];
}

}  // namespace vmferry
