// SPDX-License-Identifier: Apache-2.0
//
// What several HAProxy instances say of one backend, as one: the worst state and health, the least weight, the sum of
// sessions, and where they differ. Pure functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "plugins/haproxy/server_table.h"
#include "plugins/load_balancer.h"

namespace vmferry::haproxy {

struct InstanceView {
  std::string instance;  // as the site names it
  std::vector<ServerRow> rows;
};

// `differences` names state, weight, address and missing servers, not health, which may differ for a moment by itself.
LbFacts MergeViews(const std::string& pool, const std::vector<InstanceView>& views);

const ServerRow* FindRow(const std::vector<ServerRow>& rows, const std::string& server);

}  // namespace vmferry::haproxy
