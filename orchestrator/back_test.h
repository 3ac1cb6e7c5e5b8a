// SPDX-License-Identifier: Apache-2.0
//
// BackTest: what the rules of a plan's criteria make of samples that were taken before: of a history somebody has, or of
// a journal's. The same evaluation as in a run. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runbooks/plan.h"
#include "state/event.h"
#include "steps/criterion_rule.h"

namespace vmferry {

struct PastSample {
  std::int64_t at_ms = 0;      // wall time
  std::size_t criterion = 0;   // index in the plan
  SampleVerdict verdict = SampleVerdict::kPass;
  std::string why;
};

// A moment at which what a criterion's samples add up to changed.
struct Turn {
  std::int64_t at_ms = 0;
  std::size_t criterion = 0;
  Evaluation evaluation;
};
// `samples`: in the order of time.
std::vector<Turn> BackTest(const Plan& plan, const std::vector<PastSample>& samples);

// A journal's own samples, evaluated once more, against the verdicts it holds.
struct Replay {
  std::int64_t samples = 0;
  std::int64_t verdicts = 0;
  std::vector<std::string> differences;  // in words, with the event's seq
};
// `events`: of one application's chain, all of them.
Replay ReplayVerdicts(const Plan& plan, const std::vector<Event>& events);

}  // namespace vmferry
