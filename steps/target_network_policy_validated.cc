// SPDX-License-Identifier: Apache-2.0
//
// target_network_policy_validated: before any traffic goes there, the target's network is what was declared: its
// networks are active, its filters have the declared rules and no others, the allowed flows come about and the denied
// ones do not. Flows are tried a few in each round, since each denied one costs its whole time.
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "plugins/command.h"
#include "plugins/flow.h"
#include "plugins/target_network.h"
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/network_policy.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr std::size_t kFlowsInARound = 4;
constexpr milliseconds kStandardTry{3000};

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kValidateNetworkPolicy;
  spec.purpose = "Checks that the target's networks, network filters and flows are as declared.";
  spec.deadline = std::chrono::minutes(5);
  spec.parameters = {
      Optional("filters", ParameterType::kTextList, "", "network filters (libvirt nwfilter) that the target must have"),
      Optional(
          "rules", ParameterType::kTextList, "",
          "the filters' rules, all of them, in the order in which they are applied: `in accept tcp 443 from "
          "10.0.0.0/8`, `in drop all`, `include clean-traffic`; begun with `FILTER:` where there are several filters"),
      Optional("allow", ParameterType::kTextList, "", "flows that must come about: `tcp HOST:PORT`"),
      Optional("deny", ParameterType::kTextList, "",
               "flows that must not come about: `tcp HOST:PORT`; with at least one in `allow`, as a control"),
      Service("flowProbe", "flow", false, "the service that tries the flows, from where vmferry runs"),
      Service("flowCommand", "command", false,
              "the program that tries them from elsewhere: called with `tcp HOST PORT`, it ends with 0 if connected, 1 "
              "if the network lets nothing through, else if it cannot tell (as when the host refuses); within 5 s"),
      Choice("refusedIs", {"inconclusive", "denied"}, "inconclusive",
             "what a refused connection says of a flow in `deny`: nothing, since it is mostly the host's own answer for "
             "a port on which nothing listens; or that it is denied, where the network's filter itself answers so "
             "(`reject`)"),
      Optional("flowTimeout", ParameterType::kDuration, "3s", "how long a flow may take to come about; 5s at most"),
  };
  spec.reads =
      "the target's networks and filters; whether connections to the addresses in `allow` and `deny` come about";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "preChecks:\n  - target_network_policy_validated:\n      filters: [web]\n"
      "      rules: [in accept tcp 443 from 10.0.0.0/8, in drop all]\n"
      "      allow: [\"tcp 10.20.0.1:53\"]\n      deny: [\"tcp 10.20.0.9:5432\"]\n"
      "      flowProbe: tcp # of the site, plugin `tcp`\n";
  return spec;
}

// What the application's NICs are mapped to; what is not mapped goes into `problems`.
std::set<std::string> TargetNetworks(const StepContext& context, std::vector<Error>& problems) {
  std::set<std::string> networks;
  for (const Workload& workload : context.application->workloads) {
    const Result<VmFacts> vm = ReadVm(context, workload);
    if (!vm) problems.push_back(vm.error());
    if (!vm) continue;
    for (const NicFacts& nic : vm->nics) {
      const Result<std::string> network = NetworkFor(context, workload, nic);
      if (!network) problems.push_back(network.error());
      if (network && *network != "none") networks.insert(*network);
    }
  }
  return networks;
}

void CheckNetworks(const StepContext& context, Plugin& target, Findings& findings) {
  for (const std::string& network : TargetNetworks(context, findings.problems)) {
    const auto facts = Invoke(target, target::kDescribeNetwork, NetworkQuery{network}, context.call);
    if (!facts) {
      findings.problems.push_back(facts.error());
    } else if (!facts->exists) {
      findings.problems.push_back(TargetError(context, ErrorKind::kInvalid, network, "the target has no such network",
                                              "define it on the target, or map to another network in the site"));
    } else if (!facts->active) {
      findings.problems.push_back(TargetError(context, ErrorKind::kInvalid, network, "it is not active",
                                              "start it on the target (`virsh net-start`)"));
    } else {
      findings.facts["networks"].push_back(network);
    }
  }
}

void CheckFilter(const StepContext& context, Plugin& target, const DeclaredFilter& filter, Findings& findings) {
  const std::string object = "filter " + filter.name;
  const auto facts = Invoke(target, target::kDescribeFilter, FilterQuery{filter.name}, context.call);
  if (!facts) return findings.problems.push_back(facts.error());
  if (!facts->exists)
    return findings.problems.push_back(TargetError(context, ErrorKind::kNotFound, object,
                                                   "the target has no such network filter",
                                                   "define it on the target (`virsh nwfilter-define`)"));
  for (const std::string& difference : Differences(filter.rules, facts->rules))
    findings.problems.push_back(
        TargetError(context, ErrorKind::kConflict, object, difference,
                    "see `virsh nwfilter-dumpxml " + filter.name + "`: correct the filter, or what `rules` declares"));
  findings.facts["filters"].push_back({{"filter", filter.name}, {"rules", facts->rules}});
}

Findings LookAtTarget(const StepContext& context, const NetworkPolicy& policy) {
  Findings findings;
  findings.facts = {{"networks", Json::array()}, {"filters", Json::array()}};
  findings.will = "check the target's networks, " + CountInWords(policy.filters.size(), "filter") + " and " +
                  CountInWords(policy.flows.size(), "flow");
  const Status sensible = RequireNoContradiction(kValidateNetworkPolicy, context.parameters);
  if (!sensible) findings.problems.push_back(sensible.error());
  const Result<Plugin*> target = TargetOf(context);
  if (!target) findings.problems.push_back(target.error());
  if (!target) return findings;
  CheckNetworks(context, **target, findings);
  for (const DeclaredFilter& filter : policy.filters) CheckFilter(context, **target, filter, findings);
  return findings;
}

