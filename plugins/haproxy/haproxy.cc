// SPDX-License-Identifier: Apache-2.0
#include "plugins/haproxy/haproxy.h"

#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "plugins/haproxy/persist.h"
#include "plugins/haproxy/pool.h"
#include "plugins/haproxy/runtime_socket.h"
#include "plugins/haproxy/server_table.h"
#include "plugins/load_balancer.h"
#include "plugins/printable.h"
#include "plugins/text.h"

namespace vmferry {
namespace haproxy {
namespace {

constexpr int kMaxWeight = 256;

class HaproxyPlugin final : public CallTable {
 public:
  HaproxyPlugin(const std::string& name, const std::vector<RuntimeAddress>& addresses, Persist persist)
      : persist_(std::move(persist)) {
    std::vector<std::string> names;
    for (const RuntimeAddress& address : addresses) names.push_back(address.text);
    system_ = name + " (haproxy " + Joined(names) + ")";
    for (const RuntimeAddress& address : addresses) instances_.emplace_back(system_, address);
    Serve<LbQuery, LbFacts>(load_balancer::kDescribePool, [this](const LbQuery& query, const CallContext& context) {
      return Describe(query, context);
    });
    Serve<SetServerRequest, Done>(
        load_balancer::kSetServer,
        [this](const SetServerRequest& request, const CallContext& context) { return Set(request, context); });
    Serve<LbServerQuery, Done>(load_balancer::kCheckSetServer,
                               [this](const LbServerQuery& query, const CallContext& context) -> Result<Done> {
                                 const Status good = Check({query.pool, query.server, "maint", -1}, Limits(context));
                                 if (!good) return good.error();
                                 return Done{};
                               });
  }
  std::string system() const override { return system_; }

 private:
  Result<LbFacts> Describe(const LbQuery& query, const CallContext& context) const;
  Result<Done> Set(const SetServerRequest& request, const CallContext& context) const;

  Result<InstanceView> View(const RuntimeSocket& instance, const std::string& pool, const Limits& limits) const;
  Status Check(const SetServerRequest& request, const Limits& limits) const;
  Status CheckRequest(const SetServerRequest& request) const;
  Status CheckInstance(const RuntimeSocket& instance, const SetServerRequest& request, const Limits& limits) const;
  Status Write(const SetServerRequest& request, const Limits& limits) const;
  Status WriteOne(const RuntimeSocket& instance, const SetServerRequest& request, const Limits& limits) const;
  Status Verify(const RuntimeSocket& instance, const SetServerRequest& request, const Limits& limits) const;
  Status Keep(const SetServerRequest& request, const Limits& limits) const;

  Error Refused(const std::string& object, const std::string& instance, std::string answer) const;
  Error NoSuchServer(const std::string& instance, const std::string& server, const InstanceView& view) const;
  Error NoSuchPool(const std::string& instance, const std::string& pool, const std::string& words) const;
  Error Named(Error error, const std::string& object) const;
  static std::string ServerObject(const SetServerRequest& request) {
    return "server " + request.pool + "/" + request.server;
  }

