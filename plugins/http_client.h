// SPDX-License-Identifier: Apache-2.0
//
// HttpClient: HTTP/1.1 to one server, blocking, every call bounded by its CallContext (timeout and stop token).
// Connections are kept alive and reused; certificates are verified (plugins/tls.h); redirects are not followed; no
// header, body or cookie ever gets into an Error.
//
// Threading: any number of threads; calls at the same time use connections of their own.
// Repeating: a call is sent once. Only a request that changes nothing is sent again, once, when a kept connection
// turned out to be closed.
// Failure, by what is certain:
//   kInvalid        the CA file cannot be read, the thumbprint is malformed
//   kDenied         the server's certificate was refused; nothing was sent
//   kUnavailable    no connection, or (for a request that changes nothing) it broke
//   kTimedOut       no answer in time to a request that changes nothing
//   kUnknownOutcome the connection broke or time ran out after a request that changes something was (partly) sent
//   kCorrupt        the answer is not HTTP, or larger than allowed
// An HTTP status is an answer, not a failure: the caller looks at it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/call.h"
#include "plugins/tls.h"
#include "plugins/url.h"
#include "state/result.h"

namespace vmferry {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";  // path and query, already percent-encoded
  HttpHeaders headers;       // Host, Connection and Content-Length are added unless given
  std::string body;
  bool changes = false;                     // may change something at the server
  std::size_t max_body = 64 * 1024 * 1024;  // of the answer, for Do; larger is kCorrupt
  bool truncate = false;                    // read only the first max_body bytes of a larger answer instead
};

struct HttpResponse {
  int status = 0;
  std::string reason;
  HttpHeaders headers;
  std::string body;
  std::chrono::milliseconds took{0};  // from before connecting to the last byte read

  // The first header of that name, in any case.
  std::optional<std::string> Header(std::string_view name) const;
};

// An answer whose body is read piece by piece. One thread at a time. Destroying it drops the connection unless the
// body was read to its end.
class HttpDownload {
 public:
  virtual ~HttpDownload() = default;
  virtual const HttpResponse& head() const = 0;                     // body empty
  virtual std::optional<std::uint64_t> content_length() const = 0;  // nullopt when the server did not say
  // Waits at most `idle` for bytes; 0 means the body's end, which was announced by the server. A connection that ends
  // before is kUnavailable; nothing coming for `idle` is kTimedOut; a stop asked for (by the token given to Open) is
  // kUnavailable.
  virtual Result<std::size_t> Read(std::span<std::byte> buffer, std::chrono::milliseconds idle) = 0;
};

class HttpClient {
 public:
  // Connects at the first call. `system` starts every Error: "vmware (https://vc1/sdk)".
  HttpClient(std::string system, Url server, TlsTrust trust);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // One exchange with the whole body.
  Result<HttpResponse> Do(const HttpRequest& request, const CallContext& context);
  // One exchange up to the head. context.timeout bounds this call only; context.stop holds for the body too.
  // The download may outlive the client.
  Result<std::unique_ptr<HttpDownload>> Open(const HttpRequest& request, const CallContext& context);

  const Url& server() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace vmferry
