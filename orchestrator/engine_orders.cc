// SPDX-License-Identifier: Apache-2.0
//
// What an engine is told: to begin a run, to take one up, and what a person decided.
#include <malloc.h>

#include "orchestrator/engine_parts.h"
#include "state/digest.h"

namespace vmferry {
namespace {

std::string NewRunId(const Clock& clock) {
  std::string day = FormatWallTime(clock.Now().wall_ms).substr(0, 10);
  std::erase(day, '-');
  return "r-" + day + "-" + RandomHex(3);
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

// As text: a wave's plans as JSON values would take many times their size.
std::string PlanPayload(const Plan& plan) {
  const std::string text = PlanToJson(plan).dump(-1, ' ', false, Json::error_handler_t::replace);
  return R"({"plan":)" + text + R"(,"planDigest":")" + Sha256Hex(text) + R"("})";
}

}  // namespace

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
  for (const Plan& plan : submission.wave.plans) {
    auto application = std::make_unique<Application_>(loop_, run, plan.application.name);
    events.push_back(Draft(*application, EventKind::kRunCreated, Json::object()));
    events.back().encoded = PlanPayload(plan);
    application->Keep(plan);  // a copy: the original would leave holes between what stays
    Await(*application);
    run.applications[application->name] = std::move(application);
  }
  Event first = events.front();
  first.application.clear();
  first.encoded.clear();
  first.payload = wave;
  events.insert(events.begin(), std::move(first));
  for (Event& event : events) event.actor = submission.actor;
  const auto appended = AppendNow(run, std::move(events));
  if (!appended) return appended.error();
  Show(run, *appended);
  submission.wave.plans.clear();
  malloc_trim(0);  // the texts of a large wave were there three times over
  Schedule(run);
  return id;
}

Status Engine::Adopt(const std::string& id, const Site* site) {
  if (runs_.contains(id)) {
    const bool same = site && SiteToJson(*site) == SiteToJson(runs_.at(id)->site);
    if (!site || same) return Ok();
    if (Working(id))
      return Error{ErrorKind::kConflict, "engine", "run " + id, "it is at work, with the site it began with",
                   "leave --site out, or stop the run first"};
    Run_& run = *runs_.at(id);
    run.retired.push_back(std::exchange(run.systems, make_systems_(*site)));
    run.site = *site;
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
    if (HasFailed(application->state())) ++run.failed;
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
  Json payload{{"kind", decision.kind}, {"reason", decision.reason}};
  if (!decision.assume.empty()) {
    const Result<int> step = AssumedStep(run.state, *chosen, decision);
    if (!step) return step.error();
    payload["assume"] = decision.assume;
    payload["step"] = *step;
    payload["name"] = decision.step;
  }
  const auto waits_its_turn = [&run, &decision](const std::string& name) {
    return decision.kind == "resume" && run.applications.at(name)->state().phase == Phase::kPlanned;
  };
  std::vector<Event> events;
  for (const std::string& name : *chosen) {
    Event event = Draft(*run.applications.at(name), EventKind::kDecision, payload);
    event.actor = decision.actor;
    events.push_back(std::move(event));
    if (!waits_its_turn(name)) BeginLoading(*run.applications.at(name));
  }
  auto appended = AppendNow(run, std::move(events));
  if (!appended) return appended.error();
  // Behind those events that were durable before, whose acknowledgement waits in the loop.
  boost::asio::post(loop_.io(), [this, &run, events = std::move(*appended)] { Show(run, events); });
  if (decision.kind == "resume") run.stopped_after_failures = false;
  for (const std::string& name : *chosen) {
    Application_& application = *run.applications.at(name);
    if (decision.kind == "resume") application.started.clear();
    application.wake.Notify();
    waits_its_turn(name) ? Await(application) : Start(application);
  }
  Schedule(run);
  return Ok();
}

}  // namespace vmferry
