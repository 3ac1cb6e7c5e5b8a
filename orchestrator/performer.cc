// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/performer.h"

#include <algorithm>

#include "orchestrator/step_context.h"

namespace vmferry {
namespace {

std::string Seconds(std::chrono::milliseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  return std::to_string(seconds) + " s";
}

// An attempt that went well for so long starts the count of failures anew. One that fails sooner, like a copy that is
// always cut off after some seconds, counts.
constexpr std::int64_t kLastingMs = 60000;

void NameStep(Json& payload, const PlannedStep& step) {
  payload["name"] = step.name;
  if (!step.workload.empty()) payload["workload"] = step.workload;
}

}  // namespace

Performer::Performer(Engine& engine, Engine::Application_& application, int index, Direction direction)
    : engine_(engine),
      application_(application),
      index_(index),
      direction_(direction),
      planned_(application.plan->steps[static_cast<std::size_t>(index)]),
      step_(*engine.options_.find_step(planned_.name)),
      begun_ms_(engine.clock_.Now().wall_ms) {}

Task<void> Performer::Perform() {
  Next next = Next::kLeave;
  const bool started = state().status == StepStatus::kStarted;
  if (direction_ == Direction::kBackward) {
    next = co_await BeginUndo();
  } else if (started && !planned_.effect) {
    application_.started.insert(index_);
    next = Next::kGoOn;  // a check's intent still holds: it went with the outcome before it, or is of another life
  } else if (started && !state().assumed_open) {
    next = co_await Settle(std::nullopt);
  } else {
    next = co_await Begin();
  }
  while (next == Next::kGoOn) next = co_await Advance();
}

// Observe, then `found` or the intent.
Task<Performer::Next> Performer::Begin() {
  Json before = Json::object();
  if (planned_.effect) {
    auto looked = co_await Look();
    if (Interrupted()) co_return Next::kLeave;
    if (!looked) {
      const Error error = DeadlineError();
      co_return co_await DigestError(error);
    }
    if (!looked->ok()) co_return co_await DigestError(looked->error());
    const Observation& seen = looked->value();
    if (seen.verdict == Verdict::kUnknown && !state().assumed_open) {
      std::string why = Title() + ": cannot be told whether it is done: " + seen.evidence.dump() + WhatToDo();
      co_await HoldFor(std::move(why), Activity::kNeedsOperator);
      co_return Next::kLeave;
    }
    if (seen.verdict == Verdict::kDone && state().key.empty()) {
      Json payload;
      NameStep(payload, planned_);
      payload["evidence"] = seen.evidence;
      std::vector<Event> events;
      events.push_back(Draft(EventKind::kFound, state().attempt, std::move(payload)));
      co_await engine_.Record(application_, std::move(events));
      co_return Next::kLeave;
    }
    before = seen.before;
  }
  co_await Intend(before);
  co_return Next::kGoOn;
}

// An intent stands without outcome: what became of it? `why`: the answer that told nothing, if there was one.
Task<Performer::Next> Performer::Settle(std::optional<Error> why) {
  if (!application_.started.contains(index_)) co_await Intend(state().before);
  auto looked = co_await LookUntilAnswered();
  if (Interrupted()) co_return Next::kLeave;
  if (!looked || !looked->ok()) {
    std::string text = Title() + " is in doubt and cannot be observed: " + meter_.text + WhatToDo();
    co_await HoldFor(std::move(text), Activity::kNeedsOperator);
    co_return Next::kLeave;
  }
  const Observation& seen = looked->value();
  Json payload;
  payload["verdict"] = std::string(Name(seen.verdict));
  payload["evidence"] = seen.evidence;
  if (why) payload["error"] = ErrorToJson(*why);
  std::vector<Event> events;
  events.push_back(Draft(EventKind::kObserved, state().attempt, std::move(payload)));
  co_await engine_.Record(application_, std::move(events));
  seen_ = seen.verdict;
  const bool tells = step_.spec().recovery != Recovery::kNeither && seen.verdict != Verdict::kUnknown;
  if (tells && seen.verdict == Verdict::kDone) {
    co_await Conclude("done", seen.evidence, std::nullopt, "observe");
    co_return Next::kLeave;
  }
  if (tells) co_return Next::kGoOn;
  std::string text = Title() + " is in doubt: " + seen.evidence.dump() + WhatToDo();
  co_await HoldFor(std::move(text), Activity::kNeedsOperator);
  co_return Next::kLeave;
}

// Looks until there is an answer that counts, the deadline is past, or somebody interrupts. Never goes on without one.
Task<std::optional<Result<Observation>>> Performer::LookUntilAnswered() {
  const std::chrono::milliseconds pause(1000);
  for (;;) {
    while (*application_.abandoned > 0) {
      meter_.text = "an earlier call has not come back; nothing else is asked meanwhile";
      if (PastDeadline()) co_return std::nullopt;
      const Next next = co_await Wait(pause);
      if (next == Next::kLeave) co_return std::nullopt;
    }
    auto looked = co_await Look();
    if (looked && looked->ok()) co_return looked;
    meter_.text = looked ? Describe(looked->error()) : "no answer to the question what became of it";
    const bool again = !looked || SafeToRetry(looked->error());
    if (!again || PastDeadline() || Interrupted()) co_return looked;
    static_cast<void>(co_await Wait(pause));
  }
}

// One call of Apply or Undo and what follows from its answer.
Task<Performer::Next> Performer::Advance() {
  if (Interrupted()) co_return Next::kLeave;
  if (PastDeadline()) {
    const Error error = DeadlineError();
    co_await Conclude("failed", Json(), error, "apply");
    co_return Next::kLeave;
  }
  if (*application_.abandoned > 0) {
    meter_.text = "an earlier call has not come back; nothing else is asked meanwhile";
    const std::chrono::milliseconds pause(1000);
    co_return co_await Wait(pause);
  }
  auto answer = co_await Call();
  if (answer && answer->ok()) co_return co_await DigestProgress(**answer);
  if (answer) co_return co_await DigestError(answer->error());
  // The attempt is in doubt: it was given up, and its late result will be dropped.
  meter_.text = "no answer within " + Seconds(engine_.options_.attempt_timeout + engine_.options_.grace);
  const Error silent{ErrorKind::kUnknownOutcome, "", "", meter_.text, ""};
  co_return co_await DigestError(silent);
}

Task<Performer::Next> Performer::DigestProgress(const Progress& progress) {
  std::vector<Event> events;
  Json payload = Json::object();
  if (!progress.handle.is_null() && progress.handle != state().handle) {
    payload["handle"] = progress.handle;
    events.push_back(Draft(EventKind::kHandle, state().attempt, payload));
  }
  const bool ends = progress.state == Progress::State::kDone;
  if (!ends && !progress.facts.is_null() && progress.facts != state().facts) {
    payload = Json::object();
    payload["facts"] = progress.facts;
    events.push_back(Draft(EventKind::kFacts, state().attempt, payload));
  }
  if (!events.empty()) co_await engine_.Record(application_, std::move(events));
  meter_ = progress.meter;
  for (Watcher* watcher : engine_.watchers_)
    watcher->OnMeter(application_.run.state.run, application_.name, index_, meter_);
  switch (progress.state) {
    case Progress::State::kDone:
      co_await Conclude("done", progress.facts, std::nullopt, "apply");
      co_return Next::kLeave;
    case Progress::State::kHold:
      co_await HoldFor(Title() + ": " + progress.why, Activity::kNeedsOperator);
      co_return Next::kLeave;
    case Progress::State::kRollBack: {
      const Error error{ErrorKind::kConflict, "", "", progress.why, ""};
      co_await Conclude("failed", Json(), error, "apply");
      co_return Next::kLeave;
    }
    case Progress::State::kNotYet:
      progressed_ = Now() - begun_ms_ >= kLastingMs;
      break;
  }
  co_return co_await Wait(progress.after);
}

Task<Performer::Next> Performer::DigestError(const Error& error) {
  meter_.text = Describe(error);
  const int attempt = Attempt();
  const bool no_outcome = error.kind == ErrorKind::kUnknownOutcome;
  if (no_outcome && planned_.effect && direction_ == Direction::kForward && !state().key.empty()) {
    // A late effect gets a moment to show. Then the attempt has succeeded, is still at work, or has failed like others.
    const std::chrono::milliseconds pause(200 * attempt);
    Next next = co_await Wait(pause);
    if (next == Next::kLeave) co_return next;
    next = co_await Settle(error);
    if (next == Next::kLeave || seen_ == Verdict::kRunning) co_return next;
  }
  const bool again = SafeToRetry(error) || no_outcome;
  // What cannot be looked at says nothing, so a check has until its deadline.
  const bool looks = !planned_.effect && direction_ == Direction::kForward;
  const bool retry = again && !PastDeadline() && (looks || Failures() < engine_.options_.max_attempts);
  std::string result = retry ? "retry" : "failed";
  co_await Conclude(std::move(result), Json(), error, "apply");
  co_return Next::kLeave;
}

// The undo's intent; an in-doubt step is observed first, so that the trail says what was found.
Task<Performer::Next> Performer::BeginUndo() {
  const bool in_doubt = state().status == StepStatus::kStarted || state().status == StepStatus::kFailed;
  if (in_doubt) {
    auto looked = co_await Look();
    if (engine_.stopping_) co_return Next::kLeave;
    // Without an answer the undo goes on: it restores the before-image whatever became of the step.
    if (looked && looked->ok()) {
      Json payload;
      payload["verdict"] = std::string(Name(looked->value().verdict));
      payload["evidence"] = looked->value().evidence;
      std::vector<Event> seen;
      seen.push_back(Draft(EventKind::kObserved, state().attempt, std::move(payload)));
      co_await engine_.Record(application_, std::move(seen));
    }
  }
  co_await Intend(state().before);
  co_return Next::kGoOn;
}

Task<void> Performer::Intend(const Json& before) {
  std::vector<Event> events;
  events.push_back(IntentEvent(before));
  co_await engine_.Record(application_, std::move(events));
}

std::string Performer::Key() const {
  if (!state().key.empty()) return state().key;
  return StepKey(application_.run.state.run, *application_.plan, index_, state().generation);
}

// A check that follows in the phase needs no look before its intent, so that the two may share a commit. True if so.
bool Performer::AddNextIntent(std::vector<Event>& events) {
  const int next = index_ + 1;
  const std::vector<PlannedStep>& steps = application_.plan->steps;
  if (Interrupted() || static_cast<std::size_t>(next) >= steps.size()) return false;
  const PlannedStep& step = steps[static_cast<std::size_t>(next)];
  if (step.effect || step.phase != planned_.phase) return false;
  Performer follower(engine_, application_, next, Direction::kForward);
  if (follower.state().status != StepStatus::kPending || follower.state().attempt > 0) return false;
  events.push_back(follower.IntentEvent(Json()));
  return true;
}

Event Performer::IntentEvent(const Json& before) {
  const bool forward = direction_ == Direction::kForward;
  const bool resumed = application_.started.insert(forward ? index_ : ~index_).second;
  const bool new_generation = planned_.effect && state().key.empty();
  const bool first = forward ? new_generation : state().status != StepStatus::kUndoing;
  const std::int64_t since = first || resumed || state().since_ms == 0 ? Now() : state().since_ms;
  Json payload;
  NameStep(payload, planned_);
  payload["effect"] = planned_.effect;
  if (planned_.effect) {
    payload["key"] = Key();
    payload["before"] = before;
  }
  payload["since_ms"] = since;
  payload["deadline_ms"] = since + planned_.deadline.count();
  const int attempt = (forward ? state().attempt : state().undo_attempt) + 1;
  return Draft(forward ? EventKind::kIntent : EventKind::kUndoIntent, attempt, std::move(payload));
}

Task<void> Performer::Conclude(std::string result, Json facts, std::optional<Error> error, std::string via) {
  const bool forward = direction_ == Direction::kForward;
  const int attempt = Attempt();
  Json payload;
  NameStep(payload, planned_);
  payload["result"] = result;
  payload["via"] = via;
  if (!facts.is_null()) payload["facts"] = std::move(facts);
  if (error) payload["error"] = ErrorToJson(*error);
  if (progressed_ && result != "done") payload["progressed"] = true;
  if (result == "retry") payload["retry_at_ms"] = RetryAt(Failures(), Now());
  std::vector<Event> events;
  events.push_back(Draft(forward ? EventKind::kOutcome : EventKind::kUndoOutcome, attempt, std::move(payload)));
  if (!forward && result == "failed" && !planned_.undo_continues) {
    Json hold;
    hold["activity"] = std::string(Name(Activity::kRollbackBlocked));
    hold["why"] = "undo of " + Title() + ": " + Describe(*error);
    events.push_back(engine_.Draft(application_, EventKind::kHold, std::move(hold)));
  }
  const bool done = forward && result == "done";
  const bool check_follows = done && AddNextIntent(events);
  const bool ahead = done && !(planned_.effect && check_follows);
  if (ahead) co_return co_await engine_.RecordAhead(application_, std::move(events));
  co_await engine_.Record(application_, std::move(events));
}

Task<void> Performer::HoldFor(std::string why, Activity activity) {
  // Somebody decided to go back meanwhile, which is what a person would be called for.
  if (direction_ == Direction::kForward && application_.state().activity == Activity::kRollingBack) co_return;
  Json payload;
  payload["activity"] = std::string(Name(activity));
  payload["why"] = std::move(why);
  std::vector<Event> events;
  events.push_back(engine_.Draft(application_, EventKind::kHold, std::move(payload)));
  co_await engine_.Record(application_, std::move(events));
}

Task<Performer::Next> Performer::Wait(std::chrono::milliseconds time) {
  const auto bounded = std::min(time, engine_.options_.longest_wait);
  co_await application_.wake.Wait(bounded);
  co_return Interrupted() ? Next::kLeave : Next::kGoOn;
}

// Runs a call of the step on the pool. One that does not answer in time is asked to stop, and counted until it does.
template <class Answer>
Task<std::optional<Answer>> Performer::Ask(std::function<Answer(const StepContext&)> call) {
  auto context = std::make_shared<StepContext>(Context());
  std::stop_source given_up;
  context->call.stop = given_up.get_token();
  auto outstanding = application_.abandoned;
  auto returned = std::make_shared<std::atomic<bool>>(false);
  std::function<Answer()> work = [context, plan = application_.plan, call = std::move(call), outstanding,
                                  returned]() -> Answer {
    // Given up while it was still in the queue: it must not begin any more.
    const bool begin = !context->call.stop.stop_requested();
    context->call.until = std::chrono::steady_clock::now() + context->call.timeout;
    Answer answer = begin ? call(*context) : Answer(Error{ErrorKind::kUnavailable, "", "", "given up", ""});
    if (returned->exchange(true)) --*outstanding;
    return answer;
  };
  const auto patience = engine_.options_.attempt_timeout + engine_.options_.grace;
  std::optional<Answer> answer = co_await OnPool(engine_.loop_, std::move(work), patience);
  if (!answer) {
    given_up.request_stop();
    ++*outstanding;
    if (returned->exchange(true)) --*outstanding;  // it came back at this very moment
  }
  co_return answer;
}

Task<std::optional<Result<Observation>>> Performer::Look() {
  const Step& step = step_;
  std::function<Result<Observation>(const StepContext&)> look = [&step](const StepContext& context) {
    return step.Observe(context);
  };
  co_return co_await Ask(std::move(look));
}

Task<std::optional<Result<Progress>>> Performer::Call() {
  const Step& step = step_;
  const bool forward = direction_ == Direction::kForward;
  std::function<Result<Progress>(const StepContext&)> call = [&step, forward](const StepContext& context) {
    return forward ? step.Apply(context) : step.Undo(context);
  };
  co_return co_await Ask(std::move(call));
}

bool Performer::Interrupted() const {
  if (engine_.stopping_ || engine_.journal_error_) return true;
  return direction_ == Direction::kForward && application_.state().activity != Activity::kWorking;
}

bool Performer::PastDeadline() const {
  return state().deadline_ms > 0 && Now() > state().deadline_ms;
}

Error Performer::DeadlineError() const {
  return {ErrorKind::kTimedOut, "", "",
          "not done within its deadline of " + Seconds(planned_.deadline) +
              (meter_.text.empty() ? "" : "; last: " + meter_.text),
          "give it a longer `deadline` if it needs one"};
}

StepContext Performer::Context() const {
  StepContext context = MakeContext(application_.run.state.run, *application_.plan, application_.state(), index_, Now());
  SystemSet& systems = *application_.run.systems;
  context.systems = planned_.effect ? &systems.writing() : &systems.reading();
  context.workers = &engine_.workers_;
  context.call.timeout = engine_.options_.attempt_timeout;
  return context;
}

const StepState& Performer::state() const {
  static const StepState kPending;
  const auto& steps = application_.state().steps;
  const auto found = steps.find(index_);
  return found == steps.end() ? kPending : found->second;
}

// The number of the attempt that goes on; one that failed before its intent counts too.
int Performer::Attempt() const {
  if (direction_ == Direction::kBackward) return std::max(1, state().undo_attempt);
  const bool begun = state().status == StepStatus::kStarted;
  return begun ? std::max(1, state().attempt) : state().attempt + 1;
}

std::int64_t Performer::Now() const {
  return engine_.clock_.Now().wall_ms;
}

Event Performer::Draft(EventKind kind, int attempt, Json payload) const {
  Event event = engine_.Draft(application_, kind, std::move(payload));
  event.step = index_;
  event.attempt = attempt;
  return event;
}

std::string Performer::Title() const { return StepTitle(planned_); }

std::string Performer::WhatToDo() const {
  return "; look yourself, then: vmferry resume " + application_.run.state.run + " --app " + application_.name +
         " --step '" + Title() + "' --assume done|not-done --reason \"...\"";
}

}  // namespace vmferry
