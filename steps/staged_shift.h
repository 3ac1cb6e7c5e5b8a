// SPDX-License-Identifier: Apache-2.0
//
// Giving a server its traffic in stages: a part of its weight at a time, with a look at its health and at a page of the
// application's between them. What other servers of the pool weigh stays; alone in its pool a server gets all traffic
// at its first stage. One rung a call (steps/pending.h). Remembered in the journaled handle:
//   stage: from 0   weight: at the end   stageFromMs: elapsed ms when its weight was in force   badLooks: in a row
// Nothing is done before the first handle is journaled: without one, a server in service is as it shall be.
#pragma once

#include <vector>

#include "steps/pending.h"
#include "steps/traffic.h"

namespace vmferry {

// The parameter `stages` as percents, rising, the last 100; {100} if it is absent; kInvalid if it says anything else.
Result<std::vector<int>> StagesOf(const StepContext& context);

// Of `weight`, at least 1 where that is not 0.
int WeightAt(int weight, int percent);

// Nothing once the server has `weight`. A stage lasts `stageFor`; as many bad looks in a row as `stageFailures` says
// end in Progress::RollBack.
Result<Pending> ShiftInStages(const StepContext& context, const Place& place, int weight, Json handle);

}  // namespace vmferry
