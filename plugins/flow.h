// SPDX-License-Identifier: Apache-2.0
//
// Role "flow": does a connection come about between where the plugin is and an address? One call is one try; nothing
// is sent over it. Only TCP: of UDP, silence proves nothing.
#pragma once

#include <string>

#include "plugins/call.h"

namespace vmferry {

struct FlowRequest {
  std::string host;  // name or address; IPv6 without brackets
  int port = 0;
  int timeout_ms = 3000;  // an answer that takes longer is none; the call's own time bounds it too
};
// A connection that does not come about is a reply. Errors are for tries that prove nothing: a name that does not
// resolve, no route from here, a stop, silence for less than `timeout_ms` (kUnavailable).
struct FlowReply {
  bool connected = false;
  std::string outcome;  // "connected"; "refused" by the host; "rejected" on the way; "filtered": silence
  std::string why;      // in the system's words, when not connected
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FlowRequest, host, port, timeout_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FlowReply, connected, outcome, why)

namespace flow {
inline constexpr Call<FlowRequest, FlowReply> kTry{{"flow", "Try", Access::kRead}};
}  // namespace flow

}  // namespace vmferry
