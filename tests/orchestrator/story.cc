// SPDX-License-Identifier: Apache-2.0
#include "tests/orchestrator/story.h"

namespace vmferry {
Story::Story(FakeRun& run) : run_(run), before_(run.world->Copy()) {
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
  CheckHistory(history, run_.machines(), faults);
  SourceIsKept(before_, run_.world->Copy(), faults);
  NothingFoundIsUndone(run_.Events(), faults);
  return faults;
}

}  // namespace vmferry
