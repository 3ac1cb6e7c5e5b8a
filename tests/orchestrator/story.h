// SPDX-License-Identifier: Apache-2.0
//
// Story: what must be true of every run, whatever went wrong (checkers.h), and that each effect had its intent when it
// happened, which only somebody who listens can tell.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/orchestrator/checkers.h"
#include "tests/orchestrator/fake_run.h"

namespace vmferry {

// A matrix walks every point in the release build, and some of them under a sanitizer, where each takes ten times
// longer.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kStride = 37;
#else
inline constexpr int kStride = 1;
#endif

class Story {
 public:
  // Listens to the run's events from now on.
  explicit Story(FakeRun& run);
  Story(const Story&) = delete;
  Story& operator=(const Story&) = delete;

  // What was violated, in words; empty if nothing was.
  std::vector<std::string> Faults();

 private:
  void OnEvent(const Event& event);
  void CheckEffects(const std::vector<Fact>& history);

  FakeRun& run_;
  const WorldData before_;
  std::map<int, std::string> open_;  // steps whose intent (or undo's intent) has no outcome, with their names
  std::size_t seen_ = 0;             // facts of the history that were accounted for
  std::vector<std::string> faults_;
};

}  // namespace vmferry
