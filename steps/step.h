// SPDX-License-Identifier: Apache-2.0
//
// Step: one kind of thing a runbook can ask for. A step kind is stateless; everything it knows comes in a StepContext.
//
// Steps are plain blocking C++: they never sleep, retry, read clocks, log or decide to roll back; the engine does.
// Each call returns within 30 s: StepContext::call bounds every call of a plugin, and all of them together. Longer
// work belongs to a worker (steps/workers.h), which Apply starts, polls and finds again. Threading: called from pool
// threads, several applications at once; never two calls for the same application at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/call.h"
#include "state/result.h"

namespace vmferry {

class Workers;

// How a parameter's text is read. The checker converts it; steps see JSON: durations as integer milliseconds, sizes
// as integer bytes, integers and booleans as such, everything else as text, lists as arrays of text, maps as objects.
enum class ParameterType { kText, kInteger, kBoolean, kDuration, kSize, kUrl, kChoice, kTextList, kService, kMap };

struct ParameterSpec {
  std::string name;  // camelCase: "onRefusal"
  ParameterType type = ParameterType::kText;
  bool required = true;
  std::string standard;              // default as text, when not required; empty: absent
  std::vector<std::string> choices;  // kChoice
  std::string role;                  // kService: the role the named service must serve ("load_balancer", "probe")
  std::vector<ParameterSpec> members;  // kMap; a bare scalar is that of the first
  std::int64_t least = 0;              // kInteger
  std::int64_t most = 0;               // kInteger; 0: no limit
  std::string purpose;               // one sentence, with the unit
};

enum class Scope {
  kApplication,  // once for the application
  kWorkload,     // once for each VM
};

// What going back over an effect loses.
inline constexpr std::string_view kLosesNothing = "none";
inline constexpr std::string_view kLosesWrites = "data since cutover";

// What a crash in the middle means for the step.
enum class Recovery {
  kIdempotent,  // Apply may simply be repeated
  kObservable,  // Observe tells what happened
  kNeither,     // a person must say
};

struct StepSpec {
  std::string name;     // snake_case, as runbooks write it
  std::string purpose;  // one sentence
  Scope scope = Scope::kApplication;
  bool effect = false;  // false: a check; it gets read-only plugins
  Recovery recovery = Recovery::kIdempotent;
  bool moves_traffic = false;                 // its outcome puts the application on the target
  bool point_of_no_return = false;            // cannot be undone
  bool undo_continues = false;                // earlier steps are undone although its own undo failed
  bool needs_approval = false;                // an approval of its own; in the commit phase only
  bool implicit = false;                      // added by the checker, not written in runbooks
  bool criterion = false;                     // named under `rollbackCriteria` (steps/criterion.h), not as a step
  std::chrono::milliseconds deadline{60000};  // standard for the parameter "deadline", which every step has
  std::vector<ParameterSpec> parameters;
  std::string reads;    // what it reads, in words
  std::string changes;  // what it changes; "nothing" for a check
  std::string undo;     // how it is undone; "nothing to undo" for a check
  std::string loses;    // what going back over it loses: kLosesNothing or kLosesWrites; empty for a check
  std::string example;  // YAML
};

// One VM of the application, as the site describes it.
struct Workload {
  std::string name;
  std::string vm;                // inventory path on the source platform
  std::string domain;            // name on the target platform
  std::string extra_domain_xml;  // may be empty
  std::string rehearsal_domain_xml = "";  // instead of it, for the domain of a rehearsal; may be empty
};

struct Application {
  std::string name;
  std::string source;  // the site's name of the platform
  std::string target;
  std::vector<Workload> workloads;
  std::map<std::string, std::string> networks;  // source network -> target mapping ("network:default", "user", ...)
  std::map<std::string, std::string> storage;   // source datastore -> target pool
  std::string domain_type;                      // of the target platform's entry: "auto", "kvm", "qemu"
  std::string rehearsal_network;                // of the target platform's entry: where a rehearsal's clone stands
  // The whole application is a clone that is tried on rehearsal_network while the source goes on serving, unfenced;
  // nothing of it stays. See runbooks/rehearsal.h.
  bool rehearsal = false;
};

// The plugins of a run by the site's names. For checks and dry runs every entry is read-only.
class Systems {
 public:
  virtual ~Systems() = default;
  // The plugin of a platform or service of the site. Names were checked with the plan; an unknown one is an Error.
  virtual Result<Plugin*> Find(const std::string& name) = 0;
};

struct StepContext {
  std::string run;
  const Application* application = nullptr;
  const Workload* workload = nullptr;    // null for Scope::kApplication
  Json parameters;                       // as the plan holds them
  std::string key;                       // effects: idempotency key, 64 hex digits; its first 12 go into object names
  Json before;                           // Apply and Undo: the journaled before-image; null in Observe
  Json handle;                           // the latest journaled handle; null if none
  Json facts;                            // the latest journaled facts; null if none
  std::chrono::milliseconds elapsed{0};  // since the first attempt (of Apply, of Undo); a resume counts anew
  bool target_served = false;            // Undo: traffic had been moved to the target since the last undo
  // Facts of an earlier done or found step of this application; null if there is none. For workload-scoped steps
  // name the workload, else pass "".
  std::function<Json(std::string_view step, std::string_view workload)> earlier;
  Systems* systems = nullptr;
  Workers* workers = nullptr;
  CallContext call;
};

enum class Verdict {
  kNotStarted,  // the goal is not true and nothing of ours is there
  kRunning,     // the platform or a worker is at it
  kDone,        // the goal is true
  kPartial,     // something of ours is there but not finished; Apply (or Undo) goes on from it
  kUnknown,     // cannot be told; the application is parked
};
std::string_view Name(Verdict verdict);

struct Observation {
  Verdict verdict = Verdict::kNotStarted;
  Json before = Json::object();    // what undo needs to restore: goes into the intent
  Json evidence = Json::object();  // why the verdict; facts of the step when done
};

// Volatile progress, for people; never journaled.
struct Meter {
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0: unknown
  std::string unit;         // "bytes", "sessions", ""
  std::string text;         // "draining: 3 sessions left"
};

struct Progress {
  enum class State {
    kDone,
    kNotYet,    // ask again after `after`
    kHold,      // rests until a person resumes it; Apply is asked again then
    kRollBack,  // the step's declared policy says: go back (a failure without more attempts)
  };
  State state = State::kDone;
  std::chrono::milliseconds after{0};
  Json handle;  // not null: journaled before the next call
  Json facts;   // not null: journaled when it changed; with kDone: the outcome's evidence
  Meter meter;
  std::string why;  // kHold, kRollBack: in words

