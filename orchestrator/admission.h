// SPDX-License-Identifier: Apache-2.0
//
// Admission: which runs may start, and which decisions make sense where an application is. Reads, changes nothing.
#pragma once

#include <string>
#include <vector>

#include "runbooks/plan.h"
#include "state/journal.h"
#include "state/run_state.h"

namespace vmferry {

// kConflict, naming the run and what happened in it, when the journal has one of these applications unfinished or
// already migrated; kDenied when a policy wants an immutable audit log and the journal is none, or was changed.
Status Admit(const JournalReader& journal, const std::vector<Plan>& plans);

// What a person decides about applications of a run.
struct Decision {
  std::string kind;                       // "rollback", "commit", "resume", "approve", "reject"
  std::vector<std::string> applications;  // all with an empty list
  std::string actor;                      // "anna@ops1"
  std::string reason;                     // why; may be empty
  std::string assume;  // with "resume": what became of a step in doubt, "done" or "not-done"; empty: it is looked at
  std::string step;    // its name, followed by " (WORKLOAD)" where several steps have that name
};

// The applications that the decision concerns; an Error saying why not, if it concerns none or makes no sense for one
// that was named.
Result<std::vector<std::string>> MayDecide(const RunState& run, const Decision& decision);

// The index of the step an assumption is about: one that the application waits for a person for.
Result<int> AssumedStep(const RunState& run, const std::vector<std::string>& chosen, const Decision& decision);

}  // namespace vmferry
