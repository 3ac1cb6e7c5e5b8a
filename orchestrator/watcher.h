// SPDX-License-Identifier: Apache-2.0
//
// Watcher: who looks on while an engine works (a terminal, a client of the control socket, a test). Called on the
// engine thread; must not block.
#pragma once

#include <string>

#include "state/run_state.h"
#include "steps/step.h"

namespace vmferry {

class Watcher {
 public:
  virtual ~Watcher() = default;
  // An event became durable; `state` has it folded in.
  virtual void OnEvent(const Event& event, const RunState& state) = 0;
  // A step's progress. Volatile: never journaled, may be skipped.
  virtual void OnMeter(const std::string& run, const std::string& application, int step, const Meter& meter) = 0;
  // A line for the person at the terminal.
  virtual void OnNotice(const std::string&) {}
};

}  // namespace vmferry
