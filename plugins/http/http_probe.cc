// SPDX-License-Identifier: Apache-2.0
#include "plugins/http/http_probe.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "plugins/connection.h"
#include "plugins/http_client.h"
#include "plugins/printable.h"
#include "plugins/probe.h"
#include "plugins/tls.h"
#include "plugins/url.h"

namespace vmferry {
namespace {

constexpr std::size_t kMaxBody = 1024 * 1024;  // looked at for expect_body
constexpr std::size_t kShownBody = 256;
constexpr std::size_t kMaxShownLocation = 200;

// A Host header or address that may be put into a request as it is.
bool IsPlain(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

std::string WithoutQuery(const std::string& address) {
  return address.substr(0, address.find_first_of("?#"));
}

void Complain(const std::string& why, ProbeReply* reply) {
  reply->healthy = false;
  reply->why += (reply->why.empty() ? "" : "; ") + why;
}

void CheckStatus(const ProbeRequest& request, const HttpResponse& response, ProbeReply* reply) {
  if (response.status == request.expect_status) return;
  std::string why = "status " + std::to_string(response.status);
  if (!response.reason.empty()) why += " " + Printable(response.reason, 80);
  // What follows a '?' is often a token.
  if (const auto location = response.Header("Location"); location && response.status / 100 == 3)
    why += " (a redirect to " + Printable(WithoutQuery(*location), kMaxShownLocation) + ", not followed)";
  Complain(why + " instead of " + std::to_string(request.expect_status), reply);
}

void CheckBody(const ProbeRequest& request, const HttpResponse& response, ProbeReply* reply) {
  if (response.body.find(request.expect_body) != std::string::npos) return;
  std::string why = "the body does not contain \"" + request.expect_body + "\"";
  if (response.body.size() >= kMaxBody) why += " in its first MiB";
  if (response.body.empty()) why = "the body is empty instead of containing \"" + request.expect_body + "\"";
  Complain(why, reply);
}

void CheckLatency(int max_latency_ms, ProbeReply* reply) {
  if (max_latency_ms <= 0 || reply->latency_ms <= max_latency_ms) return;
  Complain("answered in " + std::to_string(reply->latency_ms) + " ms instead of at most " +
               std::to_string(max_latency_ms) + " ms",
           reply);
}

ProbeReply Judge(const ProbeRequest& request, const HttpResponse& response) {
  ProbeReply reply;
  reply.healthy = true;
  reply.status = response.status;
  reply.latency_ms = static_cast<int>(response.took.count());
  reply.body = Printable(response.body, kShownBody);
  CheckStatus(request, response, &reply);
  CheckBody(request, response, &reply);
  CheckLatency(request.max_latency_ms, &reply);
  return reply;
}

ProbeReply NoAnswer(const Error& error) {
  ProbeReply reply;
  reply.why = "no answer: " + std::string(Name(error.kind)) + ": " + error.message;
  return reply;
}

// "HOST:PORT"; kInvalid without a port.
Result<Url> ParseAddress(const std::string& address) {
  const bool plain = IsPlain(address) && address.find('/') == std::string::npos;
  const bool has_port = address.rfind(':') != std::string::npos && !address.ends_with(':') && !address.ends_with(']');
  if (plain && has_port) return ParseUrl("http://" + address);
  return Error{ErrorKind::kInvalid, "", "address " + Printable(address, kMaxShownLocation), "is not HOST:PORT", ""};
}

class HttpProbe final : public CallTable {
 public:
  explicit HttpProbe(std::string name) : name_(std::move(name)) {
    Serve<ProbeRequest, ProbeReply>(probe::kProbe, [this](const ProbeRequest& request, const CallContext& context) {
      return Probe(request, context);
    });
    Serve<TcpProbeRequest, ProbeReply>(probe::kTcpProbe, [this](const auto& request, const auto& context) {
      return Connect(request, context);
    });
  }
  std::string system() const override { return name_ + " (http)"; }

 private:
  Result<ProbeReply> Probe(const ProbeRequest& request, const CallContext& context) const;
  Result<ProbeReply> Connect(const TcpProbeRequest& request, const CallContext& context) const;
  Error Invalid(const std::string& object, const std::string& message) const {
    return Error{ErrorKind::kInvalid, system(), object, message, ""};
  }

  std::string name_;
};

// Whoever is later than this is not healthy, so nobody waits for it; a little late still tells how late.
CallContext Patience(const CallContext& context, int max_latency_ms) {
  CallContext bounded = context;
  constexpr std::chrono::milliseconds kLate(1000);
  if (max_latency_ms > 0) bounded.timeout = std::min(context.timeout, kLate + std::chrono::milliseconds(max_latency_ms));
  return bounded;
}

Result<ProbeReply> HttpProbe::Probe(const ProbeRequest& request, const CallContext& context) const {
  const auto url = ParseUrl(request.url);
  if (!url) {
    Error error = url.error();
    error.system = system();
    return error;
  }
  const std::string object = WithoutQuery(url->Origin() + url->target);
  if (!IsPlain(request.url))
    return Invalid(Printable(object, kMaxShownLocation), "the address holds blanks or signs beyond ASCII");
  if (!IsPlain(request.host_header)) return Invalid(object, "the Host header holds blanks or signs beyond ASCII");

  HttpRequest get;
  get.target = url->target.substr(0, url->target.find('#'));
  get.headers = {{"Accept", "*/*"}, {"Connection", "close"}};
  if (!request.host_header.empty()) get.headers.emplace_back("Host", request.host_header);
  get.max_body = kMaxBody;
  get.truncate = true;
  HttpClient client(name_ + " (" + url->Origin() + ")", *url, TlsTrust{request.ca_file, request.thumbprint});
  const auto response = client.Do(get, Patience(context, request.max_latency_ms));
  if (response) return Judge(request, *response);

  Error error = response.error();
  const bool not_made = error.kind == ErrorKind::kInvalid || error.kind == ErrorKind::kDenied ||
                        error.kind == ErrorKind::kInternal || context.stop.stop_requested();
  if (!not_made) return NoAnswer(error);
  if (error.object.empty()) error.object = object;
  return error;
}

Result<ProbeReply> HttpProbe::Connect(const TcpProbeRequest& request, const CallContext& context) const {
  const auto server = ParseAddress(request.address);
  if (!server) {
    Error error = server.error();
    error.system = system();
    return error;
  }
  Deadline deadline(Patience(context, request.max_latency_ms).timeout, context.stop);
  const auto began = std::chrono::steady_clock::now();
  const auto connection = Connection::Open(*server, nullptr, deadline);
  const auto took = std::chrono::steady_clock::now() - began;
  if (!connection && context.stop.stop_requested()) {
    Error error = connection.error();
    error.system = system();
    error.object = request.address;
    return error;
  }
  if (!connection) return NoAnswer(connection.error());
  ProbeReply reply;
  reply.healthy = true;
  reply.latency_ms = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  CheckLatency(request.max_latency_ms, &reply);
  return reply;
}

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  return std::shared_ptr<Plugin>(std::make_shared<HttpProbe>(setup.name));
}

}  // namespace

PluginKind HttpKind() {
  PluginKind kind;
  kind.name = "http";
  kind.purpose = "health and smoke checks over HTTP and HTTPS (status, body, latency, certificate) and of TCP ports";
  kind.roles = {"probe"};
  // What to ask for, and whom to trust, belongs to the check; the entry itself needs nothing.
  kind.make = Make;
  return kind;
}

}  // namespace vmferry
