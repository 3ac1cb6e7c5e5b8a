// SPDX-License-Identifier: Apache-2.0
//
// The state table: what each decision of a person, and a crash, does to an application in each phase and activity. One
// table as data; admission asks it, STATES.md is drawn from it, and a test walks every state that can be reached.
#pragma once

#include <string>
#include <string_view>

#include "state/run_state.h"

namespace vmferry {

enum class Order { kResume, kRollback, kCommit, kCrash };
std::string_view Name(Order order);  // "resume", ..., "crash"

enum class Answer {
  kGoesOn,      // with what it was doing; what is in doubt is looked at first
  kRests,       // as it is: nothing is under way
  kRestsOrCommits,  // rests, unless a commit was asked for, which then goes on
  kTakesUp,     // the work that a person was needed for
  kGoesBack,    // step by step
  kCommits,
  kNotSoaking,  // refused
  kGoingBack,   // refused: it is on its way back already
  kEnded,       // refused
};
bool IsRefusal(Answer answer);
std::string_view Describe(Answer answer);

// Complete: every phase, activity and order has an answer. Past the point of no return a rollback is refused besides.
Answer AnswerTo(Order order, Phase phase, Activity activity);

// STATES.md.
std::string StateTableMarkdown();

}  // namespace vmferry
