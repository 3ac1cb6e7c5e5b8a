// SPDX-License-Identifier: Apache-2.0
//
// Report: what a run came to, for people and programs. Pure functions of the RunState.
#pragma once

#include <string>
#include <vector>

#include "orchestrator/words.h"
#include "state/run_state.h"

namespace vmferry {

// How the reader gets at the run. `reach`: the options that lead suggested commands to its journal, with a space before
// each. `at_work`: some process has the journal; nobody works on the run otherwise.
struct Standpoint {
  std::string reach = {};
  bool at_work = true;
};

// One line an application: "billing  rolled back  after 12.3 s  smoke_test: ...".
std::string RunTable(const RunState& run, const Style& style, const Standpoint& from = {});

// The end of a run: the table, how long the application was without service, what to do next.
std::string RunSummary(const RunState& run, const std::string& stopped, const Style& style,
                       const std::string& reach = "");

// Every step of every application with its status and times.
std::string RunDetails(const RunState& run, const Style& style, const Standpoint& from = {});

Json RunToJson(const RunState& run);

// Some application's rollback window had not ended when those who watched its criteria left.
bool LeftSoaking(const RunState& run);

// From the intent of quiescing to the last outcome of a step that moves traffic (load balancer, DNS), in milliseconds;
// -1 if traffic was not moved, not yet all of it, or went back. What was found moved already does not count.
std::int64_t ServiceGapMs(const ApplicationState& application);

}  // namespace vmferry
