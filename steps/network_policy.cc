// SPDX-License-Identifier: Apache-2.0
#include "steps/network_policy.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "plugins/filter_rule.h"
#include "steps/parameters.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestTry{5000};
constexpr std::string_view kInclude = "include ";
constexpr char kFlowHint[] = "write it like `tcp 10.0.0.5:443` or `tcp [fd00::5]:443`";

std::vector<std::string> ListOf(const Json& parameters, std::string_view name) {
  const Json& list = Member(parameters, name);
  return list.is_array() ? list.get<std::vector<std::string>>() : std::vector<std::string>();
}

// What is read, and what is wrong with it.
struct Reading {
  NetworkPolicy policy;
  std::vector<Contradiction> wrong;
};

DeclaredFilter* FindFilter(NetworkPolicy& policy, const std::string& name) {
  const auto found = std::find_if(policy.filters.begin(), policy.filters.end(),
                                  [&name](const DeclaredFilter& filter) { return filter.name == name; });
  return found == policy.filters.end() ? nullptr : &*found;
}

// "web: in accept tcp 443" -> ("web", "in accept tcp 443"); without a name: ("", all of it).
std::pair<std::string, std::string> SplitName(const std::string& text) {
  const std::size_t space = text.find(' ');
  const std::size_t rest = text.find_first_not_of(' ', space);
  if (rest == std::string::npos || space < 2 || text[space - 1] != ':') return {"", text};
  return {text.substr(0, space - 1), text.substr(rest)};
}

void ReadRule(const std::string& text, Reading& reading) {
  const auto [name, rule] = SplitName(text);
  std::vector<DeclaredFilter>& filters = reading.policy.filters;
  DeclaredFilter* filter = !name.empty()         ? FindFilter(reading.policy, name)
                           : filters.size() == 1 ? &filters.front()
                                                 : nullptr;
  if (filter == nullptr) {
    reading.wrong.push_back({"`rules`: `" + text + "` is for no filter of `filters`",
                             "begin it with the filter's name and a colon: `web: in drop all`"});
  } else if (rule.starts_with(kInclude)) {
    filter->rules.push_back(rule);
  } else if (const Result<FilterRule> parsed = ParseFilterRule(rule)) {
    filter->rules.push_back(FilterRuleText(*parsed));
  } else {
    reading.wrong.push_back({"`rules`: `" + text + "`: " + parsed.error().message, parsed.error().advice});
  }
}

std::optional<DeclaredFlow> ReadFlow(std::string text, bool allowed) {
  if (text.starts_with("tcp ")) text.erase(0, text.find_first_not_of(' ', 3));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || text.find_first_of(" /") != std::string::npos) return std::nullopt;
  DeclaredFlow flow{allowed, text.substr(0, colon), 0};
  const bool bracketed = flow.host.starts_with('[') && flow.host.ends_with(']');
  if (bracketed) flow.host = flow.host.substr(1, flow.host.size() - 2);
  if (flow.host.empty() || (!bracketed && flow.host.find(':') != std::string::npos)) return std::nullopt;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, flow.port);
  if (error != std::errc() || stopped != end || flow.port < 1 || flow.port > 65535) return std::nullopt;
  return flow;
}

void ReadFlows(const Json& parameters, const std::string& name, bool allowed, Reading& reading) {
  for (const std::string& text : ListOf(parameters, name)) {
    if (const auto flow = ReadFlow(text, allowed))
      reading.policy.flows.push_back(*flow);
    else
      reading.wrong.push_back({"`" + name + "`: `" + text + "` is no flow that can be tried", kFlowHint});
  }
}

Reading Read(const Json& parameters) {
  Reading reading;
  for (const std::string& name : ListOf(parameters, "filters")) reading.policy.filters.push_back({name, {}});
  for (const std::string& rule : ListOf(parameters, "rules")) ReadRule(rule, reading);
  ReadFlows(parameters, "allow", true, reading);
  ReadFlows(parameters, "deny", false, reading);
  return reading;
}