  std::string system_;
  std::vector<RuntimeSocket> instances_;
  Persist persist_;
};

Error HaproxyPlugin::Named(Error error, const std::string& object) const {
  error.system = system_;
  error.object = error.object.empty() ? object : object + ", " + error.object;
  return error;
}

Error HaproxyPlugin::NoSuchPool(const std::string& instance, const std::string& pool, const std::string& words) const {
  return Error{ErrorKind::kNotFound, system_, "backend " + pool + ", instance " + instance, words,
               "the name is that of a `backend` or `listen` section; `show backend` lists them"};
}

Error HaproxyPlugin::NoSuchServer(const std::string& instance, const std::string& server,
                                  const InstanceView& view) const {
  std::vector<std::string> names;
  for (const ServerRow& row : view.rows) names.push_back(row.name);
  return Error{ErrorKind::kNotFound, system_, "server " + server + ", instance " + instance, "No such server.",
               names.empty() ? "the backend has no servers" : "its servers are " + Joined(names)};
}

// HAProxy answers a command it does not carry out with words; which are in its sources, src/server.c and src/cli.c.
Error HaproxyPlugin::Refused(const std::string& object, const std::string& instance, std::string answer) const {
  Error error{ErrorKind::kInvalid, system_, object + ", instance " + instance, std::move(answer), ""};
  if (error.message.starts_with("Permission denied")) {
    error.kind = ErrorKind::kDenied;
    error.advice = "give the socket `level admin` in HAProxy's `stats socket` line";
  } else if (error.message.starts_with("No such")) {
    error.kind = ErrorKind::kNotFound;
    error.advice = "check the names of backend and server";
  }
  error.message = Printable(error.message, 300);  // an unknown command is answered with the whole help
  return error;
}

Result<InstanceView> HaproxyPlugin::View(const RuntimeSocket& instance, const std::string& pool,
                                         const Limits& limits) const {
  const auto answers =
      instance.Ask(Access::kRead, {"show servers state " + pool, "show stat " + pool + " 4 -1"}, limits);
  if (!answers) return Named(answers.error(), "backend " + pool);
  const std::string& states = (*answers)[0];
  if (states.starts_with("Can't find backend") || states.starts_with("No such"))
    return NoSuchPool(instance.name(), pool, states);
  if (states.starts_with("Permission denied") || states.starts_with("Unknown command"))
    return Refused("backend " + pool, instance.name(), states);
  auto rows = ParseServersState(states, pool);
  if (!rows) return Named(rows.error(), "backend " + pool + ", instance " + instance.name());
  const Status added = AddStatistics((*answers)[1], pool, &*rows);
  if (!added) return Named(added.error(), "backend " + pool + ", instance " + instance.name());
  return InstanceView{instance.name(), std::move(*rows)};
}

Result<LbFacts> HaproxyPlugin::Describe(const LbQuery& query, const CallContext& context) const {
  const Limits limits(context);
  if (!IsHaproxyName(query.pool))
    return Error{ErrorKind::kInvalid, system_, "backend " + query.pool, "this cannot be a backend's name", ""};
  std::vector<InstanceView> views;
  std::vector<std::string> drift;
  for (const RuntimeSocket& instance : instances_) {
    auto view = View(instance, query.pool, limits);
    if (!view) return view.error();
    if (persist_.way == Persist::Way::kStateFile)
      for (const std::string& words : ReloadDrift(persist_.state_files.at(instance.name()), query.pool, view->rows))
        drift.push_back(instance.name() + ": " + words);
    views.push_back(std::move(*view));
  }
  LbFacts facts = MergeViews(query.pool, views);
  facts.differences.insert(facts.differences.end(), drift.begin(), drift.end());
  facts.persist = persist_.InWords();
  return facts;
}

Status HaproxyPlugin::CheckRequest(const SetServerRequest& request) const {
  const auto invalid = [&](const std::string& message) {
    return Error{ErrorKind::kInvalid, system_, ServerObject(request), message, ""};
  };
  if (!IsHaproxyName(request.pool)) return invalid("this cannot be a backend's name");
  if (!IsHaproxyName(request.server)) return invalid("this cannot be a server's name");
  if (request.state != "ready" && request.state != "drain" && request.state != "maint")
    return invalid("state \"" + request.state + "\" is none of ready, drain, maint");
  if (request.weight < -1 || request.weight > kMaxWeight)
    return invalid("weight " + std::to_string(request.weight) + " is not between 0 and 256");
  return Ok();
}

Status HaproxyPlugin::CheckInstance(const RuntimeSocket& instance, const SetServerRequest& request,
                                    const Limits& limits) const {
  const auto view = View(instance, request.pool, limits);
  if (!view) return view.error();
  if (FindRow(view->rows, request.server) == nullptr)
    return NoSuchServer(instance.name(), request.pool + "/" + request.server, *view);
  const auto level = instance.Ask(Access::kRead, {"show cli level"}, limits);
  if (!level) return Named(level.error(), ServerObject(request));
  if ((*level)[0] == "operator" || (*level)[0] == "user")
    return Refused(ServerObject(request), instance.name(),
                   "Permission denied: the socket has level " + (*level)[0] + "; nothing was changed");
  return Ok();
}

Status HaproxyPlugin::WriteOne(const RuntimeSocket& instance, const SetServerRequest& request,
                               const Limits& limits) const {
  const std::string start = "set server " + request.pool + "/" + request.server;
  std::vector<std::string> commands;
  // The weight first: a server that comes into service has it from its first connection on.
  if (request.weight >= 0) commands.push_back(start + " weight " + std::to_string(request.weight));
  commands.push_back(start + " state " + request.state);
  bool took_one = false;
  for (const std::string& command : commands) {
    const auto answers = instance.Ask(Access::kWrite, {command}, limits);
    Error error;
    if (!answers) error = Named(answers.error(), ServerObject(request));
    if (answers && !(*answers)[0].empty()) error = Refused(ServerObject(request), instance.name(), (*answers)[0]);
    if (answers && (*answers)[0].empty()) {
      took_one = true;
      continue;
    }
    if (took_one) error.kind = ErrorKind::kUnknownOutcome;
    return error;
  }
  return Ok();
}

Status HaproxyPlugin::Write(const SetServerRequest& request, const Limits& limits) const {
  std::vector<std::string> took;
  for (std::size_t i = 0; i < instances_.size(); ++i) {
    const Status written = WriteOne(instances_[i], request, limits);
    if (written) {
      took.push_back(instances_[i].name());
      continue;
    }
    if (took.empty() && written.error().kind != ErrorKind::kUnknownOutcome) return written;
    std::vector<std::string> rest;
    for (std::size_t k = i + 1; k < instances_.size(); ++k) rest.push_back(instances_[k].name());
    Error error = written.error();
    error.message = "set on " + (took.empty() ? "no instance yet" : Joined(took)) + "; " + instances_[i].name() + ": " +
                    std::string(Name(error.kind)) + ": " + error.message;
    if (!rest.empty()) error.message += "; not tried: " + Joined(rest);
    error.kind = ErrorKind::kUnknownOutcome;
    error.advice = "look at the server on every instance, then set it again";
    return error;
  }
  return Ok();
}

Status HaproxyPlugin::Verify(const RuntimeSocket& instance, const SetServerRequest& request,
                             const Limits& limits) const {
  auto view = View(instance, request.pool, limits);
  if (!view) {
    Error error = view.error();
    error.message = "set, but it could not be read again: " + error.message;
    error.kind = ErrorKind::kUnknownOutcome;
    return error;
  }
  const ServerRow* row = FindRow(view->rows, request.server);
  if (row == nullptr) return NoSuchServer(instance.name(), request.pool + "/" + request.server, *view);
  Error error{ErrorKind::kConflict, system_, ServerObject(request) + ", instance " + instance.name(), "", ""};
  const std::string state = StateOf(row->admin);
  // A server asked into drain or maintenance may be in maintenance for another reason as well; its own bit counts.
  const bool own = (request.state == "drain" && (row->admin & kForcedDrain)) ||
                   (request.state == "maint" && (row->admin & kForcedMaint));
  if (state != request.state && !own) {
    error.message = "was set to " + request.state + " and is " + state + " (HAProxy says " + row->status + ")";
    if (row->admin & (kInheritedMaint | kInheritedDrain)) error.advice = "it follows " + row->tracks + "; set that one";
    if (row->admin & kUnresolvedMaint) error.advice = "its host name does not resolve there";
    return error;
  }
  if (request.weight >= 0 && row->weight != request.weight && !row->agent) {
    error.message = "was given weight " + std::to_string(request.weight) + " and has " + std::to_string(row->weight);
    return error;
  }
  return Ok();
}

Status HaproxyPlugin::Keep(const SetServerRequest& request, const Limits& limits) const {
  const std::string weight = request.weight < 0 ? "" : std::to_string(request.weight);
  std::optional<Error> failed;
  if (persist_.way == Persist::Way::kCommand) {
    const Status kept = KeepByCommand(persist_.command, {request.pool, request.server, request.state, weight}, limits);
    if (!kept) failed = kept.error();
  }
  if (persist_.way == Persist::Way::kStateFile) {
    for (const RuntimeSocket& instance : instances_) {
      // Of all backends: HAProxy loads one file for all of them.
      const auto dump = instance.Ask(Access::kRead, {"show servers state"}, limits);
      Status kept = dump ? KeepStateFile(persist_.state_files.at(instance.name()), (*dump)[0]) : Status(dump.error());
      if (!kept) failed = kept.error();
    }
  }
  if (!failed) return Ok();
  failed->kind = ErrorKind::kInvalid;
  failed->message = "is " + request.state + " on every instance now, but this was not made to survive a reload of " +
                    "HAProxy: " + failed->object + ": " + failed->message;
  failed->object.clear();
  return Named(*failed, ServerObject(request));
}

// What there is to know before anything is changed.
Status HaproxyPlugin::Check(const SetServerRequest& request, const Limits& limits) const {
  Status status = CheckRequest(request);
  if (!status) return status;
  status = CheckPersist(persist_);
  if (!status) return Named(status.error(), ServerObject(request));
  for (const RuntimeSocket& instance : instances_) {
    status = CheckInstance(instance, request, limits);
    if (!status) return status;
  }
  return Ok();
}

Result<Done> HaproxyPlugin::Set(const SetServerRequest& request, const CallContext& context) const {
  const Limits limits(context);
  Status status = Check(request, limits);
  if (!status) return status.error();
  status = Write(request, limits);
  if (!status) return status.error();
  for (const RuntimeSocket& instance : instances_) {
    status = Verify(instance, request, limits);
    if (!status) return status.error();
  }
  status = Keep(request, limits);
  if (!status) return status.error();
  return Done{};
}

Result<std::vector<RuntimeAddress>> ParseInstances(const Json& setting) {
  const Error error{ErrorKind::kInvalid, "", "setting instances", "is not a list of different addresses",
                    "write instances: [\"unix:/run/haproxy/admin.sock\", \"tcp:lb2:9999\"]"};
  if (!setting.is_array() || setting.empty()) return error;
  std::vector<RuntimeAddress> addresses;
  std::set<std::string> distinct;
  for (const Json& entry : setting) {
    if (!entry.is_string() || !distinct.insert(entry.get<std::string>()).second) return error;
    auto address = ParseRuntimeAddress(entry.get<std::string>());
    if (!address) return address.error();
    addresses.push_back(*address);
  }
  return addresses;
}

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  const auto fail = [&](Error error) {
    error.system = setup.name + " (haproxy)";
    return error;
  };
  const auto addresses = ParseInstances(setup.settings.value("instances", Json()));
  if (!addresses) return fail(addresses.error());
  std::vector<std::string> names;
  for (const RuntimeAddress& address : *addresses) names.push_back(address.text);
  const auto persist = ParsePersist(setup.settings.value("persist", Json()), names);
  if (!persist) return fail(persist.error());
  return std::shared_ptr<Plugin>(std::make_shared<HaproxyPlugin>(setup.name, *addresses, *persist));
}

}  // namespace
}  // namespace haproxy

PluginKind HaproxyKind() {
  PluginKind kind;
  kind.name = "haproxy";
  kind.purpose = "servers of HAProxy backends through the runtime API: drain, ready, maintenance, weights, sessions";
  kind.roles = {"load_balancer"};
  kind.settings = {
      {"instances", "list", true,
       "runtime API sockets, addressed as one: unix:/run/haproxy/admin.sock or tcp:HOST:PORT; each needs `level "
       "admin`"},
      {"persist", "map", true,
       "how states survive a reload of HAProxy, which forgets them: {stateFile: PATH} (the server-state-file that "
       "HAProxy "
       "loads with `load-server-state-from-file global`; for several instances a list or a map INSTANCE: PATH), "
       "{command: [PROGRAM, ...]} (run without a shell after each change, with POOL SERVER STATE WEIGHT as further "
       "arguments; must exit 0), or {none: REASON} (not kept; the plan shows the reason)"},
  };
  kind.make = haproxy::Make;
  return kind;
}

}  // namespace vmferry
