// SPDX-License-Identifier: Apache-2.0
//
// Role "load balancer": who receives an application's traffic (HAProxy). Several instances are addressed as one: a
// write succeeds when every instance took it; a read says where they differ.
#pragma once

#include <string>
#include <vector>

#include "plugins/call.h"
#include "plugins/source_platform.h"

namespace vmferry {

struct LbQuery {
  std::string pool;  // the product's word: HAProxy's backend
};
struct LbServer {
  std::string name;
  std::string address;  // "127.0.0.1:8081"
  std::string state;    // administrative: "ready", "drain", "maint"
  std::string health;   // operational: "up", "down", "no check"; "checking": gets traffic, not confirmed by a check yet
  int weight = 0;
  int sessions = 0;    // open now, over all instances
  bool agreed = true;  // every instance has it, with the same state, address and weight
};
struct LbFacts {
  std::string pool;
  std::vector<LbServer> servers;  // state and health are the worst over the instances
  std::vector<std::string> instances;
  std::vector<std::string> differences;  // "lb2: web1 is ready, elsewhere maint"; empty if all agree
  std::string persist = "";  // how states survive a reload, in words: "state file /a/b", "not persisted: ..."
};
struct SetServerRequest {
  std::string pool;
  std::string server;
  std::string state;  // "ready", "drain", "maint"
  int weight = -1;    // -1: as it is
};

struct LbServerQuery {
  std::string pool;
  std::string server;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LbQuery, pool)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LbServerQuery, pool, server)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LbServer, name, address, state, health, weight, sessions, agreed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LbFacts, pool, servers, instances, differences, persist)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SetServerRequest, pool, server, state, weight)

namespace load_balancer {
inline constexpr Call<LbQuery, LbFacts> kDescribePool{{"load_balancer", "DescribePool", Access::kRead}};
// Sets the state (and weight) on every instance and makes it survive a reload as the site declared (`persist`).
inline constexpr Call<SetServerRequest, Done> kSetServer{{"load_balancer", "SetServer", Access::kWrite}};
// Could the server's state be set now: is it on every instance, may we change it there, can it be made to survive a
// reload? Changes nothing; its errors are those that kSetServer has before it changes anything.
inline constexpr Call<LbServerQuery, Done> kCheckSetServer{{"load_balancer", "CheckSetServer", Access::kRead}};
}  // namespace load_balancer

}  // namespace vmferry
