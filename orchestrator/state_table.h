// SPDX-License-Identifier: Apache-2.0
//
// The state table: what each decision of a person, and a crash, does to an application in each phase and activity. One
// table as data; admission asks it, STATES.md is drawn from it, and a test walks every state that can be reached.
#pragma once

#include <string>
#include <string_view>

#include "state/run_state.h"

namespace vmferry {

enum class Order { kResume, kRollback, kCommit, kApprove, kReject, kCrash };
std::string_view Name(Order order);  // "resume", ..., "crash"

enum class Answer {
  kGoesOn,      // with what it was doing; what is in doubt is looked at first
  kRests,       // as it is: nothing is under way
  kRestsOrCommits,  // rests, unless a commit was asked for, which then goes on
  kTakesUp,     // the work that a person was needed for
  kTakesUpOrWaits,  // likewise; but an approval is waited for until it is given
  kGoesBack,    // step by step
  kCommits,
  kApproves,    // goes on, if it waits for approval; else refused
  kRejects,     // goes back, if it waits for approval; else refused
  kRetires,     // the source leaves the inventory, if that waits for approval; else refused
  kKeepsSource,  // it stays, if its retirement waits for approval; else refused
  kNotSoaking,  // refused
  kGoingBack,   // refused: it is on its way back already
  kNotAsked,    // refused: it does not wait for approval
  kEnded,       // refused
};
bool IsRefusal(Answer answer);
std::string_view Describe(Answer answer);

// Complete: every phase, activity and order has an answer. Past the point of no return a rollback is refused besides,
// and so are approve and reject in a hold for something else.
Answer AnswerTo(Order order, Phase phase, Activity activity);

// STATES.md.
std::string StateTableMarkdown();

}  // namespace vmferry
