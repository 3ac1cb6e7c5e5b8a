// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/engine.h"

#include <malloc.h>

#include <algorithm>

#include "orchestrator/engine_parts.h"
#include "orchestrator/performer.h"
#include "state/digest.h"

namespace vmferry {
namespace {

std::string NewRunId(const Clock& clock) {
  std::string day = FormatWallTime(clock.Now().wall_ms).substr(0, 10);
  std::erase(day, '-');
  return "r-" + day + "-" + RandomHex(3);
}

bool Failed(const ApplicationState& state) {
  return state.phase == Phase::kAborted || state.phase == Phase::kRolledBack ||
         state.activity == Activity::kRollbackBlocked || state.activity == Activity::kNeedsOperator;
}

Json WavePayload(const Submission& submission) {
  Json names = Json::array();
  for (const Plan& plan : submission.wave.plans) names.push_back(plan.application.name);
  return {{"wave", submission.wave.name},
          {"applications", names},
          {"applicationsAtOnce", submission.wave.applications_at_once},
          {"stopAfterFailed", submission.wave.stop_after_failed},
          {"site", SiteToJson(submission.site)},
          {"reason", submission.reason},
          {"vmferry", VMFERRY_VERSION}};
}

// As text: a wave's plans as JSON values would take fifty times their size.
std::string PlanPayload(const Plan& plan) {
  const std::string text = PlanToJson(plan).dump(-1, ' ', false, Json::error_handler_t::replace);
  return R"({"plan":)" + text + R"(,"planDigest":")" + Sha256Hex(text) + R"("})";
}

// The runbook's text is the longest part of a plan, and of no use to an engine.
template <class Application>
void Keep(Application& application, Plan plan) {
  plan.runbook_text = std::string();
  application.plan = std::make_shared<const Plan>(std::move(plan));
}

}  // namespace

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

void Engine::Publish(Run_& run, const std::vector<Event>& events) {
  for (const Event& event : events) {
    const ApplicationState* state = event.application.empty() ? nullptr : &run.state.applications[event.application];
    if (state && Failed(*state)) --run.failed;
    Fold(run.state, event);
    if (state && Failed(*state)) ++run.failed;
    for (Watcher* watcher : watchers_) watcher->OnEvent(event, run.state);
  }
}

Result<std::vector<Event>> Engine::AppendNow(Run_& run, std::vector<Event> events) {
  auto appended = journal_.Append(std::move(events));
  if (!appended) {
    journal_error_ = appended.error();
    return appended.error();
  }
  Publish(run, *appended);
  return appended;
}

Task<void> Engine::Record(Application_& application, std::vector<Event> events) {
  if (journal_error_) co_return;
  using Answer = Result<std::vector<Event>>;
  auto delivery = std::make_shared<Delivery<Answer>>(loop_);
  ++application.appending;
  journal_.AppendAsync(std::move(events), [delivery](Answer answer) mutable {
    Delivery<Answer>::Send(std::move(delivery), std::move(answer));
  });
  std::optional<Answer> answer = co_await delivery->Receive(kForEver);
  --application.appending;
  if (answer && answer->ok()) {
    Publish(application.run, **answer);
    co_return;
  }
  journal_error_ = answer->error();
  RequestStop("the journal failed");
}

// For what only checks said: it is folded at once and the next check may begin, since neither changes anything outside;
// the application is at most one commit ahead of its journal. Everything else is in the journal first.
Task<void> Engine::RecordAhead(Application_& application, std::vector<Event> events) {
  if (journal_error_) co_return;
  for (const Event& event : events) Fold(application.run.state, event);
  ++application.appending;
  journal_.AppendAsync(std::move(events), [this, &application](Result<std::vector<Event>> answer) {
    boost::asio::post(loop_.io(), [this, &application, answer = std::move(answer)] { Acknowledge(application, answer); });
  });
  co_await CatchUp(application, 1);
}

// Returns when no more than `behind` appends are under way.
Task<void> Engine::CatchUp(Application_& application, int behind) {
  while (application.appending > behind) co_await application.stored.Wait(kForEver);
}

void Engine::Acknowledge(Application_& application, const Result<std::vector<Event>>& answer) {
  --application.appending;
  application.stored.Notify();
  if (!answer) {
    journal_error_ = answer.error();
    RequestStop("the journal failed");
    return;
  }
  Run_& run = application.run;
  run.state.applications[application.name].last_seq = answer->back().seq;
  for (const Event& event : *answer)
    for (Watcher* watcher : watchers_) watcher->OnEvent(event, run.state);
}

Engine::Run_* Engine::Install(const std::string& id, RunState state, const Site& site) {
  auto run = std::make_unique<Run_>();
  run->state = std::move(state);
  run->site = site;
  run->systems = make_systems_(site);
  Run_* installed = run.get();
  runs_[id] = std::move(run);
  return installed;
}

Result<std::string> Engine::Submit(Submission submission) {
  if (const Status admitted = Admit(journal_, submission.wave.plans); !admitted) return admitted.error();
  const std::string id = NewRunId(clock_);
  RunState state;
  state.run = id;
  Run_& run = *Install(id, std::move(state), submission.site);
  run.applications_at_once = submission.wave.applications_at_once;
  run.stop_after_failed = submission.wave.stop_after_failed;
  std::vector<Event> events;
  const Json wave = WavePayload(submission);
  for (Plan& plan : submission.wave.plans) {
    auto application = std::make_unique<Application_>(loop_, run, plan.application.name);
    events.push_back(Draft(*application, EventKind::kRunCreated, Json::object()));
    events.back().encoded = PlanPayload(plan);
    Keep(*application, std::move(plan));
    Await(*application);
    run.applications[application->name] = std::move(application);
  }
  Event first = events.front();
  first.application.clear();
  first.encoded.clear();
  first.payload = wave;
  events.insert(events.begin(), std::move(first));
  for (Event& event : events) event.actor = submission.actor;
  auto appended = AppendNow(run, std::move(events));
  if (!appended) return appended.error();
  malloc_trim(0);  // a large wave's texts, three times over
  Schedule(run);
  return id;
}

Status Engine::Adopt(const std::string& id, const Site* site) {
  if (runs_.contains(id)) {
    if (site && Working(id))
      return Error{ErrorKind::kConflict, "engine", "run " + id, "it is at work, with the site it began with",
                   "leave --site out, or stop the run first"};
    if (site) runs_.at(id)->systems = make_systems_(*site);
    return Ok();
  }
  Result<RunState> state = journal_.State(id);
  if (!state) return state.error();
  if (state->order.empty())
    return Error{ErrorKind::kNotFound, "journal", "run " + id, "no such run", "`vmferry status` lists the runs"};
  Result<Site> journaled = SiteFromJson(state->wave.value("site", Json::object()));
  if (!site && !journaled) return journaled.error();
  Run_& run = *Install(id, std::move(*state), site ? *site : *journaled);
  run.applications_at_once = run.state.wave.value("applicationsAtOnce", 1);
  run.stop_after_failed = run.state.wave.value("stopAfterFailed", 0);
  for (const std::string& name : run.state.order) {
    auto application = std::make_unique<Application_>(loop_, run, name);
    if (Failed(application->state())) ++run.failed;
    run.applications[name] = std::move(application);
  }
  malloc_trim(0);
  return Ok();
}

Status Engine::DecideFor(const std::string& id, const Decision& decision) {
  const auto found = runs_.find(id);
  if (found == runs_.end())
    return Error{ErrorKind::kNotFound, "journal", "run " + id, "no such run", "`vmferry status` lists the runs"};
  Run_& run = *found->second;
  auto chosen = MayDecide(run.state, decision);
  if (!chosen) return chosen.error();
  if (const Status settled = Settled(run, *chosen); !settled) return settled.error();
  Json payload{{"kind", decision.kind}, {"reason", decision.reason}};
  if (!decision.assume.empty()) {
    const Result<int> step = AssumedStep(run.state, *chosen, decision);
    if (!step) return step.error();
    payload["assume"] = decision.assume;
    payload["step"] = *step;
    payload["name"] = decision.step;
  }
  std::vector<Event> events;
  for (const std::string& name : *chosen) {
    Event event = Draft(*run.applications.at(name), EventKind::kDecision, payload);
    event.actor = decision.actor;
    events.push_back(std::move(event));
  }
  auto appended = AppendNow(run, std::move(events));
  if (!appended) return appended.error();
  if (decision.kind == "resume") run.stopped_after_failures = false;
  for (const std::string& name : *chosen) {
    Application_& application = *run.applications.at(name);
    if (decision.kind == "resume") application.started.clear();
    application.wake.Notify();
    const bool waits_its_turn = application.state().phase == Phase::kPlanned && decision.kind == "resume";
    waits_its_turn ? Await(application) : Start(application);
  }
  Schedule(run);
  return Ok();
}

// A decision is judged by a state that has everything in it; what is just being written will be there in a moment.
Status Engine::Settled(const Run_& run, const std::vector<std::string>& names) const {
  for (const std::string& name : names)
    if (run.applications.at(name)->appending > 0)
      return Error{ErrorKind::kUnavailable, "engine", "application " + name, "it is just writing an event",
                   "try again in a moment"};
  return Ok();
}

void Engine::Await(Application_& application) {
  if (application.driving || application.waiting) return;
  application.waiting = true;
  application.run.waiting.push_back(&application);
}

// Starts what the wave's limits allow, in the wave's order.
void Engine::Schedule(Run_& run) {
  if (stopping_ || journal_error_) return;
  if (run.stop_after_failed > 0 && run.failed >= run.stop_after_failed) return AbortUnstarted(run);
  while (run.driving < run.applications_at_once && !run.waiting.empty()) {
    Application_& application = *run.waiting.front();
    run.waiting.pop_front();
    application.waiting = false;
    Start(application);
  }
}

void Engine::AbortUnstarted(Run_& run) {
  if (run.stopped_after_failures) return;
  run.stopped_after_failures = true;
  run.waiting.clear();
  std::vector<Event> events;
  for (const auto& [name, application] : run.applications) {
    if (application->driving || application->state().phase != Phase::kPlanned) continue;
    const std::string reason =
        "not started: the wave stopped after " + std::to_string(run.stop_after_failed) + " failed application(s)";
    events.push_back(
        Draft(*application, EventKind::kPhase, {{"phase", std::string(Name(Phase::kAborted))}, {"reason", reason}}));
  }
  if (!events.empty() && !AppendNow(run, std::move(events))) RequestStop("the journal failed");
}

void Engine::Start(Application_& application) {
  if (application.driving) return;
  application.driving = true;
  ++application.run.driving;
  ++driving_;
  boost::asio::co_spawn(loop_.io(), Drive(application), Escalate);
}

Task<void> Engine::Drive(Application_& application) {
  if (!application.plan) co_await LoadPlan(application);
  while (application.plan && !stopping_ && !journal_error_) {
    const Command command = Decide(*application.plan, application.state(), clock_.Now().wall_ms);
    if (command.kind == Command::Kind::kRest) break;
    co_await Carry(application, command);
  }
  co_await CatchUp(application, 0);
  if (application.plan && stopping_ && !journal_error_) co_await RecordStop(application);
  application.plan.reset();
  application.driving = false;
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

// Without a plan that can be read, a person is needed.
Task<void> Engine::LoadPlan(Application_& application) {
  const ApplicationState& state = application.state();
  std::function<Result<Plan>()> read = [&state] { return PlanOf(state); };  // of what no event changes
  std::optional<Result<Plan>> plan = co_await OnPool(loop_, std::move(read), kForEver);
  if (plan->ok()) {
    Keep(application, std::move(**plan));
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
      events.push_back(Draft(application, EventKind::kPhase, std::move(payload)));
      break;
    case Command::Kind::kRollBack:
      payload["kind"] = "rollback";
      payload["reason"] = command.reason;
      events.push_back(Draft(application, EventKind::kDecision, std::move(payload)));
      break;
    case Command::Kind::kHold:
      payload["activity"] = std::string(Name(command.activity));
      payload["why"] = command.reason;
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
      for (auto& [name, application] : run->applications) application->wake.Notify();
    MaybeEnd();
  });
}

void Engine::MaybeEnd() {
  if (driving_ > 0) return;
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
