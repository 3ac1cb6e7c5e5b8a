// SPDX-License-Identifier: Apache-2.0
//
// Call, Plugin, Invoke: the one way from a step to a system outside.
//
// A *role* (source platform, target platform, load balancer, probe) is a header that lists typed calls, each marked
// read or write. A *plugin* serves calls; Plugin::Invoke is the single interception point, so wrappers (read-only,
// logging, fault injection) are written once for all roles. Requests and replies travel as JSON, so that a plugin may
// one day live in another process; bulk data travels beside the reply, as a Stream.
//
// Threading: Invoke may be called from several threads at once. It blocks, at most CallContext::timeout (a call that
// the role's header marks "long" excepted), and it never throws.
// Repeating: every write call names a goal ("ensure ..."), so repeating one that succeeded changes nothing more.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <string_view>

#include "state/result.h"

namespace vmferry {

using Json = nlohmann::json;

enum class Access {
  kRead,   // changes nothing outside
  kWrite,  // may change something; refused in a dry run
};

// What a wrapper needs to know of a call.
struct CallSpec {
  std::string_view role;
  std::string_view name;
  Access access = Access::kRead;
};

// A typed call of a role: Request and Reply convert to and from JSON.
template <class Request, class Reply>
struct Call {
  CallSpec spec;
};

struct CallContext {
  std::stop_token stop;                      // when asked to stop, return soon; the outcome may then be unknown
  std::chrono::milliseconds timeout{30000};  // the longest this call may block
  // The end of the budget that several calls share (all those of one attempt of a step).
  std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max();
};

// `context` with its timeout cut to what is left until its end; an Error of kind unavailable when nothing is left.
Result<CallContext> WithinBudget(const CallContext& context, const std::string& system);

// Bulk data beside a reply: a DiskReader or a VolumeWriter (plugins/stream.h).
class Stream {
 public:
  virtual ~Stream() = default;
};

struct Reply {
  Json body;
  std::shared_ptr<Stream> stream;
};

class Plugin {
 public:
  virtual ~Plugin() = default;
  // "vmware (https://vc1/sdk)": for error texts and the journal. No secrets.
  virtual std::string system() const = 0;
  virtual Result<Reply> Invoke(const CallSpec& call, const Json& request, const CallContext& context) = 0;
};

// Base of plugins written in C++: a table from call to typed function. Fill it in the constructor with Serve.
// Any exception that escapes a served function becomes an Error of kind internal.
class CallTable : public Plugin {
 public:
  Result<Reply> Invoke(const CallSpec& call, const Json& request, const CallContext& context) final;

 protected:
  template <class Request, class Answer>
  void Serve(const Call<Request, Answer>& call,
             std::function<Result<Answer>(const Request&, const CallContext&)> function) {
    table_[Key(call.spec)] = [function = std::move(function)](const Json& request,
                                                              const CallContext& context) -> Result<Reply> {
      Result<Answer> answer = function(request.get<Request>(), context);
      if (!answer) return answer.error();
      return Reply{Json(*answer), nullptr};
    };
  }
  // For calls whose reply carries a stream.
  template <class Request, class Answer, class StreamType>
  void ServeStream(
      const Call<Request, Answer>& call,
      std::function<Result<std::pair<Answer, std::shared_ptr<StreamType>>>(const Request&, const CallContext&)>
          function) {
    table_[Key(call.spec)] = [function = std::move(function)](const Json& request,
                                                              const CallContext& context) -> Result<Reply> {
      auto answer = function(request.get<Request>(), context);
      if (!answer) return answer.error();
      return Reply{Json(answer->first), answer->second};
    };
  }

 private:
  static std::string Key(const CallSpec& spec);
  std::map<std::string, std::function<Result<Reply>(const Json&, const CallContext&)>> table_;
};

Error MalformedReply(const Plugin& plugin, const CallSpec& call, const std::string& what);

// Calls `plugin`. A reply that does not have the declared shape is an Error of kind corrupt.
template <class Request, class Answer>
Result<Answer> Invoke(Plugin& plugin, const Call<Request, Answer>& call, const Request& request,
                      const CallContext& context) {
  const Result<CallContext> bounded = WithinBudget(context, plugin.system());
  if (!bounded) return bounded.error();
  Result<Reply> reply = plugin.Invoke(call.spec, Json(request), *bounded);
  if (!reply) return reply.error();
  try {
    return reply->body.template get<Answer>();
  } catch (const Json::exception& e) {
    return MalformedReply(plugin, call.spec, e.what());
  }
}

// As Invoke, for a call whose reply carries a stream of type StreamType.
template <class StreamType, class Request, class Answer>
Result<std::shared_ptr<StreamType>> Open(Plugin& plugin, const Call<Request, Answer>& call, const Request& request,
                                         const CallContext& context) {
  const Result<CallContext> bounded = WithinBudget(context, plugin.system());
  if (!bounded) return bounded.error();
  Result<Reply> reply = plugin.Invoke(call.spec, Json(request), *bounded);
  if (!reply) return reply.error();
  auto stream = std::dynamic_pointer_cast<StreamType>(reply->stream);
  if (!stream) return MalformedReply(plugin, call.spec, "the reply carries no stream");
  return stream;
}

}  // namespace vmferry
