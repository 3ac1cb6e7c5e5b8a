// SPDX-License-Identifier: Apache-2.0
//
// Performer: carries one step of one application forward or backward, as far as it goes now. Owned by the coroutine
// that drives the application; engine thread only.
#pragma once

#include "orchestrator/engine_parts.h"

namespace vmferry {

enum class Direction { kForward, kBackward };

class Performer {
 public:
  Performer(Engine& engine, Engine::Application_& application, int index, Direction direction);
  // Observe, intent, Apply until done, outcome; or the same with Undo. Returns early when the engine stops, the
  // application is to roll back (going forward), or a person is needed.
  Task<void> Perform();

 private:
  enum class Next { kGoOn, kLeave };

  Task<Next> Begin();
  Task<Next> BeginUndo();
  Task<Next> Settle(std::optional<Error> why);
  Task<Next> Advance();
  Task<Next> DigestProgress(const Progress& progress);
  Task<Next> DigestError(const Error& error);
  Task<Next> Wait(std::chrono::milliseconds time);
  template <class Answer>
  Task<std::optional<Answer>> Ask(std::function<Answer(const StepContext&)> call);
  Task<std::optional<Result<Observation>>> Look();
  Task<std::optional<Result<Observation>>> LookUntilAnswered();
  Task<std::optional<Result<Progress>>> Call();
  Task<void> Intend(const Json& before);
  Event IntentEvent(const Json& before);
  std::string Key() const;
  bool AddNextIntent(std::vector<Event>& events);
  Task<void> Conclude(std::string result, Json facts, std::optional<Error> error, std::string via);
  Task<void> HoldFor(std::string why, Activity activity);

  bool Interrupted() const;
  bool PastDeadline() const;
  int Attempt() const;
  int Failures() const { return progressed_ ? 1 : state().failures + 1; }  // in a row, this one included
  StepContext Context() const;
  const StepState& state() const;
  std::int64_t Now() const;
  Event Draft(EventKind kind, int attempt, Json payload) const;
  Error DeadlineError() const;
  std::string Title() const;
  std::string WhatToDo() const;  // about a step in doubt

  Engine& engine_;
  Engine::Application_& application_;
  const int index_;
  const Direction direction_;
  const PlannedStep& planned_;
  const Step& step_;
  Meter meter_;
  const std::int64_t begun_ms_;  // wall time
  bool progressed_ = false;      // the attempt gave good answers for a minute
  Verdict seen_ = Verdict::kUnknown;  // by the last Settle
};

}  // namespace vmferry
