// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/engine.h"

#include <algorithm>

#include "orchestrator/engine_parts.h"
#include "orchestrator/performer.h"
#include "orchestrator/rehearsal.h"
#include "orchestrator/soak.h"
#include "orchestrator/watch.h"
#include "state/chain.h"

namespace vmferry {
Engine::Engine(Loop& loop, Journal& journal, const Clock& clock, SystemsMaker systems, EngineOptions options)
    : loop_(loop), journal_(journal), clock_(clock), make_systems_(std::move(systems)), options_(options) {}

Engine::~Engine() = default;

Event Engine::Draft(const Application_& application, EventKind kind, Json payload) const {
  Event event;
  event.run = application.run.state.run;
  event.application = application.name;
  event.kind = kind;
  event.at = clock_.Now();
  event.actor = "engine";
  event.payload = std::move(payload);
  return event;
}

void Engine::Take(Run_& run, const Event& event) {
  if (event.application.empty()) return Fold(run.state, event);
  ApplicationState& state = run.state.applications[event.application];
  run.failed -= HasFailed(state) ? 1 : 0;
  Fold(state, event);
  run.failed += HasFailed(state) ? 1 : 0;
}

void Engine::Show(const Run_& run, const std::vector<Event>& events) {
  for (const Event& event : events)
    for (Watcher* watcher : watchers_) watcher->OnEvent(event, run.state);
}

// They are shown behind those events that were durable before and whose acknowledgement waits in the loop.
Status Engine::AppendNow(Run_& run, std::vector<Event> events) {
  auto appended = journal_.Append(std::move(events));
  if (!appended) {
    journal_error_ = appended.error();
    return appended.error();
  }
  for (const Event& event : *appended) Take(run, event);
  boost::asio::post(loop_.io(), [this, &run, shown = *std::move(appended)] { Show(run, shown); });
  return Ok();
}

// Folds the events at once and journals them. So the state is never behind the journal and always in its order, and a
// decision may come at any time. Watchers see an event once it is durable.
void Engine::Send(Application_& application, std::vector<Event> events) {
  if (journal_error_ || events.empty()) return;
  for (Event& event : events) {
    Normalise(event);
    Take(application.run, event);
  }
  ++application.sent;
  journal_.AppendAsync(std::move(events), [this, &application](Result<std::vector<Event>> answer) {
    boost::asio::post(loop_.io(), [this, &application, answer = std::move(answer)] { Acknowledge(application, answer); });
  });
  if (application.watch)
    application.watch->Wake();
  else
    BeginWatch(application);
}

// Returns when no more than `behind` of the application's appends are under way.
Task<void> Engine::Append(Application_& application, std::vector<Event> events, int behind) {
  Send(application, std::move(events));
  co_await CatchUp(application, behind);
}

Task<void> Engine::Record(Application_& application, std::vector<Event> events) {
  return Append(application, std::move(events), 0);
}

// For an outcome behind which only looking follows, which changes nothing: a check after a check, or the look before an
// effect's intent. The application is at most one commit ahead of its journal. The intent itself is in the journal
// before its effect, and so is, by the journal's order, everything before it.
Task<void> Engine::RecordAhead(Application_& application, std::vector<Event> events) {
  return Append(application, std::move(events), 1);
}

// Returns when no more than `behind` of the appends up to now are under way. Others that come meanwhile, as samples do,
// are not waited for.
Task<void> Engine::CatchUp(Application_& application, int behind) {
  const std::int64_t until = application.sent - behind;
  while (application.acknowledged < until) co_await application.stored.Wait(kForEver);
}

void Engine::Acknowledge(Application_& application, const Result<std::vector<Event>>& answer) {
  ++application.acknowledged;
  application.stored.Notify();
  if (application.watch) application.watch->Wake();
  if (!answer) {
    journal_error_ = answer.error();
    RequestStop("the journal failed");
    return;
  }
  ApplicationState& state = application.run.state.applications[application.name];
  for (const Event& event : *answer) FoldPlace(state, event);
  Show(application.run, *answer);
}

void Engine::Await(Application_& application) {
  if (application.driving || application.waiting) return;
  application.waiting = true;
  application.run.waiting.push_back(&application);
}

// Starts what the wave's limits allow, in the wave's order.
void Engine::Schedule(Run_& run) {
  if (stopping_ || journal_error_) return;
  if (run.stop_after_failed > 0 && run.failed >= run.stop_after_failed) StopWave(run);
  while (run.driving < run.applications_at_once && !run.waiting.empty()) {
    Application_& application = *run.waiting.front();
    run.waiting.pop_front();
    application.waiting = false;
    Start(application);
  }
}

// What has not begun ends; what was approved and waits for its turn holds, until a person who knows resumes it.
void Engine::StopWave(Run_& run) {
  const std::string why = "the wave stopped after " + std::to_string(run.stop_after_failed) + " failed application(s)";
  std::vector<Event> events;
  for (Application_* application : std::exchange(run.waiting, {})) {
    application->waiting = false;
    if (application->state().phase == Phase::kPlanned) continue;
    const Json hold{{"activity", std::string(Name(Activity::kHolding))}, {"why", why}};
    events.push_back(Draft(*application, EventKind::kHold, hold));
  }
  if (!std::exchange(run.stopped_after_failures, true))
    for (const auto& [name, application] : run.applications) {
      if (application->driving || application->state().phase != Phase::kPlanned) continue;
      const Json ending{{"phase", std::string(Name(Phase::kAborted))}, {"reason", "not started: " + why}};
      events.push_back(Draft(*application, EventKind::kPhase, ending));
    }
  if (!events.empty() && !AppendNow(run, std::move(events))) RequestStop("the journal failed");
}

void Engine::Start(Application_& application) {
  if (application.driving) return;
  // A rollback does not wait for its turn.
  if (std::exchange(application.waiting, false)) std::erase(application.run.waiting, &application);
  application.driving = true;
  ++application.run.driving;
  ++driving_;
  boost::asio::co_spawn(loop_.io(), Drive(application), Escalate);
}

bool Engine::GoesOn(const Application_& application) const {
  return application.plan && !stopping_ && !journal_error_;
}

Task<void> Engine::Drive(Application_& application) {
  if (!application.plan) co_await LoadPlan(application);
  BeginWatch(application);
  // Something may be decided while this waits for the journal, and who decides leaves the rest to us: nothing waits
  // between the last look at the state and the end.
  bool caught_up = false;
  while (GoesOn(application)) {
    const Command command = Decide(*application.plan, application.state(), clock_.Now().wall_ms);
    const bool rests = command.kind == Command::Kind::kRest;
    if (rests && caught_up) break;
    if (rests)
      co_await CatchUp(application, 0);
    else
      co_await Carry(application, command);
    caught_up = rests;
  }
  if (!caught_up) co_await CatchUp(application, 0);
  if (application.plan && stopping_ && !journal_error_) co_await RecordStop(application);
  application.plan.reset();
  application.driving = false;
  if (application.watch) application.watch->Wake();
  --application.run.driving;
  --driving_;
  Schedule(application.run);
  if (on_rest) on_rest();
  MaybeEnd();
}

bool Engine::Working(const std::string& id) const {
  const auto found = runs_.find(id);
  return found != runs_.end() && found->second->driving > 0;
}

bool Engine::Watching(const std::string& id) const {
  const auto found = runs_.find(id);
  return found != runs_.end() && found->second->watching > 0;
}

void Engine::BeginWatch(Application_& application) {
  if (application.watch || !application.plan || !Watches(*application.plan, application.state())) return;
  auto watch = std::make_shared<Watch>(*this, application);
  if (!watch->Goes()) return;
  application.watch = watch;
  watch->Begin();
  ++application.run.watching;
  ++watching_;
  boost::asio::co_spawn(loop_.io(), Watch::Run(std::move(watch)), Escalate);
}

void Engine::EndWatch(Application_& application) {
  application.watch.reset();
  --application.run.watching;
  --watching_;
  BeginWatch(application);  // there may be something to watch again by now
  if (on_rest) on_rest();
  MaybeEnd();
}

// It is read while what comes before its use goes on.
void Engine::BeginLoading(Application_& application) {
  if (application.plan || application.loading) return;
  const std::shared_ptr<const std::string> created = application.state().created;
  std::function<Result<Plan>()> read = [created] { return PlanFromCreated(created ? *created : ""); };
  application.loading = Begin(loop_, loop_.own_pool(), std::move(read));
}

// Without a plan that can be read, a person is needed.
Task<void> Engine::LoadPlan(Application_& application) {
  BeginLoading(application);
  std::optional<Result<Plan>> plan = co_await application.loading->Receive(kForEver);
  application.loading.reset();
  if (plan->ok()) {
    application.Keep(std::move(**plan));
    co_return;
  }
  Json payload;
  payload["activity"] = std::string(Name(Activity::kNeedsOperator));
  payload["why"] = Describe(plan->error());
  std::vector<Event> events;
  events.push_back(Draft(application, EventKind::kHold, std::move(payload)));
  co_await Record(application, std::move(events));
}

Task<void> Engine::RecordStop(Application_& application) {
  const Command next = Decide(*application.plan, application.state(), clock_.Now().wall_ms);
  if (next.kind == Command::Kind::kRest) co_return;
  Json payload;
  payload["kind"] = "stop";
  payload["reason"] = stop_reason_;
  std::vector<Event> events;
  events.push_back(Draft(application, EventKind::kDecision, std::move(payload)));
  co_await Record(application, std::move(events));
}

Task<void> Engine::Carry(Application_& application, const Command& command) {
  std::vector<Event> events;
  Json payload = Json::object();
  switch (command.kind) {
    case Command::Kind::kRunStep:
    case Command::Kind::kUndoStep: {
      const bool forward = command.kind == Command::Kind::kRunStep;
      Performer performer(*this, application, command.step, forward ? Direction::kForward : Direction::kBackward);
      co_await performer.Perform();
      co_return;
    }
    case Command::Kind::kWaitUntil: {
      const std::chrono::milliseconds patience(std::max<std::int64_t>(0, command.until_ms - clock_.Now().wall_ms));
      const std::chrono::milliseconds bounded = std::min(patience, options_.longest_wait);
      co_await application.wake.Wait(bounded);
      co_return;
    }
    case Command::Kind::kEnterPhase:
      payload["phase"] = std::string(Name(command.phase));
      if (!command.reason.empty()) payload["reason"] = command.reason;
      if (command.phase == Phase::kCommit && !application.state().criteria.empty())
        payload["criteria"] = CriteriaEvidence(application.state());
      events.push_back(Draft(application, EventKind::kPhase, std::move(payload)));
      break;
    case Command::Kind::kEndWatch:
      payload["state"] = "over";
      payload["why"] = command.reason;
      payload["criteria"] = CriteriaEvidence(application.state());
      events.push_back(Draft(application, EventKind::kWatch, std::move(payload)));
      break;
    case Command::Kind::kRollBack:
    case Command::Kind::kCommit:
      payload["kind"] = command.kind == Command::Kind::kCommit ? "commit" : command.rehearsed ? "rehearsed" : "rollback";
      payload["reason"] = command.reason;
      if (command.rehearsed) payload["measured"] = MeasureRehearsal(*application.plan, application.state());
      events.push_back(Draft(application, EventKind::kDecision, std::move(payload)));
      break;
    case Command::Kind::kHold:
      payload["activity"] = std::string(Name(command.activity));
      payload["why"] = command.reason;
      if (!command.holds_for.empty()) payload["for"] = std::string(command.holds_for);
      events.push_back(Draft(application, EventKind::kHold, std::move(payload)));
      break;
    case Command::Kind::kRest:
      co_return;
  }
  co_await Record(application, std::move(events));
}

void Engine::RequestStop(const std::string& why) {
  boost::asio::post(loop_.io(), [this, why] {
    if (stopping_) return;
    stopping_ = true;
    stop_reason_ = why;
    for (auto& [id, run] : runs_)
      for (auto& [name, application] : run->applications) {
        application->wake.Notify();
        if (application->watch) application->watch->Wake();
      }
    MaybeEnd();
  });
}

void Engine::MaybeEnd() {
  if (driving_ > 0 || watching_ > 0) return;
  if (may_end && !may_end()) return;
  loop_.io().stop();
}

Status Engine::Run() {
  boost::asio::post(loop_.io(), [this] { MaybeEnd(); });
  loop_.Run();
  if (journal_error_) return *journal_error_;
  return Ok();
}

const RunState* Engine::Find(const std::string& run) const {
  const auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : &found->second->state;
}

}  // namespace vmferry
