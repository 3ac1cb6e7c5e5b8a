// SPDX-License-Identifier: Apache-2.0
//
// smoke_test: the application answers on the target, at the target's own address, before any traffic is sent there.
// Asks until all probes have answered as expected several times in a row; the step's deadline ends it, with the last
// refusal in the text.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "plugins/command.h"
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/health_page.h"
#include "steps/parameters.h"
#include "steps/smoke_probes.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

constexpr std::chrono::milliseconds kPoll{1000};

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kSmokeTest;
  spec.purpose = "Checks that the application answers on the target as it should, over HTTP or in other ways.";
  spec.deadline = std::chrono::minutes(5);
  spec.parameters = {
      Service("probe", "probe", true, "the service that asks"),
      Optional("url", ParameterType::kUrl, "",
               "address of the application on the target itself; `url`, `probes` or both must be given"),
      Optional("probes", ParameterType::kTextList, "",
               "more that must be well at the same time: http://... or https://... (as url), tcp://HOST:PORT (takes a "
               "connection), command:SERVICE (a service of role command, whose program must end with exit code 0)"),
      Optional("rehearsalUrl", ParameterType::kUrl, "",
               "`vmferry rehearse`: instead of `url`, and without `probes`; where the clone answers on its isolated network"),
      Optional("successes", ParameterType::kInteger, "1", "how many good answers (of all probes) in a row are enough"),
  };
  AddPageParameters(spec.parameters);
  spec.reads = "the answer of the application at `url` and `probes`";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "cutoverSteps:\n  - smoke_test:\n      probe: http\n      url: http://10.0.0.5/healthz\n      body: ok\n"
      "      probes: [\"tcp://10.0.0.5:5432\", \"command:check-orders\"]\n";
  return spec;
}

// `url`, and what `probes` lists.
std::vector<std::string> ProbesOf(const StepContext& context) {
  std::vector<std::string> probes;
  if (const std::string url = TextOf(context.parameters, "url"); !url.empty()) probes.push_back(url);
  for (const Json& probe : Member(context.parameters, "probes")) probes.push_back(probe.get<std::string>());
  return probes;
}

Error Unusable(const std::string& object, const std::string& message, const std::string& advice) {
  return Error{ErrorKind::kInvalid, "vmferry", object, message, advice};
}

// Whom to ask.
Result<Plugin*> SystemFor(const StepContext& context, const std::string& probe) {
  if (probe.starts_with(kCommandPrefix)) return context.systems->Find(CommandProbe(probe));
  return ServiceOf(context, "probe");
}

// One round of one probe.
struct Look {
  std::string probe, system;
  ProbeReply reply;
};

Result<ProbeReply> RunCommand(const StepContext& context, Plugin& program) {
  const auto reply = Invoke(program, command::kCheck, CommandRequest{}, context.call);
  if (!reply) return reply.error();
  ProbeReply answer;
  answer.healthy = reply->exit_code == 0;
  answer.body = reply->output;
  if (!answer.healthy)
    answer.why = "exit code " + std::to_string(reply->exit_code) + (reply->output.empty() ? "" : ": " + reply->output);
  return answer;
}

Result<Look> LookAt(const StepContext& context, const std::string& probe) {
  const Result<Plugin*> system = SystemFor(context, probe);
  if (!system) return system.error();
  Result<ProbeReply> reply = ProbeReply();
  if (probe.starts_with(kCommandPrefix))
    reply = RunCommand(context, **system);
  else if (probe.starts_with(kTcpPrefix))
    reply = Invoke(**system, probe::kTcpProbe,
                   TcpProbeRequest{probe.substr(kTcpPrefix.size()), PageRequest(context, probe).max_latency_ms},
                   context.call);
  else
    reply = Invoke(**system, probe::kProbe, PageRequest(context, probe), context.call);
  if (reply) return Look{probe, (*system)->system(), std::move(*reply)};
  Error error = reply.error();
  if (error.object.empty()) error.object = probe;
  return error;
}

