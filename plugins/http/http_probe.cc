// SPDX-License-Identifier: Apache-2.0
#include "plugins/http/http_probe.h"

#include <algorithm>
#include <string>
#include <utility>

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

void CheckLatency(const ProbeRequest& request, ProbeReply* reply) {
  if (request.max_latency_ms <= 0 || reply->latency_ms <= request.max_latency_ms) return;
  Complain("answered in " + std::to_string(reply->latency_ms) + " ms instead of at most " +
               std::to_string(request.max_latency_ms) + " ms",
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
  CheckLatency(request, &reply);
  return reply;
}

ProbeReply NoAnswer(const Error& error) {
  ProbeReply reply;
  reply.why = "no answer: " + std::string(Name(error.kind)) + ": " + error.message;
  return reply;
}

class HttpProbe final : public CallTable {
 public:
  explicit HttpProbe(std::string name) : name_(std::move(name)) {
    Serve<ProbeRequest, ProbeReply>(probe::kProbe, [this](const ProbeRequest& request, const CallContext& context) {
      return Probe(request, context);
    });
  }
  std::string system() const override { return name_ + " (http)"; }

 private:
  Result<ProbeReply> Probe(const ProbeRequest& request, const CallContext& context) const;
  Error Invalid(const std::string& object, const std::string& message) const {
    return Error{ErrorKind::kInvalid, system(), object, message, ""};
  }

  std::string name_;
};

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
  const auto response = client.Do(get, context);
  if (response) return Judge(request, *response);

  Error error = response.error();
  const bool not_made = error.kind == ErrorKind::kInvalid || error.kind == ErrorKind::kDenied ||
                        error.kind == ErrorKind::kInternal || context.stop.stop_requested();
  if (!not_made) return NoAnswer(error);
  if (error.object.empty()) error.object = object;
  return error;
}

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  return std::shared_ptr<Plugin>(std::make_shared<HttpProbe>(setup.name));
}

}  // namespace

PluginKind HttpKind() {
  PluginKind kind;
  kind.name = "http";
  kind.purpose = "health and smoke checks over HTTP and HTTPS: status, body, latency, certificate";
  kind.roles = {"probe"};
  // What to ask for, and whom to trust, belongs to the check; the entry itself needs nothing.
  kind.make = Make;
  return kind;
}

}  // namespace vmferry
