// SPDX-License-Identifier: Apache-2.0
#include "plugins/http_client.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <cctype>
#include <cstring>
#include <functional>
#include <limits>
#include <mutex>

#include "plugins/connection.h"

namespace vmferry {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace asio = boost::asio;
using boost::system::error_code;
using Parser = http::response_parser<http::buffer_body>;
using SteadyClock = std::chrono::steady_clock;

// Servers drop idle connections after 10 s and more; younger ones are used again.
constexpr std::chrono::seconds kIdleFor{8};
constexpr std::size_t kIdleConnections = 8;

// A Connection as Beast's parsers and serializers want it (a "SyncStream").
struct Wire {
  Connection& connection;
  Deadline& deadline;
  Io last;
  std::size_t written = 0;

  error_code Code() const {
    if (last.end == IoEnd::kNone) return {};
    if (last.end == IoEnd::kClosed) return asio::error::eof;
    return asio::error::connection_aborted;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& code) {
    const asio::mutable_buffer one = First<asio::mutable_buffer>(buffers);
    last = connection.Read({static_cast<std::byte*>(one.data()), one.size()}, deadline);
    code = Code();
    return last.count;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& code) {
    const asio::const_buffer one = First<asio::const_buffer>(buffers);
    if (one.size() == 0) return 0;
    last = connection.Write({static_cast<const std::byte*>(one.data()), one.size()}, deadline);
    written += last.count;
    code = Code();
    return last.count;
  }
  // Beast's concept asks for throwing forms; nothing calls them.
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    error_code code;
    const std::size_t count = read_some(buffers, code);
    if (code) throw boost::system::system_error(code);
    return count;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    error_code code;
    const std::size_t count = write_some(buffers, code);
    if (code) throw boost::system::system_error(code);
    return count;
  }

 private:
  template <class Buffer, class Buffers>
  static Buffer First(const Buffers& buffers) {
    for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers); ++at)
      if (Buffer(*at).size() > 0) return *at;
    return {};
  }
};

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string Text(boost::beast::string_view text) {
  return std::string(text.data(), text.size());
}

http::request<http::string_body> Compose(const HttpRequest& request, const Url& server) {
  http::request<http::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(request.target);
  message.set(http::field::host, server.Authority());
  message.set(http::field::user_agent, "vmferry");
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

}  // namespace

std::optional<std::string> HttpResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (SameName(key, name)) return value;
  return std::nullopt;
}

struct HttpClient::State {
  std::string system;
  Url server;
  TlsTrust trust;
  std::mutex mutex;  // guards what follows
  std::shared_ptr<const TlsClient> tls;
  struct Idle {
    std::unique_ptr<Connection> connection;
    SteadyClock::time_point since;
  };
  std::vector<Idle> idle;

  Error Failed(Error error) const {
    error.system = system;
    return error;
  }
  Result<std::shared_ptr<const TlsClient>> Tls();
  std::unique_ptr<Connection> TakeIdle();
  void GiveBack(std::unique_ptr<Connection> connection);
  Error Broken(const HttpRequest& request, const Wire& wire) const;
};

Result<std::shared_ptr<const TlsClient>> HttpClient::State::Tls() {
  if (!server.tls) return std::shared_ptr<const TlsClient>();
  const std::lock_guard lock(mutex);
  if (tls) return tls;
  auto made = TlsClient::Make(trust);
  if (!made) return Failed(made.error());
  tls = *made;
  return tls;
}

std::unique_ptr<Connection> HttpClient::State::TakeIdle() {
  for (;;) {
    Idle taken;
    {
      const std::lock_guard lock(mutex);
      if (idle.empty()) return nullptr;
      taken = std::move(idle.back());
      idle.pop_back();
    }
    if (SteadyClock::now() - taken.since < kIdleFor && taken.connection->Quiet()) return std::move(taken.connection);
  }
}

void HttpClient::State::GiveBack(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex);
  if (idle.size() < kIdleConnections) idle.push_back({std::move(connection), SteadyClock::now()});
}

// What a failed exchange means, from what is certain about it.
Error HttpClient::State::Broken(const HttpRequest& request, const Wire& wire) const {
  const std::string where = server.host + " port " + server.port + ": ";
  if (request.changes && wire.written > 0)
    return Error{ErrorKind::kUnknownOutcome, system, "", where + wire.last.detail + " after the request was sent",
                 "look whether the change was made before asking for it again"};
  if (wire.last.end == IoEnd::kTimedOut)
    return Error{wire.written > 0 ? ErrorKind::kTimedOut : ErrorKind::kUnavailable, system, "",
                 where + "no answer in time", "check whether the system is up or overloaded"};
  return Error{ErrorKind::kUnavailable, system, "", where + wire.last.detail, ""};
}

