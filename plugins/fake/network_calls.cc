// SPDX-License-Identifier: Apache-2.0
//
// The fake's networks and filters (role "target") and flows (role "flow"). A flow that the world does not know is
// filtered; one whose outcome is "unresolved" proves nothing.
#include <algorithm>

#include "plugins/fake/fake_plugin.h"
#include "plugins/flow.h"
#include "plugins/target_network.h"

namespace vmferry {
namespace {

bool Has(const std::vector<std::string>& list, const std::string& entry) {
  return std::find(list.begin(), list.end(), entry) != list.end();
}

Result<NetworkFacts> DescribeNetwork(Scene& scene, const NetworkQuery& query) {
  if (query.network == "user") return NetworkFacts{true, true};
  const std::string name = query.network.substr(query.network.find(':') + 1);
  if (name == query.network || name.empty())
    return Fail(scene, ErrorKind::kInvalid, "network " + query.network, "is no network mapping");
  const FakeHost& host = scene.world.host;
  return NetworkFacts{Has(host.networks, name), Has(host.networks, name) && !Has(host.inactive_networks, name)};
}

Result<FilterFacts> DescribeFilter(Scene& scene, const FilterQuery& query) {
  for (const FakeFilter& filter : scene.world.host.filters)
    if (filter.name == query.filter) return FilterFacts{true, filter.rules};
  return FilterFacts{};
}

Result<FlowReply> Try(Scene& scene, const FlowRequest& request) {
  const std::string address = request.host + ":" + std::to_string(request.port);
  if (request.host.empty() || request.port <= 0 || request.port > 65535)
    return Fail(scene, ErrorKind::kInvalid, "tcp " + address, "not an address that can be tried");
  const auto known = scene.world.host.flows.find(address);
  const std::string outcome = known == scene.world.host.flows.end() ? "filtered" : known->second;
  if (outcome == "unresolved")
    return Fail(scene, ErrorKind::kUnavailable, "tcp " + address, "the host's name does not resolve");
  const bool connected = outcome == "connected";
  return FlowReply{connected, outcome, connected ? "" : "the connection is " + outcome};
}

}  // namespace

void FakePlugin::ServeNetworks() {
  On(target::kDescribeNetwork, DescribeNetwork);
  On(target::kDescribeFilter, DescribeFilter);
  On(flow::kTry, Try);
}

}  // namespace vmferry
