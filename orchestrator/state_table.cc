// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/state_table.h"

#include <array>

namespace vmferry {
namespace {

// Phases that answer alike.
enum class Stage { kOnItsWay, kSoak, kCommit, kEnded };

struct Row {
  Stage stage;
  Activity activity;
  Answer resume, rollback, commit, approve, reject, crash;
};

using enum Answer;

constexpr std::array kRows{
    Row{Stage::kOnItsWay, Activity::kWorking, kGoesOn, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kGoesOn},
    Row{Stage::kOnItsWay, Activity::kHolding, kTakesUpOrWaits, kGoesBack, kNotSoaking, kApproves, kRejects, kRests},
    Row{Stage::kOnItsWay, Activity::kPaused, kTakesUp, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kRests},
    Row{Stage::kOnItsWay, Activity::kRollingBack, kGoesOn, kGoingBack, kNotSoaking, kNotAsked, kNotAsked, kGoesOn},
    Row{Stage::kOnItsWay, Activity::kRollbackBlocked, kTakesUp, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kRests},
    Row{Stage::kOnItsWay, Activity::kNeedsOperator, kTakesUp, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kRests},
    Row{Stage::kSoak, Activity::kWorking, kRestsOrCommits, kGoesBack, kCommits, kNotAsked, kNotAsked, kRestsOrCommits},
    Row{Stage::kSoak, Activity::kHolding, kTakesUp, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kRests},
    Row{Stage::kSoak, Activity::kPaused, kTakesUp, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kRests},
    Row{Stage::kSoak, Activity::kRollingBack, kGoesOn, kGoingBack, kNotSoaking, kNotAsked, kNotAsked, kGoesOn},
    Row{Stage::kSoak, Activity::kRollbackBlocked, kTakesUp, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kRests},
    Row{Stage::kSoak, Activity::kNeedsOperator, kTakesUp, kGoesBack, kCommits, kNotAsked, kNotAsked, kRests},
    Row{Stage::kCommit, Activity::kWorking, kGoesOn, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kGoesOn},
    Row{Stage::kCommit, Activity::kHolding, kTakesUpOrWaits, kGoesBack, kNotSoaking, kRetires, kKeepsSource, kRests},
    Row{Stage::kCommit, Activity::kPaused, kTakesUp, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kRests},
    Row{Stage::kCommit, Activity::kRollingBack, kGoesOn, kGoingBack, kNotSoaking, kNotAsked, kNotAsked, kGoesOn},
    Row{Stage::kCommit, Activity::kRollbackBlocked, kTakesUp, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kRests},
    Row{Stage::kCommit, Activity::kNeedsOperator, kTakesUp, kGoesBack, kNotSoaking, kNotAsked, kNotAsked, kRests},
    Row{Stage::kEnded, Activity::kWorking, kEnded, kEnded, kEnded, kEnded, kEnded, kRests},
    Row{Stage::kEnded, Activity::kHolding, kEnded, kEnded, kEnded, kEnded, kEnded, kRests},
    Row{Stage::kEnded, Activity::kPaused, kEnded, kEnded, kEnded, kEnded, kEnded, kRests},
    Row{Stage::kEnded, Activity::kRollingBack, kEnded, kEnded, kEnded, kEnded, kEnded, kRests},
    Row{Stage::kEnded, Activity::kRollbackBlocked, kEnded, kEnded, kEnded, kEnded, kEnded, kRests},
    Row{Stage::kEnded, Activity::kNeedsOperator, kEnded, kEnded, kEnded, kEnded, kEnded, kRests},
};

Stage StageOf(Phase phase) {
  if (IsEnding(phase)) return Stage::kEnded;
  if (phase == Phase::kSoak) return Stage::kSoak;
  return phase == Phase::kCommit ? Stage::kCommit : Stage::kOnItsWay;
}

std::string_view Name(Stage stage) {
  switch (stage) {
    case Stage::kOnItsWay: return "planned to post-checks";
    case Stage::kSoak: return "soak";
    case Stage::kCommit: return "commit";
    case Stage::kEnded: return "committed, aborted, rolled back";
  }
  return "";
}

Answer Pick(const Row& row, Order order) {
  switch (order) {
    case Order::kResume: return row.resume;
    case Order::kRollback: return row.rollback;
    case Order::kCommit: return row.commit;
    case Order::kApprove: return row.approve;
    case Order::kReject: return row.reject;
    case Order::kCrash: return row.crash;
  }
  return kEnded;
}

}  // namespace

std::string_view Name(Order order) {
  constexpr std::array<std::string_view, 6> kNames{"resume", "rollback", "commit", "approve", "reject", "crash"};
  return kNames.at(static_cast<std::size_t>(order));
}

bool IsRefusal(Answer answer) {
  return answer == kNotSoaking || answer == kGoingBack || answer == kNotAsked || answer == kEnded;
}

std::string_view Describe(Answer answer) {
  switch (answer) {
    case kGoesOn: return "goes on";
    case kRests: return "rests";
    case kRestsOrCommits: return "rests; a commit that was asked for goes on";
    case kTakesUp: return "takes its work up again";
    case kTakesUpOrWaits: return "takes its work up again; what waits for approval waits on";
    case kGoesBack: return "goes back";
    case kCommits: return "commits";
    case kApproves: return "looks again from the pre-checks on and goes on to its cutover, if it waits for approval";
    case kRejects: return "goes back, or ends if nothing was touched, if it waits for approval";
    case kRetires: return "the source is retired, if that waits for approval";
    case kKeepsSource: return "the source stays as it is, if its retirement waits for approval";
    case kNotSoaking: return "refused: only an application that soaks can be committed";
    case kGoingBack: return "refused: it is rolling back";
    case kNotAsked: return "refused: it does not wait for approval";
    case kEnded: return "refused: it has ended";
  }
  return "";
}

Answer AnswerTo(Order order, Phase phase, Activity activity) {
  for (const Row& row : kRows)
    if (row.stage == StageOf(phase) && row.activity == activity) return Pick(row, order);
  return kEnded;
}

std::string StateTableMarkdown() {
  std::string text =
      "# The states of an application\n\n"
      "Generated from `state_table.cc`; do not edit. What a person's decision, and a crash, does to an application in\n"
      "each phase and activity. After a crash it is `vmferry resume` that goes on: a step that was begun and has no\n"
      "outcome is looked at first. Past the point of no return `rollback` is refused in every row. `approve` and\n"
      "`reject` are refused where the application holds for something else than an approval.\n\n"
      "| phase | activity | resume | rollback | commit | approve | reject | crash |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Row& row : kRows) {
    if (row.stage == Stage::kEnded && row.activity != Activity::kWorking) continue;
    text += "| " + std::string(Name(row.stage)) + " | " + std::string(Name(row.activity));
    for (const Answer answer : {row.resume, row.rollback, row.commit, row.approve, row.reject, row.crash})
      text += " | " + std::string(Describe(answer));
    text += " |\n";
  }
  return text;
}

}  // namespace vmferry
