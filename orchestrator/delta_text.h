// SPDX-License-Identifier: Apache-2.0
//
// What a rollback did with the data that the target had taken since cutover, for people and programs, out of the facts
// of power_on_target's undo (steps/kept_delta.h). Pure functions of the application's state.
#pragma once

#include <string>

#include "state/run_state.h"

namespace vmferry {

// Several lines, each with two blanks or more in front and a line break behind: what was kept and how to read it, or
// that it is gone. Empty unless the target has served and was undone.
std::string DeltaText(const ApplicationState& application);

// {"writes": "none" | "kept" | "discarded", "delta": [...]} as the facts have it; null unless it was undone.
Json DeltaToJson(const ApplicationState& application);

// The words as one line for a POSIX shell.
std::string ShellLine(const Json& words);

}  // namespace vmferry
