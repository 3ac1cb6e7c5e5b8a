// SPDX-License-Identifier: Apache-2.0
//
// Engine: carries out the runs of one journal. One coroutine an application asks Decide for a command, carries it out
// (observe, intent, apply, outcome), journals what happened, folds it, and asks again.
//
// Threading: everything on the thread that calls Run, except RequestStop, which any thread may call. Step calls run on
// the loop's pool. Only one engine may exist for a journal (state/journal_lock.h).
// Failure: an application's failures are its events; when the journal fails, the engine stops all applications before
// their next effect and Run returns the Error.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/admission.h"
#include "orchestrator/async.h"
#include "orchestrator/decide.h"
#include "orchestrator/systems.h"
#include "orchestrator/watcher.h"
#include "runbooks/check.h"
#include "state/journal.h"
#include "steps/workers.h"

namespace vmferry {

struct EngineOptions {
  std::chrono::milliseconds attempt_timeout{30000};  // what a step call is given
  std::chrono::milliseconds grace{5000};             // past it, the attempt is in doubt
  std::chrono::milliseconds longest_wait{60000};     // between two looks at a step that is not done yet
  bool soak = true;      // stay while an application soaks or holds, to watch its rollback criteria
  int max_attempts = 5;  // in a row without a good answer, of an effect or an undo, for errors that are safe to retry
  const Step* (*find_step)(std::string_view name) = FindStep;  // the catalogue; tests and benchmarks have their own
};

// What a run needs beside its plans; kept in the run's first event.
struct Submission {
  WavePlan wave;
  Site site;
  std::string actor;   // "anna@ops1"
  std::string reason;  // why; may be empty
};

class Engine {
 public:
  using SystemsMaker = std::function<std::shared_ptr<SystemSet>(const Site&)>;
  Engine(Loop& loop, Journal& journal, const Clock& clock, SystemsMaker systems, EngineOptions options);
  ~Engine();

  void AddWatcher(Watcher* watcher) { watchers_.insert(watcher); }
  void RemoveWatcher(Watcher* watcher) { watchers_.erase(watcher); }

  // Journals a new run and starts it; its id. Refused (kConflict) when one of its applications is unfinished or
  // already migrated according to this journal.
  Result<std::string> Submit(Submission submission);
  // Takes up a run of the journal, as after a crash. With `site` given, that one is used instead of the journaled, and
  // the next decision journals it. Refused (kConflict) when its platforms are not those of the run.
  Status Adopt(const std::string& run, const Site* site);
  // Journals a person's decision and sets its applications going. Refused, with the reason, if it makes no sense where
  // an application is.
  Status DecideFor(const std::string& run, const Decision& decision);

  // Returns when every application rests and none is watched, or after RequestStop; with the journal's Error if it failed.
  Status Run();
  // Stops at the next safe point: no new step starts, waiting ends, what is under way is left to resume.
  void RequestStop(const std::string& why);

  const RunState* Find(const std::string& run) const;
  bool stopping() const { return stopping_; }
  const std::string& stop_reason() const { return stop_reason_; }
  // True while one of the run's applications is being driven.
  bool Working(const std::string& run) const;
  // True while the rollback criteria of one of them are watched.
  bool Watching(const std::string& run) const;
  // Lets Run return if nothing is under way any more and `may_end` (if set) agrees.
  void MaybeEnd();
  std::function<bool()> may_end;   // false keeps the engine alive: a client's answer is not yet sent
  std::function<void()> on_rest;  // an application came to rest

 private:
  friend class Performer;
  friend class Watch;
  struct Run_;
  struct Application_;

  void Await(Application_& application);
  void Schedule(Run_& run);
  void Start(Application_& application);
  bool GoesOn(const Application_& application) const;
  Task<void> Drive(Application_& application);
  Task<void> Carry(Application_& application, const Command& command);
  void Send(Application_& application, std::vector<Event> events);
  Task<void> Append(Application_& application, std::vector<Event> events, int behind);
  Task<void> Record(Application_& application, std::vector<Event> events);
  Task<void> RecordAhead(Application_& application, std::vector<Event> events);
  Task<void> CatchUp(Application_& application, int behind);
  void Acknowledge(Application_& application, const Result<std::vector<Event>>& answer);
  Task<void> RecordStop(Application_& application);
  Status AppendNow(Run_& run, std::vector<Event> events);
  void Take(Run_& run, const Event& event);
  void Show(const Run_& run, const std::vector<Event>& events);
  Event Draft(const Application_& application, EventKind kind, Json payload) const;
  Status ReplaceSite(Run_& run, const Site& site);
  Event DraftSite(const Run_& run, const Decision& decision) const;
  Run_* Install(const std::string& run, RunState state, const Site& site);
  void BeginLoading(Application_& application);
  Task<void> LoadPlan(Application_& application);
  void StopWave(Run_& run);
  void BeginWatch(Application_& application);
  void EndWatch(Application_& application);
  void DraftOverrides(const Application_& application, const std::string& reason, std::vector<Event>& events) const;

  Loop& loop_;
  Journal& journal_;
  const Clock& clock_;
  const SystemsMaker make_systems_;
  const EngineOptions options_;
  std::set<Watcher*> watchers_;
  std::map<std::string, std::unique_ptr<Run_>> runs_;
  Workers workers_;  // after runs_: workers use the runs' plugins, so they end first
  int driving_ = 0;
  int watching_ = 0;  // applications
  bool stopping_ = false;
  std::string stop_reason_;
  std::optional<Error> journal_error_;
};

}  // namespace vmferry
