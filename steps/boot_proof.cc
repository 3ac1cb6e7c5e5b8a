// SPDX-License-Identifier: Apache-2.0
#include "steps/boot_proof.h"

#include <regex.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "plugins/printable.h"
#include "plugins/probe.h"
#include "plugins/target_boot.h"
#include "steps/fence.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPoll{1000};
constexpr milliseconds kBootStandard{300000};
constexpr std::string_view kTcp = "tcp://";
constexpr std::size_t kLinesShown = 5, kShownOfLine = 160;
constexpr std::size_t kLongestPattern = 400;

// A POSIX extended regular expression: glibc's take time in proportion to a line, whatever the pattern, as long as it
// refers back to nothing. https://pubs.opengroup.org/onlinepubs/9699919799/basedefs/V1_chap09.html
class Pattern {
 public:
  explicit Pattern(const std::string& text) : problem_(regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB)) {}
  ~Pattern() {
    if (problem_ == 0) regfree(&compiled_);
  }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  // Why it is none; empty if it is one.
  std::string problem() const {
    std::array<char, 200> words{};
    if (problem_ != 0) regerror(problem_, &compiled_, words.data(), words.size());
    return words.data();
  }
  bool Occurs(const std::string& line) const {
    return problem_ == 0 && regexec(&compiled_, line.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_{};
  int problem_;
};

std::string ProofKind(const Json& parameters) {
  return TextOf(parameters, "bootProof", "none");
}

milliseconds PatienceOf(const StepContext& context) {
  return DurationOf(context.parameters, "bootDeadline", kBootStandard);
}

bool RefersBack(const std::string& pattern) {
  for (std::size_t at = 0; at + 1 < pattern.size(); ++at) {
    if (pattern[at] != '\\') continue;
    if (pattern[++at] >= '1' && pattern[at] <= '9') return true;
  }
  return false;
}

std::string PatternProblem(const std::string& pattern) {
  if (pattern.size() > kLongestPattern) return "is longer than " + std::to_string(kLongestPattern) + " bytes";
  if (RefersBack(pattern)) return "refers back to a group, which is not supported";
  const std::string problem = Pattern(pattern).problem();
  return problem.empty() ? "" : "is no regular expression: " + problem;
}

bool IsTcpAddress(const std::string& probe) {
  const std::size_t colon = probe.rfind(':');
  return probe.starts_with(kTcp) && colon > kTcp.size() && colon + 1 < probe.size();
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string LastLines(const std::string& text) {
  const std::vector<std::string> lines = LinesOf(text);
  if (lines.empty()) return "the console is empty";
  std::string words = "the console ends with";
  for (std::size_t i = lines.size() > kLinesShown ? lines.size() - kLinesShown : 0; i < lines.size(); ++i)
    words += (words.ends_with('"') ? " / \"" : " \"") + Printable(lines[i], kShownOfLine) + "\"";
  return words;
}

Result<ConsoleReply> ReadConsole(const StepContext& context, const Workload& workload) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  return Invoke(**target, target::kReadConsole, DomainRequest{workload.domain, KeyOf(context)}, context.call);
}

// "; the console ends with ..."; empty where nothing is recorded or it cannot be read: what is told with it matters more.
std::string ConsoleWords(const StepContext& context, const Workload& workload) {
  const Result<ConsoleReply> console = ReadConsole(context, workload);
  return console && console->recorded ? "; " + LastLines(console->text) : "";
}

Error BootError(const StepContext& context, const Workload& workload, const std::string& message,
                const std::string& advice) {
  return TargetError(context, ErrorKind::kConflict, "domain " + workload.domain,
                     message + ConsoleWords(context, workload), advice);
}

// One look: the proof, or why there is none.
struct Sight {
  Json proof;
  std::string why;
};

Result<Sight> LookAtAgent(const StepContext& context, const Workload& workload) {
  const Result<Plugin*> target = TargetOf(context);
  if (!target) return target.error();
  const auto reply =
      Invoke(**target, target::kPingAgent, DomainRequest{workload.domain, KeyOf(context)}, context.call);
  if (!reply) return reply.error();
  if (reply->answers) return Sight{{{"proof", "agent"}}, ""};
  return Sight{Json(), "the guest agent does not answer: " + reply->why};
}

Result<Sight> LookAtConsole(const StepContext& context, const Workload& workload) {
  const Result<ConsoleReply> console = ReadConsole(context, workload);
  if (!console) return console.error();
  if (!console->recorded)
    return TargetError(context, ErrorKind::kInvalid, "domain " + workload.domain, console->why,
                       "map its disks to such a pool, or choose another bootProof");
  const std::string text = TextOf(context.parameters, "consolePattern");
  const Pattern pattern(text);
  for (const std::string& line : LinesOf(console->text))
    if (pattern.Occurs(line)) return Sight{{{"proof", "console"}, {"line", line}}, ""};
  return Sight{Json(), "\"" + text + "\" does not occur on the console"};
}

Result<Sight> LookAtPort(const StepContext& context) {
  const Result<Plugin*> probe = ServiceOf(context, "probe");
  if (!probe) return probe.error();
  const std::string address = TextOf(context.parameters, "bootProbe");
  const auto reply =
      Invoke(**probe, probe::kTcpProbe, TcpProbeRequest{address.substr(kTcp.size()), 0}, context.call);
  if (!reply) return reply.error();
  if (reply->healthy) return Sight{{{"proof", "port"}, {"address", address}}, ""};
  return Sight{Json(), address + " is not accepted: " + reply->why};
}

Result<Sight> LookForProof(const StepContext& context, const Workload& workload) {
  const std::string kind = ProofKind(context.parameters);
  if (kind == "agent") return LookAtAgent(context, workload);
  if (kind == "console") return LookAtConsole(context, workload);
  return LookAtPort(context);
}

std::string AdviceFor(const StepContext& context) {
  const std::string kind = ProofKind(context.parameters);
  const std::string then = "; look at the domain's console, then go on with another bootDeadline or mend the guest";
  if (kind == "agent") return "see that qemu-guest-agent is installed in the guest and starts with it" + then;
  if (kind == "console") return "see that the guest writes on its first serial port (Linux: console=ttyS0)" + then;
  return "see that the guest's service listens there" + then;
}

}  // namespace

