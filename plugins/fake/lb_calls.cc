// SPDX-License-Identifier: Apache-2.0
//
// The fake as a load balancer: instances addressed as one, states and weights per instance, health from the machine
// behind a server.
#include <algorithm>

#include "plugins/fake/fake_plugin.h"
#include "plugins/fake/machine.h"

namespace vmferry {
namespace {

// How far a state keeps traffic away; unknown states are -1.
int Severity(const std::string& state) {
  const std::vector<std::string> order{"ready", "drain", "maint"};
  const auto found = std::find(order.begin(), order.end(), state);
  return found == order.end() ? -1 : static_cast<int>(found - order.begin());
}

Result<FakeLbPool*> ResolvePool(const Scene& scene, const std::string& name) {
  for (FakeLbPool& pool : scene.world.load_balancers)
    if (pool.name == name) return &pool;
  return Fail(scene, ErrorKind::kNotFound, "pool " + name, "the load balancer has no such pool");
}

Result<FakeServer*> ResolveServer(const Scene& scene, FakeLbPool& pool, const std::string& name) {
  for (FakeServer& server : pool.servers)
    if (server.name == name) return &server;
  return Fail(scene, ErrorKind::kNotFound, "server " + pool.name + "/" + name, "the pool has no such server");
}

bool Reachable(const FakeLbPool& pool, const std::string& instance) {
  return std::find(pool.unreachable.begin(), pool.unreachable.end(), instance) == pool.unreachable.end();
}

std::string HealthOf(const WorldData& world, const FakeServer& server) {
  if (!server.check) return "no check";
  return AskServer(world, server, "/healthz").status == 200 ? "up" : "down";
}

void LetSessionsLeave(const Scene& scene, FakeServer& server, const std::string& state) {
  if (server.sessions == 0 || server.sessions_stay || state == "ready") return;
  --server.sessions;
  Touch(scene.world);
}

LbServer FactsOf(const Scene& scene, const FakeLbPool& pool, FakeServer& server,
                 std::vector<std::string>& differences) {
  LbServer facts{server.name, server.address, "ready", HealthOf(scene.world, server), 0, 0, true};
  const FakeServerState first = server.instances[pool.instances.front()];
  facts.state = first.state;
  facts.weight = first.weight;
  for (const std::string& instance : pool.instances) {
    const FakeServerState at = server.instances[instance];
    if (Severity(at.state) > Severity(facts.state)) facts.state = at.state;
    facts.weight = std::min(facts.weight, at.weight);
    if (at.state == first.state && at.weight == first.weight) continue;
    facts.agreed = false;
    differences.push_back(instance + ": " + server.name + " is " + at.state + ", weight " + std::to_string(at.weight) +
                          "; " + pool.instances.front() + ": " + first.state + ", weight " +
                          std::to_string(first.weight));
  }
  LetSessionsLeave(scene, server, facts.state);
  facts.sessions = server.sessions;
  return facts;
}

Result<LbFacts> DescribePool(Scene& scene, const LbQuery& query) {
  const Result<FakeLbPool*> pool = ResolvePool(scene, query.pool);
  if (!pool) return pool.error();
  for (const std::string& instance : (*pool)->instances)
    if (!Reachable(**pool, instance))
      return Fail(scene, ErrorKind::kUnavailable, "instance " + instance, "connection refused");
  LbFacts facts;
  facts.pool = query.pool;
  facts.instances = (*pool)->instances;
  facts.persist = "kept in the world";
  for (FakeServer& server : (*pool)->servers)
    facts.servers.push_back(FactsOf(scene, **pool, server, facts.differences));
  return facts;
}

void SetOn(const Scene& scene, const FakeLbPool& pool, FakeServer& server, const std::string& instance,
           const SetServerRequest& request) {
  FakeServerState& at = server.instances[instance];
  const FakeServerState wanted{request.state, request.weight < 0 ? at.weight : request.weight};
  if (at.state == wanted.state && at.weight == wanted.weight) return;
  at = wanted;
  Record(scene.world, scene.call, "lb", pool.name + "/" + server.name,
         {{"instance", instance},
          {"state", at.state},
          {"weight", at.weight},
          {"machine", server.vm.empty() ? "domain " + server.domain : "VM " + server.vm},
          {"machine_on", ServerMachineOn(scene.world, server)}});
}

Status RequireRights(const Scene& scene, const FakeLbPool& pool, const std::string& object) {
  if (!pool.read_only) return Ok();
  return Fail(scene, ErrorKind::kDenied, object, "Permission denied", "give the socket `level admin`");
}

Result<Done> CheckSetServer(Scene& scene, const LbServerQuery& query) {
  const Result<FakeLbPool*> pool = ResolvePool(scene, query.pool);
  if (!pool) return pool.error();
  const Result<FakeServer*> server = ResolveServer(scene, **pool, query.server);
  if (!server) return server.error();
  const std::string object = "server " + query.pool + "/" + query.server;
  for (const std::string& instance : (*pool)->instances)
    if (!Reachable(**pool, instance))
      return Fail(scene, ErrorKind::kUnavailable, object, instance + ": connection refused");
  if (const Status rights = RequireRights(scene, **pool, object); !rights) return rights.error();
  return Done{};
}

Result<Done> SetServer(Scene& scene, const SetServerRequest& request) {
  const Result<FakeLbPool*> pool = ResolvePool(scene, request.pool);
  if (!pool) return pool.error();
  const Result<FakeServer*> server = ResolveServer(scene, **pool, request.server);
  if (!server) return server.error();
  const std::string object = "server " + request.pool + "/" + request.server;
  if (Severity(request.state) < 0)
    return Fail(scene, ErrorKind::kInvalid, object, "unknown state \"" + request.state + "\"",
                "use ready, drain or maint");
  if (const Status rights = RequireRights(scene, **pool, object); !rights) return rights.error();
  if (request.weight > 256) return Fail(scene, ErrorKind::kInvalid, object, "the weight is above 256");
  std::string took, refused;
  for (const std::string& instance : (*pool)->instances) {
    if (Reachable(**pool, instance)) SetOn(scene, **pool, **server, instance, request);
    std::string& list = Reachable(**pool, instance) ? took : refused;
    list += (list.empty() ? "" : ", ") + instance;
  }
  if (refused.empty()) return Done{};
  if (took.empty()) return Fail(scene, ErrorKind::kUnavailable, object, refused + ": connection refused");
  return Fail(scene, ErrorKind::kUnknownOutcome, object,
              "set on " + took + ", not on " + refused + ": connection refused",
              "bring " + refused + " back, then repeat");
}

}  // namespace

void FakePlugin::ServeLoadBalancer() {
  On(load_balancer::kDescribePool, DescribePool);
  On(load_balancer::kSetServer, SetServer);
  On(load_balancer::kCheckSetServer, CheckSetServer);
}

}  // namespace vmferry
