// SPDX-License-Identifier: Apache-2.0
#include "steps/command_run.h"

#include <utility>

#include "plugins/command.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPoll{1000};
constexpr milliseconds kAgain{5000};

Pending Wait(const StepContext& context, milliseconds after, const std::string& text, const Json& handle) {
  return Pending(WithHandle(context, Progress::NotYet(after, text), handle));
}

bool IsTrue(const Json& slot, std::string_view name) {
  return Member(slot, name) == Json(true);
}

Result<Pending> Begin(const StepContext& context, const CommandRung& rung, Plugin& service, Json& handle, Json& slot) {
  const auto begun = Invoke(service, command::kBeginRun, CommandRunRequest{rung.key, {}}, context.call);
  if (!begun) return begun.error();
  slot["begun"] = true;
  return Wait(context, kPoll, service.system() + ": running " + rung.parameter, handle);
}

// Why a run that is over did not do what it should; empty if it did.
std::string WhyFailed(const CommandRun& run) {
  if (run.state == "ended" && run.exit_code == 0) return "";
  const std::string end = run.state == "ended" ? "exit code " + std::to_string(run.exit_code) : run.state;
  return end + (run.output.empty() ? "" : ": " + run.output);
}

}  // namespace

Result<Pending> AwaitCommand(const StepContext& context, const CommandRung& rung, Json& handle, Json& slot,
                             std::string& failure) {
  if (IsTrue(slot, "forgotten")) return Pending();
  if (slot.contains("output") || slot.contains("failed")) {  // journaled: nobody needs to find it again
    if (const Status forgotten = ForgetCommand(context, rung); !forgotten) return forgotten.error();
    slot["forgotten"] = true;
    return Wait(context, milliseconds(0), rung.parameter + " has ended", handle);
  }
  const Result<Plugin*> service = ServiceOf(context, rung.parameter);
  if (!service) return service.error();
  const std::string subject = (*service)->system() + ": " + rung.parameter;
  if (!slot.contains("sinceMs")) {
    slot = {{"sinceMs", context.elapsed.count()}, {"key", rung.key}};
    return Wait(context, milliseconds(0), subject, handle);
  }
  const auto run = Invoke(**service, command::kReadRun, CommandKey{rung.key}, context.call);
  if (!run) return run.error();
  const bool late = WaitedSince(context, slot["sinceMs"]) >= rung.patience;
  const bool begun = IsTrue(slot, "begun");
  if (run->state == "not started" && (!begun || rung.again)) return Begin(context, rung, **service, handle, slot);
  if (run->state == "refused" && !late) {
    const auto begun_again = Invoke(**service, command::kBeginRun, CommandRunRequest{rung.key, {}}, context.call);
    if (!begun_again) return begun_again.error();
    return Wait(context, kAgain, subject + " could not be begun: " + run->output, handle);
  }
  if (run->state == "running" && !late) return Wait(context, kPoll, subject + " runs", handle);
  if (run->state == "not started") {
    failure = subject + ": the service knows nothing of the run any more, so that its end is not known";
  } else if (run->state == "running") {
    failure = subject + ": did not end within " + DurationInWords(rung.patience);
  } else if (const std::string why = WhyFailed(*run); !why.empty()) {
    failure = subject + ": " + why;
  } else {
    slot["output"] = run->output;
    return Wait(context, milliseconds(0), subject + " has ended", handle);
  }
  return Pending();
}

bool CommandBegan(const Json& slot) {
  return Member(slot, "sinceMs").is_number();
}

Status ForgetCommand(const StepContext& context, const CommandRung& rung) {
  const Result<Plugin*> service = ServiceOf(context, rung.parameter);
  if (!service) return service.error();
  const auto ended = Invoke(**service, command::kEnsureEnded, CommandKey{rung.key}, context.call);
  if (!ended) return ended.error();
  return Ok();
}

std::string ForecastCommand(const StepContext& context, const CommandRung& rung, Forecast& forecast) {
  const Result<Plugin*> service = ServiceOf(context, rung.parameter);
  if (!service) {
    forecast.problems.push_back(service.error());
    return "";
  }
  // Of a run that is none: says whether the service can be asked and has what it needs.
  const auto known = Invoke(**service, command::kReadRun, CommandKey{"forecast"}, context.call);
  if (!known) forecast.problems.push_back(known.error());
  return "run " + (*service)->system() + ", at most " + DurationInWords(rung.patience);
}

}  // namespace vmferry
