// SPDX-License-Identifier: Apache-2.0
#include "plugins/haproxy/runtime_socket.h"

#include <utility>
// Asio of Boost 1.74 needs <utility> before it.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <future>
#include <optional>
#include <system_error>
#include <thread>

namespace vmferry::haproxy {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using GenericEndpoint = asio::generic::stream_protocol::endpoint;

constexpr std::size_t kMaxAnswerBytes = 16 * 1024 * 1024;
constexpr std::size_t kMaxNameLength = 255;

// One connection, its operations run to their end, to the deadline or to a stop request, whichever comes first.
class Connection {
 public:
  explicit Connection(const Limits& limits) : limits_(limits), socket_(io_) {}

  // To the first of `endpoints` that accepts.
  error_code Connect(const std::vector<GenericEndpoint>& endpoints) {
    error_code error = asio::error::host_not_found;
    for (const GenericEndpoint& endpoint : endpoints) {
      Close();
      error = Run([&](auto done) { socket_.async_connect(endpoint, [done](error_code e) { done(e); }); });
      if (!error) break;
    }
    return error;
  }
  error_code Write(const std::string& line) {
    return Run([&](auto done) {
      asio::async_write(socket_, asio::buffer(line), [done](error_code error, std::size_t) { done(error); });
    });
  }
  // All there is until HAProxy closes: asio::error::eof is the good end.
  error_code ReadAll(std::string* text) {
    return Run([&](auto done) {
      asio::async_read(socket_, asio::dynamic_buffer(*text, kMaxAnswerBytes), asio::transfer_all(),
                       [done](error_code error, std::size_t) { done(error); });
    });
  }

 private:
  template <class Start>
  error_code Run(Start start) {
    error_code result = asio::error::timed_out;
    if (limits_.stop.stop_requested()) return asio::error::operation_aborted;
    io_.restart();
    start([&result](error_code error) { result = error; });
    {
      std::stop_callback on_stop(limits_.stop, [this] { asio::post(io_, [this] { Close(); }); });
      io_.run_until(limits_.deadline);
    }
    if (io_.stopped()) return result;
    Close();
    io_.run();
    return asio::error::timed_out;
  }
  void Close() {
    error_code ignored;
    socket_.close(ignored);
  }

  const Limits& limits_;
  asio::io_context io_;
  asio::generic::stream_protocol::socket socket_;
};

// A name server may take longer than the caller may wait, and getaddrinfo cannot be cancelled: it gets a thread of
// its own, which ends by itself when the answer nobody waits for any more arrives.
error_code Resolve(const RuntimeAddress& address, const Limits& limits, std::vector<GenericEndpoint>* endpoints) {
  using Answer = std::pair<error_code, std::vector<GenericEndpoint>>;
  std::promise<Answer> promise;
  std::future<Answer> future = promise.get_future();
  std::thread([promise = std::move(promise), host = address.host, port = address.port]() mutable {
    asio::io_context io;
    Answer answer;
    for (const auto& entry : asio::ip::tcp::resolver(io).resolve(host, std::to_string(port), answer.first))
      answer.second.emplace_back(entry.endpoint());
    promise.set_value(std::move(answer));
  }).detach();
  if (future.wait_until(limits.deadline) != std::future_status::ready) return asio::error::timed_out;
  Answer answer = future.get();
  *endpoints = std::move(answer.second);
  return answer.first;
}

error_code FindEndpoints(const RuntimeAddress& address, const Limits& limits, std::vector<GenericEndpoint>* endpoints) {
  if (!address.path.empty()) {
    endpoints->emplace_back(asio::local::stream_protocol::endpoint(address.path));
    return {};
  }
  error_code error;
  const auto literal = asio::ip::make_address(address.host, error);
  if (error) return Resolve(address, limits, endpoints);
  endpoints->emplace_back(asio::ip::tcp::endpoint(literal, address.port));
  return {};
}

// Splits at the empty line that ends each answer. nullopt if the text ends before the last one does: the connection
// was cut.
std::optional<std::vector<std::string>> SplitAnswers(const std::string& text, std::size_t count) {
  std::vector<std::string> answers(1);
  std::size_t at = 0;
  while (at < text.size() && answers.size() <= count) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) return std::nullopt;
    if (end == at) {
      answers.emplace_back();
    } else {
      std::string& answer = answers.back();
      if (!answer.empty()) answer += '\n';
      answer.append(text, at, end - at);
    }
    at = end + 1;
  }
  if (answers.size() != count + 1) return std::nullopt;
  answers.pop_back();
  return answers;
}

