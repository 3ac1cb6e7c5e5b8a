// SPDX-License-Identifier: Apache-2.0
#include "plugins/command.h"
#include "plugins/fake/fake_plugin.h"

namespace vmferry {
namespace {

// A program that fails when its first argument is "fail", and prints its arguments.
Result<CommandReply> Check(Scene&, const CommandRequest& request) {
  CommandReply reply;
  for (const std::string& argument : request.arguments)
    reply.output += (reply.output.empty() ? "" : " ") + argument;
  if (!request.arguments.empty() && request.arguments.front() == "fail") reply.exit_code = 1;
  return reply;
}

}  // namespace

void FakePlugin::ServeCommand() {
  On(command::kCheck, Check);
}

}  // namespace vmferry
