// SPDX-License-Identifier: Apache-2.0
#include "steps/step.h"

#include <utility>

namespace vmferry {

std::string_view Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNotStarted:
      return "not started";
    case Verdict::kRunning:
      return "running";
    case Verdict::kDone:
      return "done";
    case Verdict::kPartial:
      return "partial";
    case Verdict::kUnknown:
      return "unknown";
  }
  return "unknown";
}

Progress Progress::Done(Json facts) {
  Progress progress;
  progress.state = State::kDone;
  progress.facts = std::move(facts);
  return progress;
}

Progress Progress::NotYet(std::chrono::milliseconds after, std::string text) {
  Progress progress;
  progress.state = State::kNotYet;
  progress.after = after;
  progress.meter.text = std::move(text);
  return progress;
}

Progress Progress::Hold(std::string why) {
  Progress progress;
  progress.state = State::kHold;
  progress.why = std::move(why);
  return progress;
}

Progress Progress::RollBack(std::string why) {
  Progress progress;
  progress.state = State::kRollBack;
  progress.why = std::move(why);
  return progress;
}

}  // namespace vmferry
