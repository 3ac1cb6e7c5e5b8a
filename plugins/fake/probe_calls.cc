// SPDX-License-Identifier: Apache-2.0
//
// The fake as a probe. URLs: `http://HOST[:PORT]/PATH` (or https), where HOST:PORT or HOST is a key of the world's
// endpoints; and `fake://vm/NAME/PATH`, `fake://domain/NAME/PATH`, `fake://pool/NAME/PATH` without one.
// Bodies: machine.h.
#include <string_view>

#include "plugins/fake/fake_plugin.h"
#include "plugins/fake/machine.h"

namespace vmferry {
namespace {

struct SplitUrl {
  std::string scheme, host, path;
};

Result<SplitUrl> Split(const Scene& scene, const std::string& url) {
  const std::size_t colon = url.find("://");
  SplitUrl parts;
  if (colon != std::string::npos) {
    const std::size_t start = colon + 3;
    const std::size_t slash = url.find('/', start);
    parts = {url.substr(0, colon), url.substr(start, slash == std::string::npos ? slash : slash - start),
             slash == std::string::npos ? "/" : url.substr(slash)};
    parts.path = parts.path.substr(0, parts.path.find('?'));
  }
  const bool known = parts.scheme == "http" || parts.scheme == "https" || parts.scheme == "fake";
  if (!known || parts.host.empty())
    return Fail(scene, ErrorKind::kInvalid, "URL " + url, "not a URL that can be probed",
                "use http://HOST/PATH or https://HOST/PATH");
  return parts;
}

// `fake://KIND/NAME/PATH`: moves NAME from the path into an endpoint.
std::optional<FakeEndpoint> DirectEndpoint(SplitUrl& url) {
  const std::size_t slash = url.path.find('/', 1);
  const std::string name = url.path.substr(1, slash == std::string::npos ? slash : slash - 1);
  url.path = slash == std::string::npos ? "/" : url.path.substr(slash);
  if (url.host == "vm") return FakeEndpoint{name, "", "", false};
  if (url.host == "domain") return FakeEndpoint{"", name, "", false};
  if (url.host == "pool") return FakeEndpoint{"", "", name, false};
  return std::nullopt;
}

std::optional<FakeEndpoint> EndpointOf(const WorldData& world, SplitUrl& url) {
  if (url.scheme == "fake") return DirectEndpoint(url);
  auto entry = world.endpoints.find(url.host);
  if (entry == world.endpoints.end()) entry = world.endpoints.find(url.host.substr(0, url.host.find(':')));
  if (entry == world.endpoints.end()) return std::nullopt;
  return entry->second;
}

Answer Ask(const WorldData& world, const FakeEndpoint& endpoint, const std::string& path) {
  if (endpoint.receiver) {
    std::string record;
    for (const std::string& line : world.monitoring.received) record += line + "\n";
    return Answer{200, record, "", 1};
  }
  if (!endpoint.pool.empty()) {
    for (const FakeLbPool& pool : world.load_balancers)
      if (pool.name == endpoint.pool) return AskPool(world, pool, path);
    return Answer{0, "", "connection refused: there is no pool " + endpoint.pool, 0};
  }
  FakeServer machine;
  machine.vm = endpoint.vm;
  machine.domain = endpoint.domain;
  return AskServer(world, machine, path);
}

std::string WhyNot(const ProbeRequest& request, const Answer& answer) {
  if (answer.status == 0) return answer.why;
  if (answer.status != request.expect_status)
    return "status " + std::to_string(answer.status) + " instead of " + std::to_string(request.expect_status);
  if (answer.body.find(request.expect_body) == std::string::npos)
    return "the body does not contain \"" + request.expect_body + "\"";
  if (request.max_latency_ms > 0 && answer.latency_ms > request.max_latency_ms)
    return "took " + std::to_string(answer.latency_ms) + " ms, more than " + std::to_string(request.max_latency_ms);
  return "";
}

Result<ProbeReply> Probe(Scene& scene, const ProbeRequest& request) {
  Result<SplitUrl> url = Split(scene, request.url);
  if (!url) return url.error();
  const std::optional<FakeEndpoint> endpoint = EndpointOf(scene.world, *url);
  const Answer answer =
      endpoint ? Ask(scene.world, *endpoint, url->path) : Answer{0, "", "cannot resolve " + url->host, 0};
  ProbeReply reply;
  reply.why = WhyNot(request, answer);
  reply.healthy = reply.why.empty();
  reply.status = answer.status;
  reply.latency_ms = answer.latency_ms;
  reply.body = answer.body.substr(0, 256);
  return reply;
}

// A machine that answers HTTP at all has the port open.
Result<ProbeReply> TcpProbe(Scene& scene, const TcpProbeRequest& request) {
  if (request.address.find(':') == std::string::npos)
    return Fail(scene, ErrorKind::kInvalid, "address " + request.address, "is not HOST:PORT");
  SplitUrl url{"tcp", request.address, "/"};
  const std::optional<FakeEndpoint> endpoint = EndpointOf(scene.world, url);
  const Answer answer =
      endpoint ? Ask(scene.world, *endpoint, url.path) : Answer{0, "", "cannot resolve " + url.host, 0};
  ProbeReply reply;
  reply.healthy = answer.status != 0;
  reply.latency_ms = answer.latency_ms;
  reply.why = answer.status != 0 ? "" : answer.why;
  return reply;
}

}  // namespace

void FakePlugin::ServeProbe() {
  On(probe::kProbe, Probe);
  On(probe::kTcpProbe, TcpProbe);
}

}  // namespace vmferry