std::vector<ParameterSpec> BootParameters() {
  return {
      Choice("bootProof", {"none", "agent", "console", "port"}, "none",
             "what must be seen before a domain counts as started: nothing but that it runs; its QEMU guest agent "
             "answers; `consolePattern` occurs on its serial console; `bootProbe` takes a connection"),
      Optional("consolePattern", ParameterType::kText, "",
               "text or POSIX extended regular expression that must occur in a line of the console since the start"),
      Optional("bootProbe", ParameterType::kText, "", "tcp://HOST:PORT of the application on the target itself"),
      Service("probe", "probe", false, "the service that makes the connection to `bootProbe`"),
      Optional("bootDeadline", ParameterType::kDuration, "5m",
               "how long a domain may take from its start to the proof; less than the step's deadline"),
  };
}

std::vector<Contradiction> BootContradictions(const Json& parameters) {
  std::vector<Contradiction> found;
  const std::string kind = ProofKind(parameters);
  const std::string pattern = TextOf(parameters, "consolePattern");
  if (kind == "console" && pattern.empty())
    found.push_back({"`bootProof: console` needs `consolePattern`", "name a text that the guest writes once it is up"});
  if (const std::string problem = PatternProblem(pattern); !problem.empty())
    found.push_back({"`consolePattern` " + problem, "write a POSIX extended regular expression, or a plain text"});
  const std::string probe = TextOf(parameters, "bootProbe");
  if (kind == "port" && probe.empty())
    found.push_back({"`bootProof: port` needs `bootProbe`", "write tcp://HOST:PORT"});
  if (!probe.empty() && !IsTcpAddress(probe))
    found.push_back({"`bootProbe` is not tcp://HOST:PORT", "write it like tcp://10.0.0.5:22"});
  if (kind == "port" && TextOf(parameters, "probe").empty())
    found.push_back({"`bootProof: port` needs `probe`", "name the site's service that makes the connection"});
  return found;
}

bool WantsBootProof(const StepContext& context) {
  return ProofKind(context.parameters) != "none";
}

void PrepareForProof(const StepContext& context, const std::string& pool, DefineRequest& request) {
  if (!WantsBootProof(context)) return;
  request.guest_agent = ProofKind(context.parameters) == "agent";
  request.console_pool = pool;  // other proofs record it too: it tells why there is none
}

Json BootProofOf(const StepContext& context, const Json& handle, const Workload& workload) {
  const Json& seen = Member(Member(Member(handle, "boot"), workload.name), "proof");
  if (!seen.is_null()) return seen;
  return Member(Member(Member(context.facts, "workloads"), workload.name), "boot");
}

