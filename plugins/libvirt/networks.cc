// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/networks.h"

#include <libvirt/virterror.h>

#include <algorithm>
#include <pugixml.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/filter_rule.h"
#include "plugins/libvirt/handles.h"
#include "plugins/printable.h"

namespace vmferry::libvirt {
namespace {

using FilterHandle = std::unique_ptr<virNWFilter, FreeBy<virNWFilterFree>>;

constexpr int kStandardPriority = 500;
constexpr std::size_t kLongestWord = 200;
constexpr std::size_t kMostRules = 1000;

// From the pair of attributes PREFIXipaddr and PREFIXipmask. One that is not to be understood stays among the others.
std::string Network(const pugi::xml_node& protocol, const std::string& prefix) {
  const pugi::xml_attribute address = protocol.attribute((prefix + "ipaddr").c_str());
  if (!address) return "";
  const std::string mask = protocol.attribute((prefix + "ipmask").c_str()).value();
  const Result<std::string> network = CanonicalNetwork(address.value(), mask);
  return network ? *network : Printable(std::string(address.value()) + "/" + mask, kLongestWord);
}

std::string Ports(const pugi::xml_node& protocol) {
  const std::string first = protocol.attribute("dstportstart").value();
  const std::string last = protocol.attribute("dstportend").value();
  return last.empty() || last == first ? first : first + "-" + last;
}

void AddAttributes(const pugi::xml_node& node, const std::vector<std::string_view>& known, FilterRule& rule) {
  for (const pugi::xml_attribute attribute : node.attributes())
    if (std::find(known.begin(), known.end(), attribute.name()) == known.end())
      rule.attributes.push_back(Printable(std::string(attribute.name()) + "=" + attribute.value(), kLongestWord));
}

FilterRule ReadRule(const pugi::xml_node& node) {
  FilterRule rule;
  rule.direction = Printable(node.attribute("direction").value(), kLongestWord);
  rule.action = Printable(node.attribute("action").value(), kLongestWord);
  const pugi::xml_node protocol =
      node.find_child([](const pugi::xml_node& child) { return child.type() == pugi::node_element; });
  rule.protocol = protocol ? Printable(protocol.name(), kLongestWord) : "any";
  rule.ports = Printable(Ports(protocol), kLongestWord);
  rule.from = Network(protocol, "src");
  rule.to = Network(protocol, "dst");
  AddAttributes(node, {"action", "direction", "priority"}, rule);
  AddAttributes(protocol, {"srcipaddr", "srcipmask", "dstipaddr", "dstipmask", "dstportstart", "dstportend", "comment"},
                rule);
  return rule;
}

Error NoFilters(const Session& session, const Failure& failure, const std::string& object) {
  const bool unsupported = failure.code == VIR_ERR_NO_SUPPORT;
  return session.Fail(failure, object, "cannot be looked up",
                      unsupported ? "network filters exist only in the system daemon: use qemu:///system with the "
                                    "nwfilter driver, or leave `filters` out and prove the policy by `allow` and `deny`"
                                  : "");
}

Result<NetworkFacts> LookAtNetwork(const Session& session, const std::string& name) {
  const NetworkHandle network(virNetworkLookupByName(session.get(), name.c_str()));
  if (network) return NetworkFacts{true, virNetworkIsActive(network.get()) == 1};
  const Failure failure = LastFailure();
  if (failure.code == VIR_ERR_NO_NETWORK) return NetworkFacts{};
  return session.Fail(failure, "network " + name, "cannot be looked up");
}

Result<NetworkFacts> LookAtBridge(const Session& session, const std::string& name) {
  const InterfaceHandle bridge(virInterfaceLookupByName(session.get(), name.c_str()));
  if (bridge) return NetworkFacts{true, virInterfaceIsActive(bridge.get()) == 1};
  const Failure failure = LastFailure();
  if (failure.code == VIR_ERR_NO_INTERFACE) return NetworkFacts{};
  return session.Fail(failure, "bridge " + name, "cannot be looked up",
                      "define a libvirt network over the bridge and map to that, so that it can be checked");
}

}  // namespace

Result<FilterFacts> ParseFilter(const std::string& xml) {
  pugi::xml_document document;
  const bool parsed = document.load_string(xml.c_str());
  const pugi::xml_node filter = document.child("filter");
  if (!parsed || !filter) return Error{ErrorKind::kCorrupt, "", "", "its XML is not that of a filter", ""};
  FilterFacts facts;
  facts.exists = true;
  std::vector<std::pair<int, std::string>> rules;
  for (const pugi::xml_node rule : filter.children("rule"))
    rules.emplace_back(rule.attribute("priority").as_int(kStandardPriority), FilterRuleText(ReadRule(rule)));
  if (rules.size() > kMostRules)
    return Error{ErrorKind::kInvalid, "", "", "it has more than " + std::to_string(kMostRules) + " rules", ""};
  std::stable_sort(rules.begin(), rules.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [priority, text] : rules) facts.rules.push_back(std::move(text));
  for (const pugi::xml_node other : filter.children("filterref"))
    facts.rules.push_back("include " + Printable(other.attribute("filter").value(), kLongestWord));
  return facts;
}

Result<NetworkFacts> DescribeNetwork(const Session& session, const NetworkQuery& query) {
  if (query.network == "user") return NetworkFacts{true, true};
  if (query.network.starts_with("network:")) return LookAtNetwork(session, query.network.substr(8));
  if (query.network.starts_with("bridge:")) return LookAtBridge(session, query.network.substr(7));
  return session.Refuse(ErrorKind::kInvalid, "network " + query.network, "is no network mapping",
                        "use network:NAME, bridge:NAME or user");
}

Result<FilterFacts> DescribeFilter(const Session& session, const FilterQuery& query) {
  const std::string object = "filter " + query.filter;
  const FilterHandle filter(virNWFilterLookupByName(session.get(), query.filter.c_str()));
  if (!filter) {
    const Failure failure = LastFailure();
    if (failure.code == VIR_ERR_NO_NWFILTER) return FilterFacts{};
    return NoFilters(session, failure, object);
  }
  const Text xml(virNWFilterGetXMLDesc(filter.get(), 0));
  if (!xml) return session.Fail(object, "cannot be described");
  Result<FilterFacts> facts = ParseFilter(xml.str());
  if (!facts) return session.Refuse(facts.error().kind, object, facts.error().message);
  return facts;
}

}  // namespace vmferry::libvirt
