// SPDX-License-Identifier: Apache-2.0
#include "plugins/local/local.h"

#include <algorithm>
#include <utility>

#include "plugins/command.h"
#include "plugins/printable.h"
#include "plugins/program.h"

namespace vmferry {
namespace {

constexpr std::size_t kShownOutput = 400;

std::string OneLine(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return Printable(text, kShownOutput);
}

class Local final : public CallTable {
 public:
  Local(std::string name, std::vector<std::string> argv) : name_(std::move(name)), argv_(std::move(argv)) {
    Serve<CommandRequest, CommandReply>(command::kCheck, [this](const auto& request, const auto& context) {
      return Run(request, context);
    });
  }
  std::string system() const override { return name_ + " (local " + argv_.front() + ")"; }

 private:
  Result<CommandReply> Run(const CommandRequest& request, const CallContext& context) const {
    std::vector<std::string> argv = argv_;
    argv.insert(argv.end(), request.arguments.begin(), request.arguments.end());
    const ProgramLimits limits{std::chrono::steady_clock::now() + context.timeout, context.stop};
    const auto ended = RunProgram(argv, {}, limits);
    if (!ended) {
      Error error = ended.error();
      error.system = system();
      return error;
    }
    const std::string output = OneLine(ended->output);
    if (ended->timed_out)
      return Error{ErrorKind::kTimedOut, system(), "",
                   "did not end within " + std::to_string(context.timeout.count()) + " ms and was killed" +
                       (output.empty() ? "" : "; it had printed: " + output),
                   "a program that a step calls must end within 30 s"};
    return CommandReply{ended->exit_code, output};
  }

  const std::string name_;
  const std::vector<std::string> argv_;
};

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  std::vector<std::string> argv;
  for (const Json& part : setup.settings.value("command", Json::array()))
    argv.push_back(part.is_string() ? part.get<std::string>() : part.dump());
  if (argv.empty() || !argv.front().starts_with('/'))
    return Error{ErrorKind::kInvalid, setup.name + " (local)", "",
                 "`command` must begin with the absolute path of a program", "[/usr/local/bin/check-app, --quick]"};
  return std::shared_ptr<Plugin>(std::make_shared<Local>(setup.name, std::move(argv)));
}

}  // namespace

PluginKind LocalKind() {
  PluginKind kind;
  kind.name = "local";
  kind.purpose = "a program of this machine, run without a shell, for checks that no other plugin makes";
  kind.roles = {"command"};
  kind.settings = {{"command", "list", true,
                    "[PROGRAM, ARGUMENT, ...]: absolute path, and the arguments that come before a step's; it must "
                    "change nothing and end within 30 s"}};
  kind.make = Make;
  return kind;
}

}  // namespace vmferry