Json EvidenceOf(const Look& look) {
  if (look.probe.starts_with(kCommandPrefix)) return {{"probe", look.probe}, {"output", look.reply.body}};
  Json evidence = {{"probe", look.probe}, {"latencyMs", look.reply.latency_ms}};
  if (!look.probe.starts_with(kTcpPrefix)) evidence["status"] = look.reply.status;
  return evidence;
}

// What is wrong in this round; empty: nothing.
std::string Complaints(const std::vector<Look>& looks) {
  std::string text;
  for (const Look& look : looks)
    if (!look.reply.healthy)
      text += (text.empty() ? "" : "; ") + look.system + ": " + look.probe + " is not healthy: " + look.reply.why;
  return text;
}

Error NothingToAsk() {
  return Unusable("", "it has neither `url` nor `probes`", "give it one of the two in the runbook or the site file");
}

class SmokeTestStep final : public Check {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Status sensible = RequireNoContradiction(kSmokeTest, context.parameters);
    if (!sensible) return sensible.error();
    std::vector<Look> looks;
    for (const std::string& probe : ProbesOf(context)) {
      auto look = LookAt(context, probe);
      if (!look) return look.error();
      looks.push_back(std::move(*look));
    }
    if (looks.empty()) return NothingToAsk();
    const std::string complaints = Complaints(looks);
    const std::int64_t wanted = std::max<std::int64_t>(1, IntegerOf(context.parameters, "successes", 1));
    const std::int64_t good = complaints.empty() ? IntegerOf(context.facts, "successes", 0) + 1 : 0;
    Json facts = {{"successes", good}};
    if (const std::string url = TextOf(context.parameters, "url"); !url.empty()) facts["url"] = url;
    if (good >= wanted) return Progress::Done(Outcome(context, looks, std::move(facts)));
    const std::string subject = looks.size() == 1 ? looks[0].probe : "all " + std::to_string(looks.size()) + " probes";
    Progress progress = Progress::NotYet(
        kPoll, !complaints.empty() ? complaints
                                   : subject + " answered well, " + std::to_string(good) + " of " +
                                         std::to_string(wanted) + " times in a row");
    progress.facts = std::move(facts);
    if (wanted == 1) return progress;  // nothing to count
    progress.meter.done = static_cast<std::uint64_t>(good);
    progress.meter.total = static_cast<std::uint64_t>(wanted);
    return progress;
  }

  // The target does not run yet, so it is not asked.
  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    if (const Status sensible = RequireNoContradiction(kSmokeTest, context.parameters); !sensible) {
      forecast.problems.push_back(sensible.error());
      return forecast;
    }
    const std::vector<std::string> probes = ProbesOf(context);
    forecast.will = "ask " + ListInWords(probes);
    if (std::any_of(probes.begin(), probes.end(), IsHttpProbe))
      forecast.will += " " + ExpectedInWords(PageRequest(context, ""));
    forecast.will += ", until it answers so " +
                     CountInWords(static_cast<std::size_t>(IntegerOf(context.parameters, "successes", 1)), "time");
    forecast.undo = "nothing to undo";
    if (probes.empty()) forecast.problems.push_back(NothingToAsk());
    for (const std::string& probe : probes)
      if (const Result<Plugin*> system = SystemFor(context, probe); !system)
        forecast.problems.push_back(system.error());
    return forecast;
  }

 private:
  // With `url` alone: its answer; else evidence for each probe.
  static Json Outcome(const StepContext& context, const std::vector<Look>& looks, Json facts) {
    if (facts.contains("url")) {
      facts["status"] = looks[0].reply.status;
      facts["latencyMs"] = looks[0].reply.latency_ms;
    }
    if (Member(context.parameters, "probes").empty()) return facts;
    for (const Look& look : looks) facts["probes"].push_back(EvidenceOf(look));
    return facts;
  }
};

}  // namespace

const Step& SmokeTest() {
  static const SmokeTestStep step;
  return step;
}

}  // namespace vmferry
