// SPDX-License-Identifier: Apache-2.0
#include "plugins/backup_command/backup_command.h"

#include <algorithm>
#include <set>
#include <utility>

#include "plugins/backup.h"
#include "plugins/environment.h"
#include "plugins/printable.h"
#include "plugins/program.h"
#include "state/clock.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr std::size_t kMostReply = 1 << 20;
constexpr std::size_t kShownWords = 400;
constexpr std::size_t kLongestNumber = 18;  // digits; fits into 64 bits, and so do differences
constexpr milliseconds kClocksApart = std::chrono::minutes(10);
constexpr int kNotFoundExit = 10, kConflictExit = 11, kDeniedExit = 12, kUnavailableExit = 13, kInvalidExit = 14;

std::string OneLine(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return Printable(text, kShownWords);
}

// Any other code: of a write nobody knows what it did, a read may be tried again.
ErrorKind KindOf(int exit_code, Access access) {
  switch (exit_code) {
    case kNotFoundExit:
      return ErrorKind::kNotFound;
    case kConflictExit:
      return ErrorKind::kConflict;
    case kDeniedExit:
      return ErrorKind::kDenied;
    case kUnavailableExit:
      return ErrorKind::kUnavailable;
    case kInvalidExit:
      return ErrorKind::kInvalid;
    default:
      return access == Access::kWrite ? ErrorKind::kUnknownOutcome : ErrorKind::kUnavailable;
  }
}

// Numbers must be whole ones: JSON's other types would be turned into numbers silently. Empty if they are.
std::string WrongNumber(const Json& reply) {
  const Json none = Json::object();
  const auto backup = reply.find("backup");
  for (const Json* object : {&reply, backup != reply.end() && backup->is_object() ? &*backup : &none})
    for (const char* name : {"age_ms", "done_bytes", "total_bytes", "time_ms", "size_bytes"})
      if (const auto number = object->find(name);
          number != object->end() && (!number->is_number_integer() || number->dump().size() > kLongestNumber))
        return std::string("`") + name + "` is no whole number";
  return "";
}

// What the types alone do not say of a reply; empty if it is good.
std::string Wrong(BackupFacts& facts) {
  facts.id = Printable(facts.id, kShownWords);
  if (facts.id.empty()) return "the backup has no `id`";
  return facts.time_ms > 0 ? "" : "the backup has no `time_ms`";
}
// The age is told twice, so that seconds written for milliseconds are found.
std::string Wrong(NewestBackup& reply) {
  if (!reply.found) return "";
  if (std::string wrong = Wrong(reply.backup); !wrong.empty()) return wrong;
  const milliseconds told(reply.age_ms), here(SystemClock().Now().wall_ms - reply.backup.time_ms);
  if (std::chrono::abs(told - here) <= kClocksApart) return "";
  return "`age_ms` is " + std::to_string(told.count()) + ", but by `time_ms` and the clock here it would be " +
         std::to_string(here.count()) + ": one of them is not in milliseconds, or the clocks differ";
}
std::string Wrong(BackupCheck& reply) {
  reply.said = OneLine(reply.said);
  const std::set<std::string> known{"running", "passed", "failed"};
  return known.contains(reply.state) ? "" : "`state` is not running, passed or failed";
}
std::string Wrong(BackupRun& reply) {
  reply.said = OneLine(reply.said);
  const std::set<std::string> known{"not started", "running", "done", "failed"};
  if (!known.contains(reply.state)) return "`state` is not \"not started\", running, done or failed";
  return reply.state == "done" ? Wrong(reply.backup) : "";
}
std::string Wrong(Done&) {
  return "";
}

class BackupCommand final : public CallTable {
 public:
  BackupCommand(PluginSetup setup, std::vector<std::string> argv) : setup_(std::move(setup)), argv_(std::move(argv)) {
    Pass(backup::kFindNewest, "find-newest", {"found"});
    Pass(backup::kCheck, "check", {"state"});
    Pass(backup::kTestRestore, "test-restore", {"state"});
    Pass(backup::kReadRun, "read-run", {"state"});
    Pass(backup::kBeginRun, "begin-run", {"state"});
    Pass(backup::kEnsureStopped, "ensure-stopped", {});
  }
  std::string system() const override { return setup_.name + " (backup_command " + argv_.front() + ")"; }

