// SPDX-License-Identifier: Apache-2.0
#include "plugins/haproxy/pool.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace vmferry::haproxy {
namespace {

constexpr std::array<std::string_view, 3> kStates{"ready", "drain", "maint"};
constexpr std::array<std::string_view, 4> kHealths{"up", "no check", "checking", "down"};

// The later in `order` of the two.
template <std::size_t N>
std::string Worse(const std::array<std::string_view, N>& order, const std::string& a, const std::string& b) {
  return std::find(order.begin(), order.end(), a) < std::find(order.begin(), order.end(), b) ? b : a;
}

LbServer AsServer(const ServerRow& row) {
  LbServer server;
  server.name = row.name;
  server.address = row.address;
  server.state = StateOf(row.admin);
  server.health = HealthOf(row);
  server.weight = row.weight;
  return server;
}

void Add(const ServerRow& row, LbFacts* facts) {
  auto server = std::find_if(facts->servers.begin(), facts->servers.end(),
                             [&](const LbServer& known) { return known.name == row.name; });
  if (server == facts->servers.end()) server = facts->servers.insert(server, AsServer(row));
  server->state = Worse(kStates, server->state, StateOf(row.admin));
  server->health = Worse(kHealths, server->health, HealthOf(row));
  server->weight = std::min(server->weight, row.weight);
  server->sessions += row.sessions;
}

// How an instance's row (null: it has none) differs from what the instances say together.
std::vector<std::string> DifferencesOf(const ServerRow* row, const LbServer& merged) {
  if (row == nullptr) return {"is not there, elsewhere it is"};
  std::vector<std::string> differences;
  const std::string state = StateOf(row->admin);
  if (state != merged.state) differences.push_back("is " + state + ", elsewhere " + merged.state);
  if (row->address != merged.address)
    differences.push_back("is at " + row->address + ", elsewhere at " + merged.address);
  if (row->weight != merged.weight)
    differences.push_back("has weight " + std::to_string(row->weight) + ", elsewhere " + std::to_string(merged.weight));
  return differences;
}

// REQUIRES: facts are complete
void Compare(const InstanceView& view, LbFacts* facts) {
  for (LbServer& merged : facts->servers) {
    for (const std::string& difference : DifferencesOf(FindRow(view.rows, merged.name), merged)) {
      merged.agreed = false;
      facts->differences.push_back(view.instance + ": " + merged.name + " " + difference);
    }
  }
}

}  // namespace

const ServerRow* FindRow(const std::vector<ServerRow>& rows, const std::string& server) {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const ServerRow& known) { return known.name == server; });
  return row == rows.end() ? nullptr : &*row;
}

LbFacts MergeViews(const std::string& pool, const std::vector<InstanceView>& views) {
  LbFacts facts;
  facts.pool = pool;
  for (const InstanceView& view : views) {
    facts.instances.push_back(view.instance);
    for (const ServerRow& row : view.rows) Add(row, &facts);
  }
  for (const InstanceView& view : views) Compare(view, &facts);
  return facts;
}

}  // namespace vmferry::haproxy
