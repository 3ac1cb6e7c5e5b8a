// SPDX-License-Identifier: Apache-2.0
//
// Role "target platform", the calls that tell whether a guest has booted. Both only read and may be repeated; a domain
// that is not there is kNotFound, one of another key kConflict.
//
// A definition with DefineRequest::console_pool records what the guest writes on its first serial port, in a file of
// that pool, beside the terminal that people use. The record begins anew at each start of the domain, stays readable
// when the domain has stopped, and goes with the definition (EnsureUndefined).
#pragma once

#include <cstdint>
#include <string>

#include "plugins/target_platform.h"

namespace vmferry {

inline constexpr std::size_t kMostConsole = 256 * 1024;  // bytes of the end of a record that are looked at

struct ConsoleReply {
  bool recorded = false;  // false: the definition records nothing; why says what is in the way
  std::string why;
  std::uint64_t written_bytes = 0;  // the whole record
  std::string text;                 // its end, in plain lines (plugins/console_text.h)
};
// An agent that does not answer, or not yet, is a reply. A definition without a channel for one: kInvalid.
struct AgentReply {
  bool answers = false;
  std::string why;  // when it does not
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ConsoleReply, recorded, why, written_bytes, text)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AgentReply, answers, why)

namespace target {
inline constexpr Call<DomainRequest, ConsoleReply> kReadConsole{{"target", "ReadConsole", Access::kRead}};
// guest-ping: https://qemu-project.gitlab.io/qemu/interop/qemu-ga-ref.html
inline constexpr Call<DomainRequest, AgentReply> kPingAgent{{"target", "PingAgent", Access::kRead}};
}  // namespace target

}  // namespace vmferry
