// SPDX-License-Identifier: Apache-2.0
//
// Every state an application can get into, walked: whatever steps answer, whatever people decide, and the process gone
// at any moment. The table's answers are held against Decide and Fold, and there is a way out of everywhere.
#include "orchestrator/state_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "orchestrator/admission.h"
#include "orchestrator/decide.h"

namespace vmferry {
namespace {

constexpr std::int64_t kLater = std::int64_t{1} << 60;  // no retry waits that long

PlannedStep Planned(Phase phase, const std::string& name, bool effect) {
  PlannedStep step;
  step.phase = phase;
  step.name = name;
  step.effect = effect;
  step.parameters = Json::object();
  return step;
}

// A check; an effect whose failed undo does not stop the rest, and one whose does; a check; and a merge past which
// nothing goes back. A policy wants the cutover approved.
Plan FiveSteps() {
  Plan plan;
  plan.application.name = "app";
  plan.steps = {Planned(Phase::kPreChecks, "check", false), Planned(Phase::kCutover, "copy", true),
                Planned(Phase::kCutover, "switch", true), Planned(Phase::kPostChecks, "look", false),
                Planned(Phase::kCommit, "merge", true), Planned(Phase::kCommit, "retire", true)};
  plan.steps[1].undo_continues = true;
  plan.steps[2].moves_traffic = true;
  plan.steps[4].point_of_no_return = true;
  plan.steps[5].point_of_no_return = plan.steps[5].needs_approval = true;
  plan.policy.approval = {"strict"};
  plan.policy.in_force.push_back({"strict", ""});
  return plan;
}

Event EventOf(EventKind kind, int step, Json payload) {
  Event event;
  event.run = "r";
  event.application = "app";
  event.kind = kind;
  event.step = step;
  event.attempt = 1;
  event.at.wall_ms = 1000;
  event.payload = std::move(payload);
  return event;
}

using Events = std::vector<Event>;

class Walk {
 public:
  Walk() { WalkAll(); }

  struct Node {
    RunState run;
    std::vector<std::string> next;  // what it can become
    const ApplicationState& state() const { return run.applications.at("app"); }
  };
  const std::map<std::string, Node>& nodes() const { return nodes_; }
  const Plan& plan() const { return plan_; }

 private:
  // What the engine's next command may lead to; each entry is what becomes durable before the process may die.
  std::vector<Events> Outcomes(const ApplicationState& state) const;
  std::vector<Events> OfStep(const ApplicationState& state, int index) const;
  std::vector<Events> OfUndo(const ApplicationState& state, int index) const;
  std::vector<Events> Decisions(const RunState& run) const;
  static std::string KeyOf(const ApplicationState& state);
  void WalkAll();