Error BadAddress(const std::string& text, const std::string& why) {
  return Error{ErrorKind::kInvalid, "", "instance " + text, why,
               "write unix:/run/haproxy/admin.sock or tcp:HOST:PORT, as in HAProxy's `stats socket` line"};
}

}  // namespace

Result<RuntimeAddress> ParseRuntimeAddress(const std::string& text) {
  RuntimeAddress address;
  address.text = text;
  if (text.starts_with("unix:")) {
    address.path = text.substr(5);
    if (!address.path.starts_with('/')) return BadAddress(text, "the socket's path is not absolute");
    // sockaddr_un has room for 107 bytes.
    if (address.path.size() > 107) return BadAddress(text, "the socket's path is longer than the system allows");
    return address;
  }
  if (!text.starts_with("tcp:")) return BadAddress(text, "neither unix: nor tcp:");
  const std::size_t colon = text.rfind(':');
  address.host = colon > 4 ? text.substr(4, colon - 4) : "";
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  if (address.host.empty()) return BadAddress(text, "no host");
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || stop != end || address.port == 0) return BadAddress(text, "no port between 1 and 65535");
  return address;
}

bool IsHaproxyName(std::string_view name) {
  // HAProxy's own rule for names (configuration manual, section 4): letters, digits, '-', '_', '.' and ':'.
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == ':';
  };
  return !name.empty() && name.size() <= kMaxNameLength && std::all_of(name.begin(), name.end(), allowed);
}

RuntimeSocket::RuntimeSocket(std::string system, RuntimeAddress address)
    : system_(std::move(system)), address_(std::move(address)) {}

Error RuntimeSocket::Fail(ErrorKind kind, const std::string& message, const std::string& advice) const {
  return Error{kind, system_, "instance " + address_.text, message, advice};
}

Result<std::vector<std::string>> RuntimeSocket::Ask(Access access, const std::vector<std::string>& commands,
                                                    const Limits& limits) const {
  std::string line;
  for (const std::string& command : commands) {
    if (command.find_first_of(";\n\r\\<") != std::string::npos)
      return Fail(ErrorKind::kInvalid, "a command holds a separator; refused");
    line += (line.empty() ? "" : ";") + command;
  }
  line += '\n';

  std::vector<GenericEndpoint> endpoints;
  Connection connection(limits);
  error_code error = FindEndpoints(address_, limits, &endpoints);
  if (!error) error = connection.Connect(endpoints);
  if (error == asio::error::access_denied)
    return Fail(ErrorKind::kDenied, "cannot connect: " + error.message(),
                "let vmferry's user into the socket's group (`stats socket ... group G mode 660 level admin`)");
  if (error)
    return Fail(ErrorKind::kUnavailable, "cannot connect: " + error.message(),
                "check that HAProxy runs there with a matching `stats socket` line");

  std::string text;
  error = connection.Write(line);
  if (!error) error = connection.ReadAll(&text);
  if (!error) return Fail(ErrorKind::kCorrupt, "the answer is larger than 16 MiB");
  const auto answers = SplitAnswers(text, commands.size());
  if (answers) return *answers;
  const std::string why = error == asio::error::eof ? "the connection was closed in mid-answer" : error.message();
  if (access == Access::kWrite)
    return Fail(ErrorKind::kUnknownOutcome, "no complete answer to a change: " + why, "look at the server's state");
  return Fail(error == asio::error::timed_out ? ErrorKind::kTimedOut : ErrorKind::kUnavailable, "no answer: " + why);
}

}  // namespace vmferry::haproxy
