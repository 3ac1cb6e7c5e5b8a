// SPDX-License-Identifier: Apache-2.0
#include "plugins/rfc2136/exchange.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

namespace vmferry {
namespace {

constexpr std::chrono::milliseconds kPatience{10000};  // a server that is silent for so long is in trouble
constexpr std::size_t kMaxMessage = 65535;             // RFC 1035 section 4.2.2: two bytes of length before each

std::string Why(const Io& io) {
  switch (io.end) {
    case IoEnd::kTimedOut:
      return "no answer in time";
    case IoEnd::kStopped:
      return "stopped on request";
    case IoEnd::kClosed:
      return "the server closed the connection without an answer";
    default:
      return io.detail.empty() ? "the connection broke" : io.detail;
  }
}

Error Failed(const Io& io, Access access, bool sent) {
  Error error{ErrorKind::kUnavailable, "", "", Why(io), "check that the server is up and takes DNS over TCP"};
  if (access == Access::kWrite && sent) {
    error.kind = ErrorKind::kUnknownOutcome;
    error.message = "the change was sent, but " + error.message;
  } else if (access == Access::kRead && io.end == IoEnd::kTimedOut) {
    error.kind = ErrorKind::kTimedOut;
  }
  return error;
}

// The last Io when not all of it could be moved.
Io WriteAll(Connection& connection, std::span<const std::uint8_t> bytes, Deadline& deadline, bool* sent) {
  Io io;
  for (auto left = std::as_bytes(bytes); !left.empty(); left = left.subspan(io.count)) {
    io = connection.Write(left, deadline);
    if (io.end != IoEnd::kNone) return io;
    *sent = true;
  }
  return io;
}

Io ReadAll(Connection& connection, std::span<std::uint8_t> bytes, Deadline& deadline) {
  Io io;
  for (auto left = std::as_writable_bytes(bytes); !left.empty(); left = left.subspan(io.count)) {
    io = connection.Read(left, deadline);
    if (io.end != IoEnd::kNone) return io;
  }
  return io;
}

}  // namespace

Result<std::vector<std::uint8_t>> Exchange(const Url& server, const std::vector<std::uint8_t>& message, Access access,
                                           const Deadline& whole) {
  if (message.size() > kMaxMessage) return Error{ErrorKind::kInvalid, "", "", "the message is too long for DNS", ""};
  Deadline deadline(std::min(whole.Left(), kPatience), whole.stop());
  auto connection = Connection::Open(server, nullptr, deadline);
  if (!connection) return connection.error();
  std::vector<std::uint8_t> framed{static_cast<std::uint8_t>(message.size() >> 8U),
                                   static_cast<std::uint8_t>(message.size() & 0xFFU)};
  framed.insert(framed.end(), message.begin(), message.end());
  bool sent = false;
  const Io written = WriteAll(**connection, framed, deadline, &sent);
  if (written.end != IoEnd::kNone) return Failed(written, access, sent);
  std::array<std::uint8_t, 2> length{};
  const Io head = ReadAll(**connection, length, deadline);
  if (head.end != IoEnd::kNone) return Failed(head, access, sent);
  std::vector<std::uint8_t> answer((std::size_t{length[0]} << 8U) | length[1]);
  const Io body = ReadAll(**connection, answer, deadline);
  if (body.end != IoEnd::kNone) return Failed(body, access, sent);
  return answer;
}

}  // namespace vmferry