  const Plan plan_ = FiveSteps();
  std::map<std::string, Node> nodes_;
};

Events End(EventKind kind, int step, const char* result) {
  Json payload{{"result", result}, {"error", {{"kind", "denied"}, {"message", "no"}}}};
  if (std::string(result) == "retry") payload["retry_at_ms"] = 5000;
  return {EventOf(kind, step, std::move(payload))};
}

Events Hold(Activity activity, std::string_view holds_for = "") {
  Json payload{{"activity", Name(activity)}, {"why", "because"}};
  if (!holds_for.empty()) payload["for"] = holds_for;
  return {EventOf(EventKind::kHold, -1, std::move(payload))};
}

std::vector<Events> Walk::OfStep(const ApplicationState& state, int index) const {
  const bool effect = plan_.steps[static_cast<std::size_t>(index)].effect;
  const auto found = state.steps.find(index);
  const bool started = found != state.steps.end() && found->second.status == StepStatus::kStarted;
  std::vector<Events> all{Hold(Activity::kNeedsOperator), End(EventKind::kOutcome, index, "retry"),
                          End(EventKind::kOutcome, index, "failed")};
  if (!started || effect)
    all.push_back({EventOf(EventKind::kIntent, index, {{"key", "k"}, {"effect", effect}, {"deadline_ms", 9}})});
  if (started) all.push_back(End(EventKind::kOutcome, index, "done"));
  const bool never_begun = found == state.steps.end() || found->second.key.empty();
  if (effect && !started && never_begun) all.push_back({EventOf(EventKind::kFound, index, Json::object())});
  return all;
}

std::vector<Events> Walk::OfUndo(const ApplicationState& state, int index) const {
  std::vector<Events> all{{EventOf(EventKind::kUndoIntent, index, {{"deadline_ms", 9}})}};
  if (state.steps.at(index).status != StepStatus::kUndoing) return all;
  all.push_back(End(EventKind::kUndoOutcome, index, "done"));
  all.push_back(End(EventKind::kUndoOutcome, index, "retry"));
  all.push_back(End(EventKind::kUndoOutcome, index, "failed"));
  if (plan_.steps[static_cast<std::size_t>(index)].undo_continues) return all;
  all.back().push_back(Hold(Activity::kRollbackBlocked).front());
  return all;
}

std::vector<Events> Walk::Outcomes(const ApplicationState& state) const {
  const Command command = Decide(plan_, state, kLater);
  switch (command.kind) {
    case Command::Kind::kRunStep: return OfStep(state, command.step);
    case Command::Kind::kUndoStep: return OfUndo(state, command.step);
    case Command::Kind::kEnterPhase: return {{EventOf(EventKind::kPhase, -1, {{"phase", Name(command.phase)}})}};
    case Command::Kind::kRollBack: return {{EventOf(EventKind::kDecision, -1, {{"kind", "rollback"}})}};
    case Command::Kind::kHold: return {Hold(command.activity, command.holds_for)};
    case Command::Kind::kCommit:
    case Command::Kind::kEndWatch:  // of plans with criteria
    case Command::Kind::kWaitUntil:
    case Command::Kind::kRest: break;
  }
  return {};
}

std::vector<Events> Walk::Decisions(const RunState& run) const {
  std::vector<Events> all{{EventOf(EventKind::kDecision, -1, {{"kind", "stop"}})}};
  for (const char* kind : {"resume", "rollback", "commit", "approve", "reject"})
    if (MayDecide(run, Decision{kind, {}, "anna", "", "", ""}))
      all.push_back({EventOf(EventKind::kDecision, -1, {{"kind", kind}})});
  const ApplicationState& state = run.applications.at("app");
  const int open = OpenStep(plan_, state);
  if (state.activity != Activity::kNeedsOperator || open < 0) return all;
  for (const char* assume : {"done", "not-done"})
    all.push_back({EventOf(EventKind::kDecision, -1, {{"kind", "resume"}, {"assume", assume}, {"step", open}})});
  return all;
}

// What Decide and the answers depend on.
std::string Walk::KeyOf(const ApplicationState& state) {
  std::ostringstream key;
  key << Name(state.phase) << "/" << Name(state.activity) << "/" << Name(state.returns_to) << state.touched
      << state.commit_requested << state.retirement_decided << state.retirement_approved << state.approved << state.holds_for;
  for (const auto& [index, step] : state.steps)
    key << " " << index << Name(step.status) << step.effect << step.intended << step.assumed_open << step.key.empty();
  for (const int index : StepsToUndo(state)) key << "," << index;
  return key.str();
}

void Walk::WalkAll() {
  RunState first;
  first.run = "r";
  first.order = {"app"};
  Fold(first, EventOf(EventKind::kRunCreated, -1, {{"plan", PlanToJson(plan_)}}));
  std::deque<std::string> open{KeyOf(first.applications.at("app"))};
  nodes_[open.front()].run = first;
  while (!open.empty()) {
    Node& node = nodes_.at(open.front());
    open.pop_front();
    std::vector<Events> all = Outcomes(node.state());
    for (Events& events : Decisions(node.run)) all.push_back(std::move(events));
    for (const Events& events : all) {
      RunState after = node.run;
      for (Event event : events) {
        event.seq = after.applications.at("app").last_seq + 1;
        Fold(after, event);
      }
      const std::string key = KeyOf(after.applications.at("app"));
      node.next.push_back(key);
      if (!nodes_.contains(key)) {
        nodes_[key].run = std::move(after);
        open.push_back(key);
      }
    }
  }
}

const Walk& TheWalk() {
  static const Walk walk;
  return walk;
}

constexpr std::array kPhases{Phase::kPlanned,    Phase::kPreChecks, Phase::kConversion, Phase::kCutover,
                             Phase::kPostChecks, Phase::kSoak,      Phase::kCommit,     Phase::kCommitted,
                             Phase::kAborted,    Phase::kRolledBack};
constexpr std::array kActivities{Activity::kWorking,     Activity::kHolding,         Activity::kPaused,
                                 Activity::kRollingBack, Activity::kRollbackBlocked, Activity::kNeedsOperator};

TEST(StateTable, HasAnAnswerInEveryCell) {
  for (const Phase phase : kPhases)
    for (const Activity activity : kActivities)
      for (const Order order : {Order::kResume, Order::kRollback, Order::kCommit, Order::kApprove, Order::kReject,
                                Order::kCrash}) {
        const Answer answer = AnswerTo(order, phase, activity);
        SCOPED_TRACE(std::string(Name(phase)) + ", " + std::string(Name(activity)) + ", " + std::string(Name(order)));
        EXPECT_NE(Describe(answer), "");
        EXPECT_EQ(answer == Answer::kEnded, IsEnding(phase) && order != Order::kCrash);
        EXPECT_FALSE(order == Order::kCrash && IsRefusal(answer)) << "a crash asks nobody";
      }
}

TEST(StateTable, TheWalkGetsIntoEveryPhaseAndEveryActivityThereIs) {
  std::set<std::pair<Phase, Activity>> cells;
  for (const auto& [key, node] : TheWalk().nodes()) cells.emplace(node.state().phase, node.state().activity);
  for (const Phase phase : kPhases) EXPECT_TRUE(cells.contains({phase, Activity::kWorking})) << Name(phase);
  for (const Phase phase : {Phase::kCutover, Phase::kPostChecks, Phase::kSoak, Phase::kCommit})
    for (const Activity activity : {Activity::kRollingBack, Activity::kRollbackBlocked})
      EXPECT_TRUE(cells.contains({phase, activity})) << Name(phase) << ", " << Name(activity);
  for (const Phase phase : {Phase::kPreChecks, Phase::kCutover, Phase::kPostChecks, Phase::kCommit})
    EXPECT_TRUE(cells.contains({phase, Activity::kNeedsOperator})) << Name(phase);
  EXPECT_TRUE(cells.contains({Phase::kConversion, Activity::kHolding}));
  EXPECT_GT(TheWalk().nodes().size(), 1000u);
}

TEST(StateTable, AfterACrashDecideDoesWhatTheTableSays) {
  for (const auto& [key, node] : TheWalk().nodes()) {
    const ApplicationState& state = node.state();
    const bool rests = Decide(TheWalk().plan(), state, kLater).kind == Command::Kind::kRest;
    switch (AnswerTo(Order::kCrash, state.phase, state.activity)) {
      case Answer::kRests: EXPECT_TRUE(rests) << key; break;
      case Answer::kRestsOrCommits: EXPECT_EQ(rests, !state.commit_requested) << key; break;
      default: EXPECT_FALSE(rests) << key;
    }
    EXPECT_EQ(Decide(TheWalk().plan(), state, 0).kind == Command::Kind::kRest, rests) << "time alone ends no rest: " << key;
  }
}

// The state after a decision that was accepted.
ApplicationState After(const Walk::Node& node, const char* kind) {
  RunState run = node.run;
  Fold(run, EventOf(EventKind::kDecision, -1, {{"kind", kind}}));
  return run.applications.at("app");
}

TEST(StateTable, AcceptedDecisionsDoWhatTheTableSays) {
  for (const auto& [key, node] : TheWalk().nodes()) {
    const ApplicationState& state = node.state();
    SCOPED_TRACE(key);
    const bool too_late = PastPointOfNoReturn(TheWalk().plan(), state);
    const bool goes_back = AnswerTo(Order::kRollback, state.phase, state.activity) == Answer::kGoesBack;
    const bool accepted = MayDecide(node.run, Decision{"rollback", {}, "anna", "", "", ""}).ok();
    EXPECT_EQ(accepted, goes_back && !too_late);
    if (accepted) {
      const Command next = Decide(TheWalk().plan(), After(node, "rollback"), kLater);
      EXPECT_TRUE(next.kind == Command::Kind::kUndoStep || next.kind == Command::Kind::kEnterPhase);
    }
    if (AnswerTo(Order::kResume, state.phase, state.activity) == Answer::kTakesUp) {
      EXPECT_NE(Decide(TheWalk().plan(), After(node, "resume"), kLater).kind, Command::Kind::kRest);
    }
    if (AnswerTo(Order::kCommit, state.phase, state.activity) == Answer::kCommits && !state.commit_requested) {
      EXPECT_EQ(Decide(TheWalk().plan(), After(node, "commit"), kLater).phase, Phase::kCommit);
    }
  }
}

TEST(StateTable, OnlyAnApprovalLetsWhatWaitsForItGoOn) {
  for (const auto& [key, node] : TheWalk().nodes()) {
    const ApplicationState& state = node.state();
    SCOPED_TRACE(key);
    const bool waits = state.holds_for == kForApproval;
    const bool asked = AnswerTo(Order::kApprove, state.phase, state.activity) == Answer::kApproves;
    EXPECT_EQ(AnswerTo(Order::kReject, state.phase, state.activity) == Answer::kRejects, asked);
    EXPECT_TRUE(asked || !waits);
    const bool retires = state.holds_for == kForRetirement;
    EXPECT_TRUE(!retires || AnswerTo(Order::kApprove, state.phase, state.activity) == Answer::kRetires);
    EXPECT_EQ(MayDecide(node.run, Decision{"approve", {}, "anna", "", "", ""}).ok(), waits || retires);
    EXPECT_EQ(MayDecide(node.run, Decision{"reject", {}, "anna", "", "", ""}).ok(), waits || retires);
    const bool ahead = state.phase == Phase::kCutover || state.phase == Phase::kPostChecks ||
                       state.phase == Phase::kSoak || state.phase == Phase::kCommit;
    EXPECT_TRUE(state.approved || !ahead) << "past the approval without one";
    if (!waits) continue;
    EXPECT_EQ(Decide(TheWalk().plan(), After(node, "resume"), kLater).kind, Command::Kind::kRest);
    const Command ahead_again = Decide(TheWalk().plan(), After(node, "approve"), kLater);
    EXPECT_TRUE(ahead_again.kind == Command::Kind::kRunStep || ahead_again.kind == Command::Kind::kEnterPhase);
    const Phase end = state.touched ? Phase::kRolledBack : Phase::kAborted;
    const Command back = Decide(TheWalk().plan(), After(node, "reject"), kLater);
    EXPECT_TRUE(back.kind == Command::Kind::kUndoStep || back.phase == end);
  }
}

TEST(StateTable, TheSourceIsRetiredOnlyAfterTheCommitAndWithAnApprovalOfItsOwn) {
  constexpr int kRetire = 5;
  bool seen = false;
  for (const auto& [key, node] : TheWalk().nodes()) {
    const ApplicationState& state = node.state();
    SCOPED_TRACE(key);
    const auto retire = state.steps.find(kRetire);
    const bool begun = retire != state.steps.end() && retire->second.intended;
    EXPECT_TRUE(!begun || (state.retirement_approved && PastPointOfNoReturn(TheWalk().plan(), state)));
    if (state.holds_for != kForRetirement) continue;
    seen = true;
    EXPECT_EQ(Decide(TheWalk().plan(), After(node, "resume"), kLater).kind, Command::Kind::kRest);
    const Command approved = Decide(TheWalk().plan(), After(node, "approve"), kLater);
    EXPECT_TRUE(approved.kind == Command::Kind::kRunStep && approved.step == kRetire);
    EXPECT_EQ(Decide(TheWalk().plan(), After(node, "reject"), kLater).phase, Phase::kCommitted);
  }
  EXPECT_TRUE(seen);
}

// States from which one of `goals` can be reached.
std::set<std::string> LeadingTo(std::set<std::string> goals) {
  std::map<std::string, std::vector<std::string>> before;
  for (const auto& [key, node] : TheWalk().nodes())
    for (const std::string& next : node.next) before[next].push_back(key);
  std::deque<std::string> open(goals.begin(), goals.end());
  for (; !open.empty(); open.pop_front())
    for (const std::string& key : before[open.front()])
      if (goals.insert(key).second) open.push_back(key);
  return goals;
}

TEST(StateTable, ThereIsAWayOutOfEveryState) {
  std::set<std::string> endings;
  for (const auto& [key, node] : TheWalk().nodes())
    if (IsEnding(node.state().phase)) endings.insert(key);
  const std::set<std::string> out = LeadingTo(endings);
  for (const auto& [key, node] : TheWalk().nodes()) EXPECT_TRUE(out.contains(key)) << key;
}

TEST(StateTable, NothingIsUndoneOutOfOrderNorPastThePointOfNoReturnNorIfFound) {
  for (const auto& [key, node] : TheWalk().nodes()) {
    const ApplicationState& state = node.state();
    const bool too_late = PastPointOfNoReturn(TheWalk().plan(), state);
    EXPECT_FALSE(too_late && (state.phase == Phase::kRolledBack || state.phase == Phase::kAborted)) << key;
    EXPECT_FALSE(state.phase == Phase::kAborted && state.touched) << key;
    const Command next = Decide(TheWalk().plan(), state, kLater);
    if (next.kind != Command::Kind::kUndoStep) continue;
    EXPECT_NE(state.steps.at(next.step).status, StepStatus::kFound) << key;
    EXPECT_TRUE(state.steps.at(next.step).intended) << key;
    EXPECT_FALSE(too_late) << key;
    for (const int later : StepsToUndo(state)) {
      if (later == next.step) break;
      EXPECT_TRUE(TheWalk().plan().steps[static_cast<std::size_t>(later)].undo_continues) << "passed over in " << key;
    }
  }
}

// VMFERRY_WRITE_STATES=1 in the environment writes the page anew.
TEST(StateTable, PageIsUpToDate) {
  const std::string path = std::string(VMFERRY_SOURCE_DIR) + "/orchestrator/STATES.md";
  if (std::getenv("VMFERRY_WRITE_STATES") != nullptr) std::ofstream(path) << StateTableMarkdown();
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), StateTableMarkdown()) << "run: VMFERRY_WRITE_STATES=1 build/release/tests/test_orchestrator "
                                                 "--gtest_filter=StateTable.PageIsUpToDate";
}

}  // namespace
}  // namespace vmferry
