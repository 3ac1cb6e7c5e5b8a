// SPDX-License-Identifier: Apache-2.0
#include "plugins/ssh/ssh.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <utility>

#include "plugins/command.h"
#include "plugins/command_runs.h"
#include "plugins/printable.h"
#include "plugins/program.h"
#include "plugins/ssh/client.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

constexpr int kConnectionFailed = 255;
constexpr milliseconds kLongestCheck{30000};
constexpr std::size_t kMostLog = 16 * 1024;

std::string Beginning(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kMostLog, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  return text;
}

class Ssh final : public CallTable {
 public:
  Ssh(const PluginSetup& setup, ssh::Host host, std::vector<std::string> command, milliseconds timeout)
      : name_(setup.name),
        host_(std::move(host)),
        command_(std::move(command)),
        timeout_(timeout),
        runs_(setup, Ssh::system()) {
    Serve<CommandRequest, CommandReply>(
        command::kCheck, [this](const auto& request, const auto& context) { return Check(request, context); });
    Serve<CommandKey, CommandRun>(command::kReadRun, [this](const auto& key, const auto&) { return ReadRun(key.key); });
    Serve<CommandRunRequest, CommandRun>(
        command::kBeginRun, [this](const auto& request, const auto& context) { return Begin(request, context); });
    Serve<CommandKey, Done>(command::kEnsureEnded,
                            [this](const auto& key, const auto& context) { return runs_.End(key.key, context); });
  }
  std::string system() const override {
    return name_ + " (ssh " + host_.user + "@" + host_.host + ":" + std::to_string(host_.port) + " " +
           command_.front() + ")";
  }

 private:
  std::vector<std::string> Words(const std::vector<std::string>& arguments) const {
    std::vector<std::string> words = command_;
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
  }

  Result<CommandReply> Check(const CommandRequest& request, const CallContext& context) const {
    const milliseconds time = std::min(context.timeout, timeout_);
    const ProgramLimits limits{std::chrono::steady_clock::now() + time, context.stop};
    ProgramText text;
    text.errors_apart = true;
    const auto ended = RunProgram(ssh::Argv(host_, Words(request.arguments), ""), {}, limits, text);
    if (!ended) {
      Error error = ended.error();
      error.system = system();
      return error;
    }
    const std::string output = EndOfOutput(ended->output, ended->errors);
    if (ended->timed_out)
      return Error{ErrorKind::kTimedOut, system(), "",
                   "did not end within " + std::to_string(time.count()) + " ms and was cut off" +
                       (output.empty() ? "" : "; it had printed: " + output),
                   "a program that is a check must end within `timeout`, at most 30 s"};
    if (ended->exit_code == kConnectionFailed)
      return Error{ssh::WasDenied(ended->errors) ? ErrorKind::kDenied : ErrorKind::kUnavailable, system(), "",
                   "ssh ended with 255, the connection failed or the program said so itself" +
                       (output.empty() ? "" : ": " + output),
                   Advice(ended->errors)};
    return CommandReply{ended->exit_code, output};
  }

  static std::string Advice(const std::string& words) {
    return ssh::WasDenied(words) ? "check the user's key on the host, and the host's key in `knownHostsFile`"
                                 : "check that the host can be reached and its sshd runs";
  }

  std::filesystem::path Log(const std::string& key) const { return runs_.Folder(key) / "ssh.log"; }

  Result<CommandRun> ReadRun(const std::string& key) const {
    const Result<DetachedView> view = runs_.Look(key);
    if (!view) return view.error();
    CommandRun run = CommandRuns::Told(*view);
    if (run.state != "ended" || run.exit_code != kConnectionFailed) return run;
    const std::string log = Beginning(Log(key));
    const std::string words = EndOfOutput(log);
    if (!ssh::WasAuthenticated(log))
      return CommandRun{"refused", 0, "no connection: " + words + " (" + Advice(log) + ")"};
    return CommandRun{"lost", 0,
                      "the connection broke, or the program itself ended with 255; it may go on: " + words +
                          (run.output.empty() ? "" : "; it had printed: " + run.output)};
  }

  Result<CommandRun> Begin(const CommandRunRequest& request, const CallContext& context) const {
    Result<CommandRun> before = ReadRun(request.key);
    if (!before || (before->state != "not started" && before->state != "refused")) return before;
    if (before->state == "refused") {  // its log must not be taken for the next one's
      const auto forgotten = runs_.End(request.key, context);
      if (!forgotten) return forgotten.error();
    }
    const Status begun =
        runs_.Begin(request.key, ssh::Argv(host_, Words(request.arguments), Log(request.key).string()));
    if (!begun) return begun.error();
    return CommandRun{"running", 0, ""};
  }

  const std::string name_;
  const ssh::Host host_;
  const std::vector<std::string> command_;
  const milliseconds timeout_;
  const CommandRuns runs_;
};

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  Result<ssh::Host> host = ssh::ReadHost(setup);
  if (!host) return host.error();
  std::vector<std::string> command;
  for (const Json& part : setup.settings.value("command", Json::array()))
    command.push_back(part.is_string() ? part.get<std::string>() : part.dump());
  const auto invalid = [&](const std::string& message, const std::string& advice) {
    return Error{ErrorKind::kInvalid, setup.name + " (ssh)", "", message, advice};
  };
  if (command.empty() || command.front().empty())
    return invalid("`command` must name the program to run on the host", "[/usr/local/sbin/shop, stop]");
  for (const std::string& word : command)
    if (word.find('\0') != std::string::npos) return invalid("`command` has a NUL character in it", "remove it");
  const Json timeout = setup.settings.value("timeout", Json(kLongestCheck.count()));
  if (!timeout.is_number_integer() || timeout.get<std::int64_t>() < 1 ||
      timeout.get<std::int64_t>() > kLongestCheck.count())
    return invalid("`timeout` must be at most 30s", "what takes longer is no check");
  return std::shared_ptr<Plugin>(std::make_shared<Ssh>(setup, std::move(*host), std::move(command),
                                                       milliseconds(timeout.get<std::int64_t>())));
}

}  // namespace

PluginKind SshKind() {
  PluginKind kind;
  kind.name = "ssh";
  kind.purpose = "a program of another host, run by the system's OpenSSH client";
  kind.roles = {"command"};
  kind.settings = {
      {"host", "text", true, "the host's name or address"},
      {"port", "integer", false, "its sshd's port; without it 22"},
      {"user", "text", true, "the user there; the login shell must be a POSIX shell"},
      {"identityFile", "path", true, "private key of that user, without a passphrase, readable by vmferry's user alone"},
      {"knownHostsFile", "path", true,
       "file with the host's key, as ssh-keyscan prints it; no other key is accepted, and none is added"},
      {"command", "list", true,
       "[PROGRAM, ARGUMENT, ...] on the host, and the arguments that come before a step's; each word reaches the program "
       "as it is; for a check it must change nothing"},
      {"timeout", "duration", false, "the longest a check may take, at most and without it 30s"},
      WorkDirectorySetting(),
      {"program", "path", false, "the client itself; without it /usr/bin/ssh"},
  };
  kind.make = Make;
  return kind;
}

}  // namespace vmferry
