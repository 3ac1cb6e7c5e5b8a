// SPDX-License-Identifier: Apache-2.0
//
// A program of the site that only looks: what it is asked, by the parameter `arguments`, and how it ended. Pure functions.
#pragma once

#include <string>

#include "plugins/command.h"
#include "steps/step.h"

namespace vmferry {

CommandRequest CheckRequest(const StepContext& context);
// "exit code 3: 12 orders are late", "was ended by a signal"
std::string EndInWords(const CommandReply& reply);

}  // namespace vmferry