namespace {

// The body of one exchange; see HttpDownload.
class Download final : public HttpDownload {
 public:
  using GiveBack = std::function<void(std::unique_ptr<Connection>)>;
  Download(std::string system, std::string server, std::unique_ptr<Connection> connection,
           std::unique_ptr<Deadline> deadline, GiveBack give_back)
      : system_(std::move(system)),
        server_(std::move(server)),
        connection_(std::move(connection)),
        deadline_(std::move(deadline)),
        give_back_(std::move(give_back)) {}

  const HttpResponse& head() const override { return head_; }
  std::optional<std::uint64_t> content_length() const override { return content_length_; }
  Result<std::size_t> Read(std::span<std::byte> buffer, std::chrono::milliseconds idle) override {
    deadline_->Restart(idle);
    return ReadOn(buffer);
  }

  // As Read, within what is left of the deadline.
  Result<std::size_t> ReadOn(std::span<std::byte> buffer);
  // Reads the head. False: the wire failed, see wire().last, or the answer is no HTTP: see detail.
  bool ReadHead(Wire* wire, bool to_head_request, std::string* detail);
  Connection& connection() { return *connection_; }
  Deadline& deadline() { return *deadline_; }
  HttpResponse TakeHead() && { return std::move(head_); }

 private:
  Result<std::size_t> ReadCounted(std::span<std::byte> buffer);
  Result<std::size_t> ReadParsed(std::span<std::byte> buffer);
  Error Cut(const Io& io);
  void Finish();

  std::string system_, server_;
  std::unique_ptr<Connection> connection_;  // null once the body is at its end or the wire failed
  std::unique_ptr<Deadline> deadline_;
  GiveBack give_back_;
  beast::flat_buffer buffer_;
  Parser parser_;
  HttpResponse head_;
  std::optional<std::uint64_t> content_length_;
  std::uint64_t remaining_ = 0;  // of a body whose length was announced
  std::uint64_t received_ = 0;
};

bool Download::ReadHead(Wire* wire, bool to_head_request, std::string* detail) {
  error_code code;
  // Not boost::none, which Boost 1.74 takes for a limit that every length exceeds.
  parser_.body_limit(std::numeric_limits<std::uint64_t>::max());
  parser_.header_limit(256 * 1024);
  parser_.skip(to_head_request);
  http::read_header(*wire, buffer_, parser_, code);
  if (code) {
    if (wire->last.end == IoEnd::kNone) *detail = code.message();
    return false;
  }
  head_.status = static_cast<int>(parser_.get().result_int());
  head_.reason = Text(parser_.get().reason());
  for (const auto& field : parser_.get()) head_.headers.emplace_back(Text(field.name_string()), Text(field.value()));
  if (!parser_.chunked() && parser_.content_length()) {
    content_length_ = *parser_.content_length();
    remaining_ = to_head_request ? 0 : *content_length_;
  }
  if (parser_.is_done()) Finish();
  return true;
}

void Download::Finish() {
  if (connection_ && parser_.keep_alive() && buffer_.size() == 0) give_back_(std::move(connection_));
  connection_.reset();
  remaining_ = 0;
}

Error Download::Cut(const Io& io) {
  connection_.reset();
  const std::string so_far = " after " + std::to_string(received_) +
                             (content_length_ ? " of " + std::to_string(*content_length_) : std::string()) +
                             " bytes of the answer";
  const ErrorKind kind = io.end == IoEnd::kTimedOut ? ErrorKind::kTimedOut : ErrorKind::kUnavailable;
  return Error{kind, system_, "", server_ + ": " + (io.detail.empty() ? "the connection broke" : io.detail) + so_far,
               ""};
}

Result<std::size_t> Download::ReadOn(std::span<std::byte> buffer) {
  if (!connection_) return std::size_t{0};
  return content_length_ ? ReadCounted(buffer) : ReadParsed(buffer);
}

// Straight from the connection into the caller's buffer.
Result<std::size_t> Download::ReadCounted(std::span<std::byte> buffer) {
  const std::size_t most = std::min<std::uint64_t>(buffer.size(), remaining_);
  std::size_t count = std::min(most, buffer_.size());
  if (count > 0) {
    std::memcpy(buffer.data(), buffer_.data().data(), count);
    buffer_.consume(count);
  } else {
    const Io io = connection_->Read(buffer.first(most), *deadline_);
    if (io.end != IoEnd::kNone) return Cut(io);
    count = io.count;
  }
  received_ += count;
  remaining_ -= count;
  if (remaining_ == 0) Finish();
  return count;
}

// Chunked, or until the server closes.
Result<std::size_t> Download::ReadParsed(std::span<std::byte> buffer) {
  Wire wire{*connection_, *deadline_, {}, 0};
  while (!parser_.is_done()) {
    auto& body = parser_.get().body();
    body.data = buffer.data();
    body.size = buffer.size();
    error_code code;
    http::read_some(wire, buffer_, parser_, code);
    if (code && code != http::error::need_buffer) {
      if (wire.last.end != IoEnd::kNone) return Cut(wire.last);
      return Cut(Io{0, IoEnd::kBroken, code.message()});
    }
    const std::size_t count = buffer.size() - body.size;
    received_ += count;
    if (count > 0) return count;
  }
  Finish();
  return std::size_t{0};
}

}  // namespace

