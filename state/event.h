// SPDX-License-Identifier: Apache-2.0
//
// Event: one fact in the life of a run. Events are the only truth; RunState is a fold over them (run_state.h), the
// journal keeps them (journal.h), JOURNAL.md says how they are stored and what each payload holds.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "state/clock.h"
#include "state/result.h"

namespace vmferry {

using Json = nlohmann::json;

enum class EventKind {
  kRunCreated,   // first of a chain: the wave (run chain) or plan and runbook text (application chain)
  kFound,        // a step's goal was already true; never undone
  kIntent,       // a step is about to act: key, before-image, deadline
  kHandle,       // the platform's own task or lease id
  kFacts,        // what is known now, when it changed
  kOutcome,      // a step's attempt ended: done or failed
  kObserved,     // an in-doubt step was looked at: verdict and evidence
  kUndoIntent,   // a step is about to be undone
  kUndoOutcome,  // the undo ended: done or failed
  kDecision,     // somebody (a person or a rule) decided: rollback, commit, resume, stop, approve, reject, override
  kHold,         // the application rests until released
  kRelease,      // a hold ended
  kPhase,        // the application entered a phase
  kSample,       // a rollback criterion was sampled
  kVerdict,      // what the samples of a criterion add up to changed
  kWatch,        // the watch over an application began, was left, or is over
};

std::string_view Name(EventKind kind);
std::optional<EventKind> EventKindFromName(std::string_view name);

// What the writer of an event says. The journal adds position, chain and hashes.
struct Event {
  std::int64_t seq = 0;        // position in the journal, from 1; 0 until appended
  std::string run;             // "r-20260301-7f3a9c"
  std::string application;     // empty on the run's own chain
  std::int64_t chain_seq = 0;  // position in the chain (run, application), from 1; set by the journal
  EventKind kind = EventKind::kFacts;
  int step = -1;               // index of the step in the plan; -1: not about a step
  int attempt = 0;             // from 1, for events of a step
  std::int64_t epoch = 0;      // of the engine that wrote it: rises with every engine start; set by the journal
  Instant at;
  std::string actor;           // "anna@ops1", "engine"
  Json payload = Json::object();
  std::string encoded;         // instead of `payload`: its JSON text, of one too large to be parsed without need
};

// The payload, parsed if it is only there as text.
Json PayloadOf(const Event& event);

Json ErrorToJson(const Error& error);
Error ErrorFromJson(const Json& json);

}  // namespace vmferry