// Tried by the program of the site.
Result<FlowReply> AskCommand(const StepContext& context, Plugin& program, const DeclaredFlow& flow) {
  const CommandRequest request{{"tcp", flow.host, std::to_string(flow.port)}};
  const auto reply = Invoke(program, command::kCheck, request, context.call);
  if (!reply) return reply.error();
  if (reply->exit_code == 0) return FlowReply{true, "connected", ""};
  if (reply->exit_code == 1) return FlowReply{false, "not connected", reply->output};
  return Error{ErrorKind::kInvalid, program.system(), InWords(flow),
               "exit code " + std::to_string(reply->exit_code) + " says neither connected (0) nor not (1)" +
                   (reply->output.empty() ? "" : ": " + reply->output),
               "run it by hand: it cannot tell whether the flow comes about"};
}

Result<FlowReply> TryFlow(const StepContext& context, const std::string& service, const DeclaredFlow& flow) {
  const Result<Plugin*> prober = ServiceOf(context, service);
  if (!prober) return prober.error();
  if (service == "flowCommand") return AskCommand(context, **prober, flow);
  const milliseconds patience = DurationOf(context.parameters, "flowTimeout", kStandardTry);
  return Invoke(**prober, flow::kTry, FlowRequest{flow.host, flow.port, static_cast<int>(patience.count())},
                context.call);
}

void JudgeFlow(const StepContext& context, const std::string& system, const DeclaredFlow& flow,
               const FlowReply& reply, Findings& findings) {
  findings.facts["flows"].push_back(
      {{"flow", InWords(flow)}, {"declared", flow.allowed ? "allow" : "deny"}, {"outcome", reply.outcome}});
  const bool told = reply.outcome != "refused" || TextOf(context.parameters, "refusedIs") == "denied";
  if (!flow.allowed && !reply.connected && !told)
    return findings.problems.push_back(
        Error{ErrorKind::kConflict, system, "flow " + InWords(flow),
              "it is declared denied, and the connection is refused: most likely the host itself answered, so that the "
              "network lets it through and only nothing listens there" +
                  (reply.why.empty() ? "" : " (" + reply.why + ")"),
              "close it on the target's network; where its filter answers so itself, say `refusedIs: denied`"});
  if (reply.connected == flow.allowed) return;
  findings.problems.push_back(Error{ErrorKind::kConflict, system, "flow " + InWords(flow),
                                    flow.allowed ? "it is declared allowed and does not come about: " + reply.why
                                                 : "it is declared denied, and the connection comes about",
                                    flow.allowed ? "let it through on the target's network, or correct `allow`"
                                                 : "close it on the target's network, or correct `deny`"});
}

// Tries the next few flows, from `first` on.
void TryFlows(const StepContext& context, const std::vector<DeclaredFlow>& flows, std::size_t first,
              Findings& findings) {
  const std::string service = TextOf(context.parameters, "flowCommand").empty() ? "flowProbe" : "flowCommand";
  const std::size_t end = std::min(flows.size(), first + kFlowsInARound);
  for (std::size_t i = first; i < end; ++i) {
    const Result<FlowReply> reply = TryFlow(context, service, flows[i]);
    if (!reply) {
      findings.problems.push_back(reply.error());
      continue;
    }
    const Result<Plugin*> prober = ServiceOf(context, service);
    JudgeFlow(context, prober ? (*prober)->system() : service, flows[i], *reply, findings);
  }
}

class TargetNetworkPolicyValidatedStep final : public Check {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  // The facts hold what was found good so far; what was found wrong ends the step, and is looked at again when it is
  // asked again.
  Result<Progress> Apply(const StepContext& context) const override {
    const NetworkPolicy policy = PolicyOf(context.parameters);
    const bool begun = Member(context.facts, "flows").is_array() && context.facts["flows"].size() < policy.flows.size();
    Findings findings;
    if (begun) {
      findings.facts = context.facts;
    } else {
      findings = LookAtTarget(context, policy);
      findings.facts["flows"] = Json::array();
      if (!findings.problems.empty()) return Combined(findings.problems);
    }
    TryFlows(context, policy.flows, findings.facts["flows"].size(), findings);
    if (!findings.problems.empty()) return Combined(findings.problems);
    const std::size_t tried = findings.facts["flows"].size();
    if (tried == policy.flows.size()) return Progress::Done(std::move(findings.facts));
    Progress progress = Progress::NotYet(
        milliseconds(0), std::to_string(tried) + " of " + CountInWords(policy.flows.size(), "flow") + " as declared");
    progress.facts = std::move(findings.facts);
    return progress;
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    const NetworkPolicy policy = PolicyOf(context.parameters);
    Findings findings = LookAtTarget(context, policy);
    findings.facts["flows"] = Json::array();
    if (findings.problems.empty()) TryFlows(context, policy.flows, 0, findings);
    if (policy.flows.size() > kFlowsInARound)
      findings.will += " (now the first " + std::to_string(kFlowsInARound) + " flows)";
    return Forecast{std::move(findings.will), "nothing to undo", std::move(findings.problems)};
  }
};

}  // namespace

const Step& TargetNetworkPolicyValidated() {
  static const TargetNetworkPolicyValidatedStep step;
  return step;
}

}  // namespace vmferry