HttpClient::HttpClient(std::string system, Url server, TlsTrust trust) : state_(std::make_shared<State>()) {
  state_->system = std::move(system);
  state_->server = std::move(server);
  state_->trust = std::move(trust);
}

HttpClient::~HttpClient() = default;

const Url& HttpClient::server() const {
  return state_->server;
}

Result<std::unique_ptr<HttpDownload>> HttpClient::Open(const HttpRequest& request, const CallContext& context) {
  const auto tls = state_->Tls();
  if (!tls) return tls.error();
  for (;;) {
    auto deadline = std::make_unique<Deadline>(context.timeout, context.stop);
    std::unique_ptr<Connection> connection = state_->TakeIdle();
    const bool kept = connection != nullptr;
    if (!kept) {
      auto opened = Connection::Open(state_->server, *tls, *deadline);
      if (!opened) return state_->Failed(opened.error());
      connection = std::move(*opened);
    }
    auto download = std::make_unique<Download>(
        state_->system, state_->server.host + " port " + state_->server.port, std::move(connection),
        std::move(deadline), [state = state_](std::unique_ptr<Connection> back) { state->GiveBack(std::move(back)); });
    Wire wire{download->connection(), download->deadline(), {}, 0};
    error_code code;
    std::string detail;
    http::write(wire, Compose(request, state_->server), code);
    // A server may answer and close before it read everything, so an answer is looked for even then.
    if (download->ReadHead(&wire, request.method == "HEAD", &detail))
      return std::unique_ptr<HttpDownload>(std::move(download));
    if (!detail.empty() && !request.changes)
      return Error{ErrorKind::kCorrupt, state_->system, "", "the answer is not HTTP: " + detail,
                   "check that the address names an HTTP server"};
    const bool died = wire.last.end == IoEnd::kClosed || wire.last.end == IoEnd::kBroken;
    if (kept && died && !request.changes) continue;  // ends: the kept connections run out
    if (!detail.empty()) wire.last.detail = "the answer is not HTTP (" + detail + ")";
    return state_->Broken(request, wire);
  }
}

Result<HttpResponse> HttpClient::Do(const HttpRequest& request, const CallContext& context) {
  const auto start = SteadyClock::now();
  auto opened = Open(request, context);
  if (!opened) return opened.error();
  auto& download = static_cast<Download&>(**opened);
  std::string body;
  std::vector<std::byte> piece(64 * 1024);
  const auto Failed = [&](Error error) {
    // The head came, so the server acted; but what it said is lost.
    if (request.changes) error.kind = ErrorKind::kUnknownOutcome;
    return error;
  };
  for (;;) {
    const Result<std::size_t> count = download.ReadOn(piece);
    if (!count) return Failed(count.error());
    if (*count == 0) break;
    const std::size_t room = request.max_body - body.size();
    body.append(reinterpret_cast<const char*>(piece.data()), std::min(*count, room));
    if (*count <= room) continue;
    if (request.truncate) break;
    return Failed(Error{ErrorKind::kCorrupt, state_->system, "",
                        "the answer is larger than " + std::to_string(request.max_body) + " bytes", ""});
  }
  HttpResponse response = std::move(download).TakeHead();
  response.body = std::move(body);
  response.took = std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start);
  return response;
}

}  // namespace vmferry
