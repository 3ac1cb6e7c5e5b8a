// SPDX-License-Identifier: Apache-2.0
#include "plugins/local/local.h"

#include <utility>

#include "plugins/command.h"
#include "plugins/command_runs.h"
#include "plugins/program.h"

namespace vmferry {
namespace {

class Local final : public CallTable {
 public:
  Local(const PluginSetup& setup, std::vector<std::string> argv)
      : name_(setup.name), argv_(std::move(argv)), runs_(setup, Local::system()) {
    Serve<CommandRequest, CommandReply>(command::kCheck, [this](const auto& request, const auto& context) {
      return Run(request, context);
    });
    Serve<CommandKey, CommandRun>(command::kReadRun, [this](const auto& key, const auto&) { return ReadRun(key.key); });
    Serve<CommandRunRequest, CommandRun>(command::kBeginRun,
                                         [this](const auto& request, const auto&) { return Begin(request); });
    Serve<CommandKey, Done>(command::kEnsureEnded,
                            [this](const auto& key, const auto& context) { return runs_.End(key.key, context); });
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
    const std::string output = EndOfOutput(ended->output);
    if (ended->timed_out)
      return Error{ErrorKind::kTimedOut, system(), "",
                   "did not end within " + std::to_string(context.timeout.count()) + " ms and was killed" +
                       (output.empty() ? "" : "; it had printed: " + output),
                   "a program that a step calls must end within 30 s"};
    return CommandReply{ended->exit_code, output};
  }

  Result<CommandRun> ReadRun(const std::string& key) const {
    const Result<DetachedView> view = runs_.Look(key);
    if (!view) return view.error();
    return CommandRuns::Told(*view);
  }

  Result<CommandRun> Begin(const CommandRunRequest& request) const {
    Result<CommandRun> before = ReadRun(request.key);
    if (!before || before->state != "not started") return before;
    std::vector<std::string> argv = argv_;
    argv.insert(argv.end(), request.arguments.begin(), request.arguments.end());
    const Status begun = runs_.Begin(request.key, argv);
    if (!begun) return begun.error();
    return CommandRun{"running", 0, ""};
  }

  const std::string name_;
  const std::vector<std::string> argv_;
  const CommandRuns runs_;
};

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  std::vector<std::string> argv;
  for (const Json& part : setup.settings.value("command", Json::array()))
    argv.push_back(part.is_string() ? part.get<std::string>() : part.dump());
  if (argv.empty() || !argv.front().starts_with('/'))
    return Error{ErrorKind::kInvalid, setup.name + " (local)", "",
                 "`command` must begin with the absolute path of a program", "[/usr/local/bin/check-app, --quick]"};
  return std::shared_ptr<Plugin>(std::make_shared<Local>(setup, std::move(argv)));
}

}  // namespace

PluginKind LocalKind() {
  PluginKind kind;
  kind.name = "local";
  kind.purpose = "a program of this machine, run without a shell, for what no other plugin does";
  kind.roles = {"command"};
  kind.settings = {{"command", "list", true,
                    "[PROGRAM, ARGUMENT, ...]: absolute path, and the arguments that come before a step's; for a check "
                    "it must change nothing and end within 30 s"},
                   WorkDirectorySetting()};
  kind.make = Make;
  return kind;
}

}  // namespace vmferry
