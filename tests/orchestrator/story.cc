// SPDX-License-Identifier: Apache-2.0
#include "tests/orchestrator/story.h"

#include <algorithm>

namespace vmferry {
Story::Story(FakeRun& run) : run_(run), before_(run.world->Copy()) {
  run.on_event = [this](const Event& event, Engine&) { OnEvent(event); };
}

// Nothing may have happened in the world since the last event unless an intent of such a step was open then. One that
// failed stays open until it is undone: what it began may still end by itself.
void Story::OnEvent(const Event& event) {
  static_cast<void>(run_.world->Change([this](WorldData& world) { CheckEffects(world.history); }));
  const bool began = event.kind == EventKind::kIntent || event.kind == EventKind::kUndoIntent;
  const bool outcome = event.kind == EventKind::kOutcome || event.kind == EventKind::kUndoOutcome;
  const bool ended = outcome && event.payload.value("result", "") == "done";
  if (began && event.payload.value("effect", false)) open_[event.step] = event.payload.value("name", "");
  if (ended) open_.erase(event.step);
}

void Story::CheckEffects(const std::vector<Fact>& history) {
  for (; seen_ < history.size(); ++seen_)
    if (std::none_of(open_.begin(), open_.end(),
                     [&](const auto& step) { return MayCause(step.second, history[seen_].effect); }))
      faults_.push_back("an effect without an intent: " + Words(history[seen_]));
}

std::vector<std::string> Story::Faults() {
  const WorldData world = run_.world->Copy();
  CheckEffects(world.history);
  std::vector<std::string> faults = faults_;
  CheckHistory(world.history, world.vms.size(), faults);
  SourceIsKept(before_, world, faults);
  NothingFoundIsUndone(run_.Events(), faults);
  for (const auto& [name, application] : run_.State().applications)
    if (application.phase == Phase::kRolledBack || application.phase == Phase::kAborted)
      NamesAreAsBefore(before_, world, faults);
  return faults;
}

}  // namespace vmferry
