// SPDX-License-Identifier: Apache-2.0
//
// A program of the site as a rung of a step's ladder (steps/pending.h): begun once, asked until it has ended, its end
// journaled, then forgotten by the service that ran it. What is remembered is in one member of the step's handle:
//   {"sinceMs": elapsed ms, "key": the run's key, "begun": true, "output" or "failed": text, "forgotten": true}
#pragma once

#include <chrono>
#include <string>

#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

struct CommandRung {
  std::string parameter;                // that names the service: "stopCommand"
  std::string key;                      // of the run
  std::chrono::milliseconds patience;   // then it is ended, which is a failure
  bool again = false;                   // one that is not known any more is begun again, and not a failure
};

// Nothing once it has ended with exit code 0 (`failure` stays empty), or failed: then `failure` says why, and it is the
// caller's to go on (SettleCommand), or to forget it (ForgetCommand). `handle` holds `slot`.
Result<Pending> AwaitCommand(const StepContext& context, const CommandRung& rung, Json& handle, Json& slot,
                             std::string& failure);

// The run was begun, as far as the journal knows.
bool CommandBegan(const Json& slot);
// Ends it if it still runs and has the service forget it.
Status ForgetCommand(const StepContext& context, const CommandRung& rung);
// "run stop-app (ssh shop@10.0.0.5), at most 5m"; problems go into the forecast.
std::string ForecastCommand(const StepContext& context, const CommandRung& rung, Forecast& forecast);

}  // namespace vmferry