 private:
  // `needed`: members that a reply must have.
  template <class Request, class Answer>
  void Pass(const Call<Request, Answer>& call, const std::string& word, const std::vector<const char*>& needed) {
    Serve<Request, Answer>(
        call,
        [this, spec = call.spec, word, needed](const Request& request, const CallContext& context) -> Result<Answer> {
          const Result<Json> reply = Run(spec.access, word, Json(request), context);
          if (!reply) return reply.error();
          for (const char* member : needed)
            if (!reply->contains(member)) return Malformed(word, std::string("it has no `") + member + "`");
          if (reply->value("found", Json()) == true && !reply->contains("age_ms"))
            return Malformed(word, "it has no `age_ms`");
          if (const std::string wrong = WrongNumber(*reply); !wrong.empty()) return Malformed(word, wrong);
          try {
            auto answer = reply->template get<Answer>();
            if (const std::string wrong = Wrong(answer); !wrong.empty()) return Malformed(word, wrong);
            return answer;
          } catch (const Json::exception& e) {
            return Malformed(word, e.what());
          }
        });
  }

  Error Malformed(const std::string& word, const std::string& why) const {
    return Error{ErrorKind::kCorrupt, system(), "the reply to " + word, Printable(why, kShownWords),
                 "see plugins/backup_command/README.md for what the program must print"};
  }

  // The reply as an object.
  Result<Json> Run(Access access, const std::string& word, const Json& request, const CallContext& context) const {
    const auto environment = SecretEnvironment(setup_);
    if (!environment) return environment.error();
    std::vector<std::string> argv = argv_;
    argv.push_back(word);
    const ProgramLimits limits{std::chrono::steady_clock::now() + context.timeout, context.stop};
    const auto ended = RunProgram(argv, *environment, limits, {request.dump(), kMostReply, true});
    if (!ended) return Named(ended.error());
    const std::string said = OneLine(ended->errors);
    if (ended->timed_out)
      return Error{access == Access::kWrite ? ErrorKind::kUnknownOutcome : ErrorKind::kTimedOut, system(), word,
                   "did not end within " + std::to_string(context.timeout.count()) + " ms and was killed" +
                       (said.empty() ? "" : "; it had said: " + said),
                   "a call must end within 30 s: what takes longer is started by it and asked for again"};
    if (ended->exit_code != 0)
      return Error{KindOf(ended->exit_code, access), system(), word,
                   (ended->exit_code < 0 ? "was ended by a signal" : "exit code " + std::to_string(ended->exit_code)) +
                       (said.empty() ? "" : ": " + said),
                   "run it by hand to see all it says"};
    if (ended->cut) return Malformed(word, "it is longer than 1 MiB");
    Json reply = Json::parse(ended->output, nullptr, false);
    if (!reply.is_object()) return Malformed(word, "it is not a JSON object");
    return reply;
  }

  Error Named(Error error) const {
    error.system = system();
    return error;
  }

  const PluginSetup setup_;
  const std::vector<std::string> argv_;
};

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  std::vector<std::string> argv;
  for (const Json& part : setup.settings.value("command", Json::array()))
    argv.push_back(part.is_string() ? part.get<std::string>() : part.dump());
  if (argv.empty() || !argv.front().starts_with('/'))
    return Error{ErrorKind::kInvalid, setup.name + " (backup_command)", "",
                 "`command` must begin with the absolute path of a program", "[/usr/local/bin/backup-calls, --quiet]"};
  return std::shared_ptr<Plugin>(std::make_shared<BackupCommand>(setup, std::move(argv)));
}

}  // namespace

PluginKind BackupCommandKind() {
  PluginKind kind;
  kind.name = "backup_command";
  kind.purpose = "any backup product, by a program of the site that speaks JSON (plugins/backup_command/README.md)";
  kind.roles = {"backup"};
  kind.settings = {
      {"command", "list", true, "[PROGRAM, ARGUMENT, ...]: absolute path, and the arguments that come before the call"},
      {"environment", "map", false, "NAME: REFERENCE, secrets that go into the program's environment"},
  };
  kind.make = Make;
  return kind;
}

}  // namespace vmferry
