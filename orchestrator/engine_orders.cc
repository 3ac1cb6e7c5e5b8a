// SPDX-License-Identifier: Apache-2.0
//
// What an engine is told: to begin a run, to take one up, and what a person decided.
#include <algorithm>

#include "orchestrator/engine_parts.h"
#include "orchestrator/watch.h"
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
  bool rehearsal = false;
  for (const Plan& plan : submission.wave.plans) {
    names.push_back(plan.application.name);
    rehearsal = rehearsal || plan.application.rehearsal;
  }
  return {{"rehearsal", rehearsal},
          {"wave", submission.wave.name},
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

// A site may be mended while a run goes on, in addresses and credentials. What the run was planned for, and what its
// policies were held against, stays.
Status SamePlatforms(const std::string& run, const Site& before, const Site& now) {
  for (const SystemEntry& was : before.systems) {
    const auto is = std::find_if(now.systems.begin(), now.systems.end(),
                                 [&was](const SystemEntry& entry) { return entry.name == was.name; });
    const bool same = is != now.systems.end() && is->plugin == was.plugin && is->zone == was.zone &&
                      is->platform == was.platform;
    if (was.platform && !same)
      return Error{ErrorKind::kConflict, "engine", "run " + run,
                   "the site " + now.path + " is another place: platform `" + was.name + "` was of plugin `" +
                       was.plugin + "`" + (was.zone.empty() ? "" : ", in zone `" + was.zone + "`"),
                   "plans and policies were held against the site of the run; mend that one, or begin a new run"};
  }
  return Ok();
}

}  // namespace

// The clauses of policies that the submitter passes over, each with the reason.
void Engine::DraftOverrides(const Application_& application, const std::string& reason,
                            std::vector<Event>& events) const {
  for (const PolicyOverride& one : application.plan->policy.overrides) {
    Json payload{{"kind", "override"},
                 {"policy", one.policy},
                 {"clause", one.clause},
                 {"violation", one.violation},
                 {"reason", reason}};
    events.push_back(Draft(application, EventKind::kDecision, std::move(payload)));
  }
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
  for (const Plan& plan : submission.wave.plans) {
    auto application = std::make_unique<Application_>(loop_, run, plan.application.name);
    events.push_back(Draft(*application, EventKind::kRunCreated, Json::object()));
    events.back().encoded = PlanPayload(plan);
    application->Keep(plan);  // a copy: the original would leave holes between what stays
    Await(*application);
    run.applications[application->name] = std::move(application);
  }
  Event first = events.front();
  for (const auto& [name, application] : run.applications) DraftOverrides(*application, submission.reason, events);
  first.application.clear();
  first.encoded.clear();
  first.payload = wave;
  events.insert(events.begin(), std::move(first));
  for (Event& event : events) event.actor = submission.actor;
  if (const Status appended = AppendNow(run, std::move(events)); !appended) return appended.error();
  submission.wave.plans.clear();
  Schedule(run);
  return id;
}

Status Engine::Adopt(const std::string& id, const Site* site) {
  const auto known = runs_.find(id);
  if (known != runs_.end()) return site ? ReplaceSite(*known->second, *site) : Ok();
  Result<RunState> state = journal_.State(id);
  if (!state) return state.error();
  if (state->order.empty())
    return Error{ErrorKind::kNotFound, "journal", "run " + id, "no such run", "`vmferry status` lists the runs"};
  Result<Site> journaled = SiteFromJson(state->wave.value("site", Json::object()));
  if (!site && !journaled) return journaled.error();
  if (site && journaled)
    if (const Status same = SamePlatforms(id, *journaled, *site); !same) return same.error();
  Run_& run = *Install(id, std::move(*state), site ? *site : *journaled);
  run.site_is_new = site && (!journaled || SiteToJson(*site) != SiteToJson(*journaled));
  run.applications_at_once = run.state.wave.value("applicationsAtOnce", 1);
  run.stop_after_failed = run.state.wave.value("stopAfterFailed", 0);
  for (const std::string& name : run.state.order) {
    auto application = std::make_unique<Application_>(loop_, run, name);
    if (HasFailed(application->state())) ++run.failed;
    run.applications[name] = std::move(application);
  }
  return Ok();
}

Status Engine::ReplaceSite(Run_& run, const Site& site) {
  const std::string& id = run.state.run;
  if (SiteToJson(site) == SiteToJson(run.site)) return Ok();
  if (Working(id))
    return Error{ErrorKind::kConflict, "engine", "run " + id, "it is at work, with the site it began with",
                 "leave --site out, or stop the run first"};
  if (const Status same = SamePlatforms(id, run.site, site); !same) return same.error();
  run.retired.push_back(std::exchange(run.systems, make_systems_(site)));
  run.site = site;
  run.site_is_new = true;
  return Ok();
}

// Of the run's own chain: from here on it goes on with this site.
Event Engine::DraftSite(const Run_& run, const Decision& decision) const {
  Event event = Draft(*run.applications.begin()->second, EventKind::kDecision, Json::object());
  event.application.clear();
  event.actor = decision.actor;
  event.payload = Json{{"kind", "site"}, {"reason", decision.reason}, {"site", SiteToJson(run.site)}};
  return event;
}

Status Engine::DecideFor(const std::string& id, const Decision& decision) {
  const auto found = runs_.find(id);
  if (found == runs_.end())
    return Error{ErrorKind::kNotFound, "journal", "run " + id, "no such run", "`vmferry status` lists the runs"};
  Run_& run = *found->second;
  auto chosen = MayDecide(run.state, decision);
  if (!chosen) return chosen.error();
  const bool plain_commit = decision.kind == "commit" && decision.reason.empty();
  Json payload{{"kind", decision.kind}, {"reason", plain_commit ? "the trial is over: keep the target" : decision.reason}};
  if (!decision.assume.empty()) {
    const Result<int> step = AssumedStep(run.state, *chosen, decision);
    if (!step) return step.error();
    payload["assume"] = decision.assume;
    payload["step"] = *step;
    payload["name"] = decision.step;
  }
  // What goes on to its cutover counts among the applications at work, as what begins does.
  const auto waits_its_turn = [&run, &decision](const std::string& name) {
    if (decision.kind == "approve") return true;
    return decision.kind == "resume" && run.applications.at(name)->state().phase == Phase::kPlanned;
  };
  std::vector<Event> events;
  if (std::exchange(run.site_is_new, false)) events.push_back(DraftSite(run, decision));
  for (const std::string& name : *chosen) {
    Event event = Draft(*run.applications.at(name), EventKind::kDecision, payload);
    event.actor = decision.actor;
    events.push_back(std::move(event));
    if (!waits_its_turn(name)) BeginLoading(*run.applications.at(name));
  }
  loop_.own_pool().Wake();  // now: the plans are read while this thread waits for the journal
  if (const Status appended = AppendNow(run, std::move(events)); !appended) return appended.error();
  if (decision.kind == "resume") run.stopped_after_failures = false;
  for (const std::string& name : *chosen) {
    Application_& application = *run.applications.at(name);
    if (decision.kind == "resume") application.started.clear();
    application.wake.Notify();
    if (application.watch) application.watch->Wake();
    waits_its_turn(name) ? Await(application) : Start(application);
  }
  Schedule(run);
  return Ok();
}

}  // namespace vmferry
