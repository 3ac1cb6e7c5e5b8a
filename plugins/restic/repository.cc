// SPDX-License-Identifier: Apache-2.0
#include "plugins/restic/repository.h"

#include <utility>

#include "plugins/environment.h"
#include "plugins/program.h"
#include "plugins/restic/output.h"

namespace vmferry {
namespace {

constexpr std::size_t kMostOutput = 8 << 20;

std::string TextSetting(const PluginSetup& setup, const char* name, const char* standard = "") {
  const auto value = setup.settings.find(name);
  return value != setup.settings.end() && value->is_string() ? value->get<std::string>() : standard;
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ",") + text;
  return joined;
}

}  // namespace

Repository::Repository(PluginSetup setup)
    : setup_(std::move(setup)),
      program_(TextSetting(setup_, "program", "/usr/bin/restic")),
      repository_(TextSetting(setup_, "repository")),
      work_directory_(TextSetting(setup_, "workDirectory")),
      system_(setup_.name + " (restic " + repository_ + ")") {}

Error Repository::Fail(ErrorKind kind, std::string object, std::string message, std::string advice) const {
  return Error{kind, system_, std::move(object), std::move(message), std::move(advice)};
}

Error Repository::Failed(ErrorKind kind, int exit_code, const std::string& errors) const {
  kind = OutsideFailure(exit_code, errors).value_or(kind);
  const std::string words = WordsOf(errors);
  return Fail(kind, "the repository",
              words.empty() ? "restic ended with exit code " + std::to_string(exit_code) : words, AdviceFor(kind));
}

std::vector<std::string> Repository::Argv(const std::vector<std::string>& arguments) const {
  std::vector<std::string> argv{program_, "--repo", repository_};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

Result<std::vector<std::pair<std::string, std::string>>> Repository::Secrets() const {
  auto secrets = SecretEnvironment(setup_);
  if (!secrets) return secrets.error();
  const Result<std::string> password = setup_.secrets(TextSetting(setup_, "password"));
  if (!password) {
    Error error = password.error();
    error.system = system_;
    return error;
  }
  secrets->emplace_back("RESTIC_PASSWORD", *password);
  secrets->emplace_back("RESTIC_PROGRESS_FPS", "0.2");  // else a long backup fills its log
  return *secrets;
}

Result<std::vector<std::string>> Repository::Environment() const {
  const auto secrets = Secrets();
  if (!secrets) return secrets.error();
  return ProgramEnvironment(*secrets);
}

Result<std::string> Repository::Read(const std::vector<std::string>& arguments, const CallContext& context) const {
  const auto secrets = Secrets();
  if (!secrets) return secrets.error();
  std::vector<std::string> argv = Argv({"--no-lock", "--no-cache", "--json"});
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const ProgramLimits limits{std::chrono::steady_clock::now() + context.timeout, context.stop};
  const auto ended = RunProgram(argv, *secrets, limits, {"", kMostOutput, true});
  if (!ended) {
    Error error = ended.error();
    error.system = system_;
    return error;
  }
  if (ended->timed_out)
    return Fail(ErrorKind::kTimedOut, "the repository",
                "restic " + arguments.front() + " did not end within " + std::to_string(context.timeout.count()) +
                    " ms" + (ended->errors.empty() ? "" : "; it said: " + WordsOf(ended->errors)),
                "see that the repository can be reached");
  if (ended->exit_code != 0) return Failed(ErrorKind::kCorrupt, ended->exit_code, ended->errors);
  if (ended->cut)
    return Fail(ErrorKind::kInvalid, "the repository", "the list of snapshots is longer than 8 MiB",
                "`restic forget` old snapshots, or name host and paths more narrowly");
  return ended->output;
}

Result<std::vector<BackupFacts>> Repository::Snapshots(const BackupScope& scope, const CallContext& context) const {
  std::vector<std::string> arguments{"snapshots", "--latest", "1"};
  if (!scope.host.empty()) arguments.insert(arguments.end(), {"--host", scope.host});
  if (!scope.tags.empty()) arguments.insert(arguments.end(), {"--tag", Joined(scope.tags)});
  const Result<std::string> text = Read(arguments, context);
  if (!text) return text.error();
  auto snapshots = ParseSnapshots(*text);
  if (snapshots) {
    // Not --path, which wants a snapshot's paths to be exactly these.
    std::erase_if(*snapshots, [&](const BackupFacts& facts) { return !Covers(facts.paths, scope.paths); });
    return *std::move(snapshots);
  }
  return Fail(ErrorKind::kCorrupt, "the repository", "restic's list of snapshots has no known shape",
              "check the version of restic; 0.14 and newer are known");
}

}  // namespace vmferry
