// SPDX-License-Identifier: Apache-2.0
#include "steps/traffic.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kDrainPoll{500};
constexpr milliseconds kHealthPoll{1000};
constexpr milliseconds kAfterChange{200};

std::string ObjectOf(const Place& place) {
  return "server " + place.pool + "/" + place.server;
}

bool Healthy(const LbServer& server) {
  return server.health == "up" || server.health == "no check";
}

Pending Wait(milliseconds after, std::string text) {
  return Progress::NotYet(after, std::move(text));
}

Result<LbFacts> ReadPool(const StepContext& context, const Place& place) {
  return Invoke(*place.balancer, load_balancer::kDescribePool, LbQuery{place.pool}, context.call);
}

}  // namespace

Error PlaceError(const Place& place, ErrorKind kind, std::string message, std::string advice) {
  return Error{kind, place.balancer->system(), ObjectOf(place), std::move(message), std::move(advice)};
}

Result<std::optional<Place>> PlaceOf(const StepContext& context, std::string_view server_parameter, bool optional) {
  const std::string service = TextOf(context.parameters, "loadBalancer");
  Place place{nullptr, TextOf(context.parameters, "pool"), TextOf(context.parameters, server_parameter)};
  if (service.empty() || (optional && place.server.empty())) return std::optional<Place>();
  const Result<Plugin*> balancer = ServiceOf(context, "loadBalancer");
  if (!balancer) return balancer.error();
  place.balancer = *balancer;
  if (!place.pool.empty() && !place.server.empty()) return std::optional<Place>(place);
  const std::string missing = place.pool.empty() ? "pool" : std::string(server_parameter);
  return Error{ErrorKind::kInvalid, place.balancer->system(), "", "the step names a load balancer but no " + missing,
               "add the parameter `" + missing + "` in the runbook or the site file"};
}

Result<LbServer> ReadServer(const StepContext& context, const Place& place) {
  const Result<LbFacts> pool = ReadPool(context, place);
  if (!pool) return pool.error();
  std::vector<std::string> names;
  for (const LbServer& server : pool->servers) {
    if (server.name == place.server) return server;
    names.push_back(server.name);
  }
  return PlaceError(place, ErrorKind::kNotFound, "the pool has no such server, only " + ListInWords(names),
                    "correct the server's name in the site file, or add it to the load balancer");
}

void ProvePlace(const StepContext& context, const Place& place, UndoProof& proof) {
  const Result<LbServer> server = ReadServer(context, place);
  if (!server) return Note(proof, server.error());
  if (!server->agreed)
    Note(proof, PlaceError(place, ErrorKind::kConflict, "the load balancer's instances differ about it",
                           "bring the instances to the same state first"));
  const auto settable =
      Invoke(*place.balancer, load_balancer::kCheckSetServer, LbServerQuery{place.pool, place.server}, context.call);
  if (!settable) return Note(proof, settable.error());
  Prove(proof, ObjectOf(place) + " is " + server->state + " and can be set on every instance");
}

Json ServerImage(const LbServer& server) {
  return {{"server", server.name}, {"state", server.state}, {"weight", server.weight}, {"health", server.health}};
}

Status SetServer(const StepContext& context, const Place& place, const std::string& state, int weight) {
  const auto reply = Invoke(*place.balancer, load_balancer::kSetServer,
                            SetServerRequest{place.pool, place.server, state, weight}, context.call);
  if (!reply) return reply.error();
  return Ok();
}

Result<Pending> TakeOutOfService(const StepContext& context, const Place& place, milliseconds patience, Json& handle) {
  const Result<LbServer> server = ReadServer(context, place);
  if (!server) return server.error();
  const bool closed_by_us = Member(handle, "sessionsCut").is_number();
  if (server->state == "maint" && (server->agreed || closed_by_us)) return Pending();
  const bool begun = Member(handle, "drainFromMs").is_number();
  if (server->state == "ready" || (server->state == "drain" && !begun)) {
    const Status drained = SetServer(context, place, "drain", -1);
    if (!drained) return drained.error();
    if (!begun) handle["drainFromMs"] = context.elapsed.count();
    return Pending(WithHandle(context, Progress::NotYet(kAfterChange, "draining " + ObjectOf(place)), handle));
  }
  const milliseconds waited = WaitedSince(context, handle["drainFromMs"]);
  if (server->state == "drain" && server->sessions > 0 && waited < patience) {
    Progress progress =
        Progress::NotYet(kDrainPoll, "draining " + ObjectOf(place) + ": " +
                                         CountInWords(static_cast<std::size_t>(server->sessions), "session") + " left");
    progress.meter.unit = "sessions";
    return Pending(WithHandle(context, std::move(progress), handle));
  }
  handle["sessionsCut"] = server->sessions;
  const Status closed = SetServer(context, place, "maint", -1);
  if (!closed) return closed.error();
  return Pending(
      WithHandle(context, Progress::NotYet(milliseconds(0), ObjectOf(place) + " is out of service"), handle));
}

Result<Pending> PutInService(const StepContext& context, const Place& place, int weight, bool when_healthy) {
  const Result<LbServer> server = ReadServer(context, place);
  if (!server) return server.error();
  const LbServer& facts = *server;
  const bool weighted = weight < 0 || facts.weight == weight;
  const bool ready = facts.state == "ready" && weighted;  // the worst of the instances: all are ready
  const bool checked = !when_healthy || Healthy(facts);
  if (ready && checked) return Pending();
  const std::string waiting = "waiting until the load balancer finds " + ObjectOf(place) + " healthy (" + facts.health +
                              ", " + facts.state + ")";
  if (ready) return Wait(kHealthPoll, waiting);
  if (facts.state == "drain" && !checked) return Wait(kHealthPoll, waiting);
  const std::string next = facts.state == "maint" && when_healthy ? "drain" : "ready";
  const Status set = SetServer(context, place, next, weight);
  if (!set) return set.error();
  return Wait(kAfterChange, ObjectOf(place) + " is " + next);
}

}  // namespace vmferry
