// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/event_text.h"

#include "orchestrator/soak.h"

namespace vmferry {
namespace {

std::string Text(const Json& payload, const char* member) {
  const auto found = payload.find(member);
  return found != payload.end() && found->is_string() ? found->get<std::string>() : std::string();
}

constexpr std::size_t kEvidenceIndent = 8;

// On lines of its own.
std::string Facts(const Event& event, const char* member, bool full) {
  const auto found = event.payload.find(member);
  if (!full || found == event.payload.end() || found->is_null() || found->empty()) return "";
  return "\n" + std::string(kEvidenceIndent, ' ') +
         Wrapped(EvidenceText(*found), kEvidenceIndent, kEvidenceIndent, ScreenColumns());
}

const StepState* StateOf(const ApplicationState* application, int step) {
  if (!application) return nullptr;
  const auto found = application->steps.find(step);
  return found == application->steps.end() ? nullptr : &found->second;
}

std::string Took(const Event& event, const ApplicationState* application) {
  const StepState* step = StateOf(application, event.step);
  if (!step || step->since_ms == 0 || event.at.wall_ms < step->since_ms) return "";
  return " in " + HumanDuration(std::chrono::milliseconds(event.at.wall_ms - step->since_ms));
}

std::string EndLine(const Event& event, const ApplicationState* application, const Style& style, bool full,
                    const std::string& done) {
  const std::string result = Text(event.payload, "result");
  if (result == "done") {
    const bool observed = Text(event.payload, "via") == "observe";
    return style.Good(done) + Took(event, application) + (observed ? " (found done when looked at)" : "") +
           Facts(event, "facts", full);
  }
  const Error error = ErrorFromJson(event.payload.value("error", Json::object()));
  return (result == "retry" ? style.Warn("will try again") : style.Bad("failed")) + ": " + Describe(error);
}

std::string DoubtLine(const Event& event, bool full) {
  const auto error = event.payload.find("error");
  return "was in doubt" + (error == event.payload.end() ? "" : " (" + Describe(ErrorFromJson(*error)) + ")") +
         "; observed: " + Text(event.payload, "verdict") + Facts(event, "evidence", full);
}

std::string StepLine(const Event& event, const ApplicationState* application, const Style& style, bool full) {
  switch (event.kind) {
    case EventKind::kFound: return style.Good("already so") + Facts(event, "evidence", full);
    case EventKind::kIntent:
      return (event.attempt > 1 ? "attempt " + std::to_string(event.attempt) : std::string("starts")) +
             Facts(event, "before", full);
    case EventKind::kHandle: return full ? "under way" + Facts(event, "handle", full) : "";
    case EventKind::kFacts: return full ? "facts" + Facts(event, "facts", full) : "";
    case EventKind::kObserved: return DoubtLine(event, full);
    case EventKind::kUndoIntent: return "undo starts" + Facts(event, "before", full);
    case EventKind::kOutcome: return EndLine(event, application, style, full, "done");
    case EventKind::kUndoOutcome: return EndLine(event, application, style, full, "undone");
    default: return "";
  }
}

// A step that is passed over is of none.
std::string OfPolicy(const std::string& policy) {
  return policy.empty() ? "" : " of policy " + policy;
}

std::string DecisionLine(const Event& event, const Style& style) {
  std::string line = style.Bold("decision: " + Text(event.payload, "kind"));
  if (const std::string clause = Text(event.payload, "clause"); !clause.empty())
    line += " " + clause + OfPolicy(Text(event.payload, "policy")) + " (" + Text(event.payload, "violation") + ")";
  if (const std::string assumed = Text(event.payload, "assume"); !assumed.empty())
    line += ", assuming " + Text(event.payload, "name") + " " + assumed;
  const std::string reason = Text(event.payload, "reason");
  return line + " by " + event.actor + (reason.empty() ? "" : ": " + reason);
}

std::string Painted(const std::string& verdict, const Style& style) {
  if (verdict == "pass") return style.Good(verdict);
  return verdict == "fail" ? style.Bad(verdict) : style.Warn(verdict);
}

std::string SampleLine(const Event& event, const Style& style, bool full) {
  const std::string why = Text(event.payload, "why");
  return Padded(Text(event.payload, "name"), kTitleWidth) + " sample: " + Painted(Text(event.payload, "verdict"), style) +
         (why.empty() ? "" : ": " + why) + Facts(event, "facts", full);
}

std::string VerdictLine(const Event& event, const Style& style) {
  const std::string reaction = Text(event.payload, "reaction");
  const std::string declared = Text(event.payload, "declared");
  const std::string name = Padded(Text(event.payload, "name"), kTitleWidth);
  if (reaction == "none") return name + " " + style.Good("recovered");
  return name + " " + Painted(Text(event.payload, "verdict"), style) + " -> " + style.Bold(reaction) +
         (declared == reaction ? "" : " (declared: " + declared + ")") + ": " + Text(event.payload, "why");
}

std::string WatchLine(const Event& event, const Style& style) {
  const std::string state = Text(event.payload, "state");
  const std::string why = Text(event.payload, "why");
  const auto away = event.payload.find("away_ms");
  if (state == "begun")
    return "rollback criteria are watched" +
           (away == event.payload.end() || !away->is_number_integer()
                ? ""
                : "; " + style.Warn("nobody watched for " + HumanDuration(std::chrono::milliseconds(away->get<std::int64_t>()))) +
                      ", so they start afresh");
  if (state == "left") return style.Warn("rollback criteria are not watched any more") + ": " + why;
  return style.Good("the watch is over") + ": " + why;
}

std::string ApplicationLine(const Event& event, const Style& style, bool full) {
  switch (event.kind) {
    case EventKind::kRunCreated: return "run created";
    case EventKind::kDecision: return DecisionLine(event, style);
    case EventKind::kHold:
      return style.Warn(Text(event.payload, "activity")) + ": " + Text(event.payload, "why");
    case EventKind::kRelease: return "released";
    case EventKind::kPhase: {
      const std::string reason = Text(event.payload, "reason");
      return style.Bold("-> " + Text(event.payload, "phase")) + (reason.empty() ? "" : ": " + reason);
    }
    case EventKind::kSample: return full || Text(event.payload, "verdict") != "pass" ? SampleLine(event, style, full) : "";
    case EventKind::kVerdict: return VerdictLine(event, style);
    case EventKind::kWatch: return WatchLine(event, style);
    default: return "";
  }
}

// The process that shows this stays for the criteria: what to do about a hold is not told at its end.
std::string HowToDecide(const Event& event, const ApplicationState* application) {
  if (event.kind != EventKind::kHold || application == nullptr || !application->holds_for.empty()) return "";
  if (application->activity != Activity::kNeedsOperator || !IsWatched(*application)) return "";
  return "; its criteria are watched meanwhile: decide from another terminal (`vmferry resume " + event.run +
         "`, `vmferry rollback " + event.run + " --reason ...`), or leave by Ctrl-C";
}

}  // namespace

std::string StepTitle(const ApplicationState& application, int step) {
  const auto found = application.steps.find(step);
  if (found == application.steps.end() || found->second.name.empty()) return "step " + std::to_string(step);
  const StepState& state = found->second;
  return state.name + (state.workload.empty() ? "" : " (" + state.workload + ")");
}

std::string EventLine(const Event& event, const RunState& state, const Style& style, bool full) {
  const auto found = state.applications.find(event.application);
  const ApplicationState* application = found == state.applications.end() ? nullptr : &found->second;
  if (event.step < 0) return ApplicationLine(event, style, full) + HowToDecide(event, application);
  const std::string line = StepLine(event, application, style, full);
  if (line.empty()) return "";
  const std::string title = application ? StepTitle(*application, event.step) : "step " + std::to_string(event.step);
  return Padded(title, kTitleWidth) + " " + line;
}

Json EventToJson(const Event& event) {
  Json json{{"seq", event.seq},
            {"run", event.run},
            {"application", event.application},
            {"chainSeq", event.chain_seq},
            {"kind", std::string(Name(event.kind))},
            {"epoch", event.epoch},
            {"at", FormatWallTime(event.at.wall_ms)},
            {"at_ms", event.at.wall_ms},
            {"monotonic_ms", event.at.monotonic_ms},
            {"actor", event.actor},
            {"payload", PayloadOf(event)}};
  if (event.step >= 0) {
    json["step"] = event.step;
    json["attempt"] = event.attempt;
  }
  return json;
}

Event EventFromJson(const Json& json) {
  Event event;
  event.seq = json.value("seq", std::int64_t{0});
  event.run = json.value("run", "");
  event.application = json.value("application", "");
  event.chain_seq = json.value("chainSeq", std::int64_t{0});
  event.kind = EventKindFromName(json.value("kind", "")).value_or(EventKind::kFacts);
  event.epoch = json.value("epoch", std::int64_t{0});
  event.at.wall_ms = json.value("at_ms", std::int64_t{0});
  event.at.monotonic_ms = json.value("monotonic_ms", std::int64_t{0});
  event.actor = json.value("actor", "");
  event.step = json.value("step", -1);
  event.attempt = json.value("attempt", 0);
  event.payload = json.value("payload", Json::object());
  return event;
}

}  // namespace vmferry