bool IsBooting(const Json& handle, const Workload& workload) {
  return Member(Member(Member(handle, "boot"), workload.name), "sinceMs").is_number();
}

void NoteBooting(const StepContext& context, const Workload& workload, Json& handle) {
  Json& boot = handle["boot"][workload.name];
  if (!boot.contains("sinceMs")) boot["sinceMs"] = context.elapsed.count();
}

Result<Pending> RequireStillBooting(const StepContext& context, const Workload& workload, Json& handle) {
  const Result<VmFacts> fenced = ReadFencedVm(context, workload);
  if (!fenced) return fenced.error();
  const Result<DomainFacts> domain = ReadDomain(context, workload.domain);
  if (!domain) return domain.error();
  const bool ours = domain->exists && domain->key == KeyOf(context);
  if (ours && domain->state == "running") return Pending();
  if (ours && domain->state == "stopping" &&
      WaitedSince(context, handle["boot"][workload.name]["sinceMs"]) < PatienceOf(context))
    return Pending(Progress::NotYet(kPoll, "domain " + workload.domain + " is stopping while it boots"));
  if (!ours)
    return TargetError(context, ErrorKind::kConflict, "domain " + workload.domain,
                       "somebody removed or replaced the domain while it was booting", "see who did, then start over");
  return BootError(context, workload, "the domain stopped while booting: it is " + domain->state,
                   "the host's log of the domain and its console say why; mend that, then start over");
}

Result<Pending> AwaitBoot(const StepContext& context, const Workload& workload, Json& handle) {
  if (!WantsBootProof(context) || !BootProofOf(context, handle, workload).is_null()) return Pending();
  const std::string waiting = "waiting for domain " + workload.domain + " to boot";
  if (!IsBooting(handle, workload)) {
    NoteBooting(context, workload, handle);
    return Pending(Progress::NotYet(milliseconds(0), waiting));
  }
  Json& boot = handle["boot"][workload.name];
  Result<Sight> sight = LookForProof(context, workload);
  if (!sight) return sight.error();
  const milliseconds waited = WaitedSince(context, boot["sinceMs"]);
  if (!sight->proof.is_null()) {
    boot["proof"] = std::move(sight->proof);
    boot["proof"]["afterMs"] = waited.count();
    return Pending();
  }
  const milliseconds patience = PatienceOf(context);
  if (waited < patience) return Pending(Progress::NotYet(kPoll, waiting + ": " + sight->why));
  return BootError(context, workload, "no proof of a boot within " + DurationInWords(patience) + ": " + sight->why,
                   AdviceFor(context));
}

namespace {

// A console is recorded in a pool of files only.
void CheckPools(const StepContext& context, Forecast& forecast) {
  const Result<TargetFacts> target = ReadTarget(context);
  if (!target) return;  // another step's matter
  for (const Workload& workload : context.application->workloads) {
    const Result<VmFacts> vm = ReadVm(context, workload);
    if (!vm || vm->disks.empty()) continue;
    const Result<std::string> name = PoolFor(context, workload, vm->disks.front());
    if (!name) continue;
    for (const PoolFacts& pool : target->pools)
      if (pool.name == *name && pool.type != "dir" && pool.type != "fs" && pool.type != "netfs")
        forecast.problems.push_back(TargetError(
            context, ErrorKind::kInvalid, "pool " + pool.name,
            "it is of type " + pool.type + ", so that the console of domain " + workload.domain + " cannot be recorded",
            "map the first disk to a pool of files, or choose another bootProof"));
  }
}

}  // namespace

std::string ForecastBoot(const StepContext& context, Forecast& forecast) {
  for (const Contradiction& found : BootContradictions(context.parameters))
    forecast.problems.push_back(
        Error{ErrorKind::kInvalid, "vmferry", "parameters of power_on_target", found.message, found.hint});
  const std::string kind = ProofKind(context.parameters);
  if (kind == "none") return "";
  const std::string wait =
      "; wait at most " + DurationInWords(PatienceOf(context)) + " until ";
  if (kind == "agent") return wait + "each guest agent answers";
  if (kind == "console") {
    CheckPools(context, forecast);
    return wait + "\"" + TextOf(context.parameters, "consolePattern") + "\" occurs on each console";
  }
  if (const Result<Plugin*> probe = ServiceOf(context, "probe"); !probe) forecast.problems.push_back(probe.error());
  return wait + TextOf(context.parameters, "bootProbe") + " takes a connection";
}

}  // namespace vmferry
