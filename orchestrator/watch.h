// SPDX-License-Identifier: Apache-2.0
//
// Watch: samples the rollback criteria of one application from when its traffic was moved until it is committed or
// goes back, journals every sample, and acts when what they add up to changes (steps/criterion_rule.h). It goes on
// beside the steps, and while the application soaks or holds. Each criterion has a coroutine of its own, so that a
// source that hangs delays no other.
//
// Threading: engine thread only; sample calls run on the pool. Owned by its coroutines and its application.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "orchestrator/engine_parts.h"
#include "steps/criterion_rule.h"

namespace vmferry {

class Watch {
 public:
  // REQUIRES: the application's plan is there.
  Watch(Engine& engine, Engine::Application_& application);
  // Journals the beginning, before which nothing that was seen counts. Call it once, before Run.
  void Begin();
  static Task<void> Run(std::shared_ptr<Watch> self);

  // False: it has nothing to do here, or not any more.
  bool Goes() const;
  // The application's state changed, or an append of its was stored.
  void Wake();

 private:
  static Task<void> Sample(std::shared_ptr<Watch> self, std::size_t index);
  Task<std::optional<Result<Progress>>> Take(std::size_t index);
  void Digest(std::size_t index, const std::optional<Result<Progress>>& answer);
  // Adds the verdict and what comes of it; nothing if what the samples add up to is as before.
  std::optional<Reaction> DraftVerdict(std::size_t index, std::vector<Event>& events) const;
  void Leave();
  void NoticeSleep();
  void AwaitWindow();
  std::chrono::milliseconds Patience() const;  // of the one who waits for the end of the window
  Event DraftSample(std::size_t index, const std::optional<Result<Progress>>& answer) const;
  const ApplicationState& state() const { return application_.state(); }
  std::int64_t Monotonic() const { return engine_.clock_.Now().monotonic_ms; }

  Engine& engine_;
  Engine::Application_& application_;
  const std::shared_ptr<const Plan> plan_;
  std::vector<CriterionRule> rules_;             // as plan_->criteria
  std::vector<std::unique_ptr<Signal>> wakes_;   // of the criteria's coroutines
  Signal wake_;                                  // of Run
  std::size_t sampling_ = 0;                     // coroutines
  bool ends_ = false;
  Instant looked_;  // when NoticeSleep was called last
};

}  // namespace vmferry
