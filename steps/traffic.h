// SPDX-License-Identifier: Apache-2.0
//
// Traffic: taking a load balancer's server out of service and putting it back, one rung a call (steps/pending.h).
// A server comes back by way of "drain": the load balancer checks its health there but sends it no new traffic, so
// that it is never "ready" while down. States read are the worst of the instances, so "maint" alone does not say that
// no instance sends traffic: `LbServer::agreed` does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "plugins/load_balancer.h"
#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

// One server of a pool.
struct Place {
  Plugin* balancer = nullptr;
  std::string pool;
  std::string server;
};

// The place named by the parameters `loadBalancer`, `pool` and `server_parameter`; nothing if no load balancer or, for
// an optional server, no server is named; kInvalid if only a part is.
Result<std::optional<Place>> PlaceOf(const StepContext& context, std::string_view server_parameter, bool optional);

// kNotFound, listing the servers there are, if the pool lacks the server.
Result<LbServer> ReadServer(const StepContext& context, const Place& place);
// Every instance has the server, lets us change it and keeps what is set; noted in the proof, with the words for it.
void ProvePlace(const StepContext& context, const Place& place, UndoProof& proof);
Error PlaceError(const Place& place, ErrorKind kind, std::string message, std::string advice);
Json ServerImage(const LbServer& server);  // {"server", "state", "weight", "health"}

Status SetServer(const StepContext& context, const Place& place, const std::string& state, int weight);

// To "maint", by way of "drain" until no session is left or `patience` has passed. Remembers in `handle` when it began
// ("drainFromMs") and how many sessions it cut off ("sessionsCut").
Result<Pending> TakeOutOfService(const StepContext& context, const Place& place, std::chrono::milliseconds patience,
                                 Json& handle);
// To "ready" with `weight` (-1: as it is); with `when_healthy` only once the load balancer finds it healthy.
Result<Pending> PutInService(const StepContext& context, const Place& place, int weight, bool when_healthy);

}  // namespace vmferry
