// SPDX-License-Identifier: Apache-2.0
#include "tests/orchestrator/story.h"

namespace vmferry {
namespace {

std::string Words(const Fact& fact) {
  return fact.effect + " " + fact.object;
}

// Source and target never run together on the network, in any order of events.
void NeverTwo(const std::vector<Fact>& history, std::vector<std::string>& faults) {
  bool source = true;
  bool target = false;
  for (const Fact& fact : history) {
    const bool on_network = fact.detail.value("on_network", true);
    if (fact.effect == "source-on") source = on_network;
    if (fact.effect == "source-off") source = false;
    if (fact.effect == "target-on") target = on_network;
    if (fact.effect == "target-off") target = false;
    if (source && target) faults.push_back("source and target both run after " + Words(fact));
  }
}

// A server becomes ready only while its machine runs.
void TrafficRule(const std::vector<Fact>& history, std::vector<std::string>& faults) {
  for (const Fact& fact : history)
    if (fact.effect == "lb" && fact.detail.value("state", "") == "ready" && !fact.detail.value("machine_on", false))
      faults.push_back("traffic to a machine that is off: " + Words(fact));
}

void FinishedCopiesAreKept(const std::vector<Fact>& history, std::vector<std::string>& faults) {
  std::set<std::string> finished;
  for (const Fact& fact : history) {
    if (fact.effect == "volume-sealed") finished.insert(fact.object);
    if (fact.effect == "volume-removed" && finished.contains(fact.object))
      faults.push_back("a finished copy was removed: " + fact.object);
  }
}

// What one run does at most once, forward or back.
void NothingTwice(const std::vector<Fact>& history, std::vector<std::string>& faults) {
  static const std::set<std::string> once{"claimed", "released", "target-on", "source-on", "merged", "domain-defined"};
  std::map<std::string, int> times;
  for (const Fact& fact : history)
    if (once.contains(fact.effect) && ++times[Words(fact)] > 1) faults.push_back("done twice: " + Words(fact));
}

}  // namespace

Story::Story(FakeRun& run) : run_(run) {
  run.on_event = [this](const Event& event, Engine&) { OnEvent(event); };
}

// Nothing may have happened in the world since the last event unless an intent was open then. One that failed stays
// open until it is undone: what it began may still end by itself.
void Story::OnEvent(const Event& event) {
  CheckEffects(run_.world->Copy().history);
  const bool began = event.kind == EventKind::kIntent || event.kind == EventKind::kUndoIntent;
  const bool outcome = event.kind == EventKind::kOutcome || event.kind == EventKind::kUndoOutcome;
  const bool ended = outcome && event.payload.value("result", "") == "done";
  if (began) open_.insert(event.step);
  if (ended) open_.erase(event.step);
}

void Story::CheckEffects(const std::vector<Fact>& history) {
  for (; seen_ < history.size(); ++seen_)
    if (open_.empty()) faults_.push_back("an effect without an intent: " + Words(history[seen_]));
}

std::vector<std::string> Story::Faults() {
  const std::vector<Fact> history = run_.world->Copy().history;
  CheckEffects(history);
  std::vector<std::string> faults = faults_;
  NeverTwo(history, faults);
  TrafficRule(history, faults);
  FinishedCopiesAreKept(history, faults);
  NothingTwice(history, faults);
  return faults;
}

}  // namespace vmferry
