// SPDX-License-Identifier: Apache-2.0
//
// What a rehearsal (runbooks/rehearsal.h) came to: measured when its last step was done, journaled with the decision to
// go back, and used by `vmferry plan` for its estimates. Pure functions, except LatestRehearsal.
#pragma once

#include <optional>
#include <string>

#include "orchestrator/words.h"
#include "runbooks/plan.h"
#include "state/journal.h"

namespace vmferry {

// {"steps": [{"step", "phase", "ms"}], "bytes", "copyMs", "cutoverMs", "notTried": [names]}
// "cutoverMs" is what the cutover's steps took that were tried; "notTried" are those that were not, whose time comes
// on top of the time without service. "bytes" and "copyMs" are absent where nothing was copied.
Json MeasureRehearsal(const Plan& plan, const ApplicationState& state);

// True once a rehearsal was tried to its end, is undone, and source and target are as before.
bool RehearsedWell(const ApplicationState& state);
// The facts of the comparison (steps/rehearsal_fingerprint.cc); null if there was none yet.
Json FingerprintFacts(const ApplicationState& state);

// "about 42 s, measured, plus quiesce_application and update_load_balancer, which a rehearsal does not try; the copy ran
// at 12.3 MiB/s"
std::string DowntimeForecast(const Json& measured);

// For the end of the run: lines with two blanks in front. Empty if it is no rehearsal that came to its end.
std::string RehearsalText(const ApplicationState& state, const Style& style);

// A finished rehearsal of an application, for its plan.
struct Rehearsed {
  std::string run;
  std::int64_t at_ms = 0;
  bool same_runbook = true;  // the runbook's text has not changed since
  Json measured;
};
// The latest in the journal; nothing if there is none. Blocks while the journal is read.
Result<std::optional<Rehearsed>> LatestRehearsal(const JournalReader& journal, const Plan& plan);

}  // namespace vmferry
