// SPDX-License-Identifier: Apache-2.0
//
// RuntimeSocket: one HAProxy process's runtime API, over a Unix or TCP socket, one connection an exchange.
//
// Threading: any number of threads; an exchange keeps no state. Blocking, at most until the deadline; a stop request
// closes the connection. Repeating: an exchange is sent once.
// Failure, by what is certain:
//   kInvalid        a command that would not stay one command (line break, ';'); nothing was sent
//   kDenied         the socket's permissions refuse us; nothing was sent
//   kUnavailable    no connection (nothing was sent); or, for a read, it broke
//   kTimedOut       no answer in time to a read
//   kUnknownOutcome the connection broke, or time ran out, after a write was (partly) sent
//   kCorrupt        the answer is larger than 16 MiB
// What HAProxy answers ("No such server.") is an answer, not a failure: the caller looks at it.
// Source: HAProxy management guide, section 9.3 "Unix Socket commands": non-interactive mode, one line of commands
// separated by ';', an empty line ends the answer of each, then HAProxy closes the connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/call.h"
#include "state/result.h"

namespace vmferry::haproxy {

// Until when an exchange may block, and who may end it before.
struct Limits {
  explicit Limits(const CallContext& context)
      : deadline(std::chrono::steady_clock::now() + context.timeout), stop(context.stop) {}
  std::chrono::steady_clock::time_point deadline;
  std::stop_token stop;
};

struct RuntimeAddress {
  std::string text;  // as the site writes it: "unix:/run/haproxy/admin.sock", "tcp:127.0.0.1:9999"
  std::string path;  // of a Unix socket; empty for TCP
  std::string host;
  std::uint16_t port = 0;
};

// kInvalid for anything but unix:/ABSOLUTE/PATH and tcp:HOST:PORT (tcp:[V6]:PORT).
Result<RuntimeAddress> ParseRuntimeAddress(const std::string& text);

// True if `name` may be a backend's or server's name. Everything else is refused before it reaches a command line.
bool IsHaproxyName(std::string_view name);

class RuntimeSocket {
 public:
  RuntimeSocket(std::string system, RuntimeAddress address);

  // As the site names this instance.
  const std::string& name() const { return address_.text; }
  // Sends `commands` as one line; the answers in the same order, each without its final line break.
  Result<std::vector<std::string>> Ask(Access access, const std::vector<std::string>& commands,
                                       const Limits& limits) const;

 private:
  Error Fail(ErrorKind kind, const std::string& message, const std::string& advice = "") const;

  std::string system_;
  RuntimeAddress address_;
};

}  // namespace vmferry::haproxy
