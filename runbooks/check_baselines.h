// SPDX-License-Identifier: Apache-2.0
//
// Whether each baseline that a check compares with is recorded, and before the cutover. Found offline: on the night of
// the move it would be too late.
#pragma once

#include <string>
#include <vector>

#include "runbooks/fields.h"
#include "runbooks/plan.h"

namespace vmferry {

class BaselineLedger {
 public:
  // Steps in the order of the plan, then criteria. `at`: where the step is written.
  void See(const PlannedStep& step, std::size_t at);
  void Check(const Reader& reader) const;

 private:
  struct Recorded {
    Phase phase = Phase::kPreChecks;
    std::vector<std::string> names;
    bool any = false;  // whether there was such a step at all
  };
  struct Wanted {
    std::string step, baseline;
    std::size_t at = 0;
    Recorded recorded;  // by the last step that records, as far as then seen: its facts are those that count
  };
  Recorded recorded_;
  std::vector<Wanted> wanted_;
};

}  // namespace vmferry
