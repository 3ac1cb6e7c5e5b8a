// SPDX-License-Identifier: Apache-2.0
//
// NetworkPolicy: what a runbook or site declares of the target's network: the rules of its filters, and the flows that
// must and must not come about. Pure functions on a step's parameters.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "steps/contradictions.h"
#include "steps/step.h"

namespace vmferry {

inline constexpr std::string_view kValidateNetworkPolicy = "target_network_policy_validated";

struct DeclaredFilter {
  std::string name;
  std::vector<std::string> rules;  // in the words of plugins/filter_rule.h
};
struct DeclaredFlow {
  bool allowed = false;
  std::string host;
  int port = 0;
};
struct NetworkPolicy {
  std::vector<DeclaredFilter> filters;
  std::vector<DeclaredFlow> flows;  // the allowed ones first
};

// What can be understood of it; the rest is among PolicyContradictions.
NetworkPolicy PolicyOf(const Json& parameters);
std::vector<Contradiction> PolicyContradictions(const Json& parameters);

// Of the parameters of this step and of power_on_target in one runbook: filters that are declared and checked, but not
// the one that the machines' traffic passes.
std::vector<Contradiction> AttachmentContradictions(const Json& policy, const Json& power_on);

// "tcp 10.0.0.5:443"
std::string InWords(const DeclaredFlow& flow);
// How the rules there are differ from the declared ones, each difference in words; empty: they are the same.
std::vector<std::string> Differences(const std::vector<std::string>& declared, const std::vector<std::string>& there);

}  // namespace vmferry