  static Progress Done(Json facts);
  static Progress NotYet(std::chrono::milliseconds after, std::string text);
  static Progress Hold(std::string why);
  static Progress RollBack(std::string why);
};

// What a dry run says of one step.
struct Forecast {
  std::string will;             // "shut down VM web1 (on, tools running), at most 2m, then hold"
  std::string undo;             // "power VM web1 on again, NICs as they were"
  std::vector<Error> problems;  // what would make it fail, as known now
  std::string loses = "";       // what going back would lose, where more can be said than StepSpec::loses
};

// Whether going back would work, as far as looking can tell (steps/undo_proof.h).
struct UndoProof {
  std::string proves;                  // what was seen: "server app/vmware can be set on lb1; its states are kept"
  std::vector<Error> problems;         // what would keep the undo from working; empty: it is proved
  std::chrono::milliseconds takes{0};  // how long the undo may take, by what is declared
  std::string estimate;                // where that comes from: "3m for the source to boot (bootEstimate)"
};

class Step {
 public:
  virtual ~Step() = default;
  virtual const StepSpec& spec() const = 0;
  // Changes nothing: is the goal true, what is there now? Used before every intent, and on recovery with the
  // journaled `handle`. A check answers kNotStarted.
  virtual Result<Observation> Observe(const StepContext& context) const = 0;
  // Moves toward the goal; may be repeated. A check looks, and answers kDone, kNotYet or an Error.
  virtual Result<Progress> Apply(const StepContext& context) const = 0;
  // Restores `before`; may be repeated. Never called for checks nor for what was `found`.
  virtual Result<Progress> Undo(const StepContext& context) const = 0;
  // Reads only: what would happen now. Earlier steps have not run, so it must not rely on their facts.
  virtual Result<Forecast> Predict(const StepContext& context) const = 0;
  // Reads only: could the step be undone? Asked before the cutover, when the step may have run or not: neither `before`
  // nor `handle` is known, and `earlier` only for what has run. Required of every effect that can be undone.
  virtual Result<UndoProof> ProveUndo(const StepContext& context) const;
};

// catalogue.cc: the one explicit list.
const std::vector<const Step*>& AllSteps();
const Step* FindStep(std::string_view name);

}  // namespace vmferry
