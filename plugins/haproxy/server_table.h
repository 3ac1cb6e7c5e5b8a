// SPDX-License-Identifier: Apache-2.0
//
// What one HAProxy process says of the servers of a backend: `show servers state` and `show stat`, taken apart by
// the names in their headers, since columns are added with every release. Pure functions; any thread.
// Source: HAProxy management guide, sections 9.1 (CSV format) and 9.3 ("show servers state", the bit masks below).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "state/result.h"

namespace vmferry::haproxy {

// Bits of srv_admin_state.
inline constexpr int kForcedMaint = 0x01;      // set on the runtime API, or by `disabled` at start
inline constexpr int kInheritedMaint = 0x02;   // the server it tracks is in maintenance
inline constexpr int kConfiguredMaint = 0x04;  // `disabled` in the configuration; stays set after "ready"
inline constexpr int kForcedDrain = 0x08;
inline constexpr int kInheritedDrain = 0x10;
inline constexpr int kUnresolvedMaint = 0x20;  // its name does not resolve

struct ServerRow {
  std::string name;
  std::string address;  // "127.0.0.1:8081", "[::1]:80"; empty if HAProxy does not tell
  int admin = 0;        // bits above
  int operation = 0;    // srv_op_state: 0 stopped, 1 starting, 2 running, 3 stopping
  int weight = 0;
  int initial_weight = 0;
  bool checked = false;  // has a health check of its own, switched on
  int check_result = 0;  // of the latest: 0 none yet, 1 neutral, 2 failed, 3 passed, 4 passed but wants no new sessions
  bool agent = false;    // has an agent check, which may change weight and state by itself
  // From `show stat`:
  int sessions = 0;
  std::string status;        // "UP", "UP 1/3", "DRAIN", "MAINT (via web/new)", "no check"
  std::string tracks;        // "web/new"
  std::string agent_status;  // "L7OK"
};

// "ready", "drain" or "maint": what the server is, inherited states included.
std::string StateOf(int admin);
// "up", "down", "no check", or "checking": HAProxy sends it traffic, but no check has confirmed it since it came (back)
// into service, or its latest check failed and the next ones decide.
std::string HealthOf(const ServerRow& row);

// The rows of `backend` in an answer of `show servers state` (or in a state file). Errors carry only a message.
Result<std::vector<ServerRow>> ParseServersState(std::string_view text, std::string_view backend);
// Adds what `show stat BACKEND 4 -1` knows. A server that is missing there is kCorrupt.
Status AddStatistics(std::string_view csv, std::string_view backend, std::vector<ServerRow>* rows);

}  // namespace vmferry::haproxy
