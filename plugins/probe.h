// SPDX-License-Identifier: Apache-2.0
//
// Role "probe": does the application answer (HTTP, TCP)? One call is one try; the step repeats it within its deadline.
#pragma once

#include <string>

#include "plugins/call.h"

namespace vmferry {

struct ProbeRequest {
  std::string url;            // http:// or https://
  int expect_status = 200;
  std::string expect_body;    // must occur in the body; empty: not looked at
  int max_latency_ms = 0;     // slower is a failure; 0: not looked at
  std::string ca_file;        // for https; empty: the system's
  std::string thumbprint;     // SHA-256 of the server's certificate, pinned instead of a CA
  std::string host_header;    // empty: from the URL
};
// An answer that is not what was expected is a reply with healthy = false, not an Error; so is a refused connection
// (the application is down). Errors are for requests that cannot be made at all.
struct ProbeReply {
  bool healthy = false;
  int status = 0;          // 0: no answer
  int latency_ms = 0;
  std::string body;        // the first 256 bytes
  std::string why;         // in words, when not healthy
};
// Is a connection accepted? Nothing is sent. The reply's status and body stay empty.
struct TcpProbeRequest {
  std::string address;     // "HOST:PORT"
  int max_latency_ms = 0;  // slower is a failure; 0: not looked at
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TcpProbeRequest, address, max_latency_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ProbeRequest, url, expect_status, expect_body, max_latency_ms, ca_file,
                                                thumbprint, host_header)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ProbeReply, healthy, status, latency_ms, body, why)

namespace probe {
inline constexpr Call<ProbeRequest, ProbeReply> kProbe{{"probe", "Probe", Access::kRead}};
inline constexpr Call<TcpProbeRequest, ProbeReply> kTcpProbe{{"probe", "TcpProbe", Access::kRead}};
}  // namespace probe

}  // namespace vmferry