// Who tries the flows: one service, if there are any.
void CheckCompany(const Json& parameters, Reading& reading) {
  const bool flows = Member(parameters, "allow").is_array() || Member(parameters, "deny").is_array();
  const bool here = !TextOf(parameters, "flowProbe").empty();
  const bool elsewhere = !TextOf(parameters, "flowCommand").empty();
  if (flows && !here && !elsewhere)
    reading.wrong.push_back(
        {"nobody tries the flows of `allow` and `deny`",
         "name a service of plugin `tcp` in `flowProbe`, or a program of the site in `flowCommand`"});
  const auto allowed = [](const DeclaredFlow& flow) { return flow.allowed; };
  const std::vector<DeclaredFlow>& list = reading.policy.flows;
  if (!list.empty() && reading.wrong.empty() && std::none_of(list.begin(), list.end(), allowed))
    reading.wrong.push_back({"`deny` stands without `allow`: if nothing at all could be reached from there, every denied "
                             "flow would look right",
                             "add a flow to `allow` that must come about, as a control"});
  if (here && elsewhere)
    reading.wrong.push_back({"`flowProbe` and `flowCommand` exclude each other", "keep one of them"});
  if (!flows && reading.policy.filters.empty())
    reading.wrong.push_back({"no policy is declared, so that nothing could be found wrong with it",
                             "declare `filters` with their `rules`, or flows in `allow` and `deny`"});
}

template <class List>
void Without(List& list, const List& others) {
  for (const auto& other : others)
    if (const auto found = std::find(list.begin(), list.end(), other); found != list.end()) list.erase(found);
}

std::vector<std::string> RulesOnly(std::vector<std::string> rules) {
  std::erase_if(rules, [](const std::string& rule) { return rule.starts_with(kInclude); });
  return rules;
}

}  // namespace

NetworkPolicy PolicyOf(const Json& parameters) {
  return Read(parameters).policy;
}

std::vector<Contradiction> PolicyContradictions(const Json& parameters) {
  Reading reading = Read(parameters);
  CheckCompany(parameters, reading);
  for (const DeclaredFilter& filter : reading.policy.filters)
    if (filter.rules.empty() && reading.wrong.empty())
      reading.wrong.push_back({"filter `" + filter.name + "` has no `rules` to be compared with",
                               "write down the rules that it must have, in their order"});
  if (DurationOf(parameters, "flowTimeout", milliseconds(0)) > kLongestTry)
    reading.wrong.push_back({"`flowTimeout` is longer than 5s: several flows are tried one after another",
                             "an allowed flow answers within milliseconds; 1s to 3s are plenty"});
  return reading.wrong;
}

std::vector<Contradiction> AttachmentContradictions(const Json& policy, const Json& power_on) {
  const std::vector<std::string> filters = ListOf(policy, "filters");
  const std::string attached = TextOf(power_on, "networkFilter");
  if (filters.empty() || std::find(filters.begin(), filters.end(), attached) != filters.end()) return {};
  return {{(attached.empty() ? "`networkFilter` is missing" : "`networkFilter` is `" + attached + "`") +
               ": the machines' traffic would pass none of the `filters` that " + std::string(kValidateNetworkPolicy) +
               " checks (`" + ListInWords(filters) + "`)",
           "set `networkFilter` of power_on_target to one of them"}};
}

std::string InWords(const DeclaredFlow& flow) {
  const bool version6 = flow.host.find(':') != std::string::npos;
  return "tcp " + (version6 ? "[" + flow.host + "]" : flow.host) + ":" + std::to_string(flow.port);
}

std::vector<std::string> Differences(const std::vector<std::string>& declared, const std::vector<std::string>& there) {
  std::vector<std::string> missing = declared;
  std::vector<std::string> extra = there;
  Without(missing, there);
  Without(extra, declared);
  std::vector<std::string> differences;
  for (const std::string& rule : missing) differences.push_back("rule `" + rule + "` is missing");
  for (const std::string& rule : extra) differences.push_back("rule `" + rule + "` is not declared");
  if (!differences.empty()) return differences;
  const std::vector<std::string> wanted = RulesOnly(declared);
  const std::vector<std::string> found = RulesOnly(there);
  const auto [other, at] = std::mismatch(wanted.begin(), wanted.end(), found.begin(), found.end());
  if (other != wanted.end())
    differences.push_back("its rules are applied in another order: `" + *at + "` comes where `" + *other +
                          "` is declared");
  return differences;
}

}  // namespace vmferry
