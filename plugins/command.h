// SPDX-License-Identifier: Apache-2.0
//
// Role "command": runs a program that the site names, for what no other role does. No shell: arguments reach the
// program as they are.
#pragma once

#include <string>
#include <vector>

#include "plugins/call.h"

namespace vmferry {

struct CommandRequest {
  std::vector<std::string> arguments;  // behind those the site gives
};
// A program that ends with another exit code than 0 is a reply, not an Error. Errors: kInvalid if it cannot be started,
// kTimedOut if it did not end in time and was killed.
struct CommandReply {
  int exit_code = 0;   // -1: it was ended by a signal
  std::string output;  // the end of what it printed, on one line, without control characters
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CommandRequest, arguments)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CommandReply, exit_code, output)

namespace command {
// The site answers for it that the program changes nothing when it is asked so.
inline constexpr Call<CommandRequest, CommandReply> kCheck{{"command", "Check", Access::kRead}};
}  // namespace command

}  // namespace vmferry
