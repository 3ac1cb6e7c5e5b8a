// SPDX-License-Identifier: Apache-2.0
//
// Connection: one TCP connection, with or without TLS, whose every wait is bounded by a Deadline. Not for direct use by
// plugins that speak HTTP (plugins/http_client.h); it knows no protocol.
//
// Sockets are non-blocking and waited for with poll(2) together with an event descriptor that a stop request makes
// readable, so that a deadline and a stop are seen at once and no thread or timer is needed beside the caller's. Names
// are resolved on a thread of their own, since getaddrinfo(3) cannot be interrupted; a call that gave up leaves that
// thread behind to end by itself.
//
// Threading: one thread at a time. Failure: Io::end says how; nothing throws.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "plugins/tls.h"
#include "plugins/url.h"
#include "state/result.h"

namespace vmferry {

// Until when a call may block, and the wish to stop it.
class Deadline {
 public:
  Deadline(std::chrono::milliseconds timeout, std::stop_token stop);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  enum class Wait { kReady, kTimedOut, kStopped };
  // Waits until `fd` has one of the poll(2) events, time is over or a stop was asked for; fd -1 just waits.
  Wait For(int fd, short events) const;
  void Restart(std::chrono::milliseconds timeout);
  // Never negative.
  std::chrono::milliseconds Left() const;
  bool stopped() const { return stop_.stop_requested(); }
  const std::stop_token& stop() const { return stop_; }

 private:
  using SteadyClock = std::chrono::steady_clock;
  struct Wake;  // writes to the event descriptor when a stop is asked for
  std::stop_token stop_;
  SteadyClock::time_point end_;
  int event_ = -1;
  std::unique_ptr<Wake> wake_;
};

enum class IoEnd {
  kNone,      // bytes were moved
  kClosed,    // the peer ended the stream in an orderly way
  kTimedOut,  // the deadline passed
  kStopped,   // a stop was asked for
  kBroken,    // anything else; Io::detail has the system's words
};
struct Io {
  std::size_t count = 0;
  IoEnd end = IoEnd::kNone;
  std::string detail;
};

class Connection {
 public:
  // Connects, and shakes hands when `tls` is given. kUnavailable, or kDenied when the certificate is refused; the
  // caller fills in Error::system.
  static Result<std::unique_ptr<Connection>> Open(const Url& server, std::shared_ptr<const TlsClient> tls,
                                                  Deadline& deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Moves at least one byte. REQUIRES: the span is not empty.
  Io Read(std::span<std::byte> buffer, Deadline& deadline);
  Io Write(std::span<const std::byte> bytes, Deadline& deadline);
  // True when nothing waits to be read and the peer has not closed: fit for another request.
  bool Quiet();

 private:
  Connection(int fd, std::shared_ptr<const TlsClient> tls);
  Status Handshake(const Url& server, Deadline& deadline);
  // What to do after SSL_get_error: wait and go on (nullopt), or end.
  std::optional<Io> Settle(int result, Deadline& deadline);
  std::optional<Io> WaitFor(short events, Deadline& deadline) const;

  const int fd_;
  std::shared_ptr<const TlsClient> tls_;
  CertificateComplaint complaint_;
  ssl_st* ssl_ = nullptr;
};

}  // namespace vmferry
