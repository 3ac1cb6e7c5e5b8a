// SPDX-License-Identifier: Apache-2.0
#include "steps/command_check.h"

#include "steps/parameters.h"

namespace vmferry {

CommandRequest CheckRequest(const StepContext& context) {
  CommandRequest request;
  for (const Json& argument : Member(context.parameters, "arguments"))
    request.arguments.push_back(argument.get<std::string>());
  return request;
}

std::string EndInWords(const CommandReply& reply) {
  const std::string end = reply.exit_code < 0 ? "was ended by a signal" : "exit code " + std::to_string(reply.exit_code);
  return end + (reply.output.empty() ? "" : ": " + reply.output);
}

}  // namespace vmferry
