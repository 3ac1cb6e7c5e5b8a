// SPDX-License-Identifier: Apache-2.0
//
// The control socket: how other vmferry processes of the same journal reach the engine. A Unix socket beside the
// journal (mode 0600); the peer's credentials, as the kernel tells them, are the actor of what it asks for.
//
// Protocol, one JSON object a line. Client: one request, {"op":"run","submission":{...}} or {"op":"decide","run":..,
// "applications":[..],"kind":..,"reason":..,"assume":..,"step":..}. Engine: {"error":{..}} and the end, or {"run":ID}, then
// {"event":{..},"history":BOOL} and {"meter":{..}} as they come, then {"rest":true} once the run rests, or
// {"stopped":WHY}.
#pragma once

#include <memory>
#include <string>

#include "orchestrator/engine.h"

namespace vmferry {

Json SubmissionToJson(const Submission& submission);
Result<Submission> SubmissionFromJson(const Json& json);

// "anna@ops1" for a user id of this machine.
std::string ActorName(unsigned uid);
// Who runs this process.
std::string OwnActor();

// unix(7): sun_path holds 108 bytes, one of them the terminating zero.
constexpr std::size_t kMaxSocketPath = 107;
std::string SocketPath(const std::string& journal_path);

// Engine side. Lives on the engine's loop; destroy it after Engine::Run returned.
class ControlServer {
 public:
  // A client whose run rests has `patience` to read what is left: one that does not read must not keep the engine.
  static Result<std::unique_ptr<ControlServer>> Listen(Loop& loop, Engine& engine, const JournalReader& journal,
                                                       const std::string& socket_path,
                                                       std::chrono::milliseconds patience = std::chrono::seconds(10));
  virtual ~ControlServer() = default;
  // True while an answer has not been sent whole.
  virtual bool busy() const = 0;
};

// Client side: sends the request and feeds `watcher` until the run rests; its state then. Blocks. An Error of kind
// kUnavailable: nobody answers there (any more) and nothing was begun. kTimedOut: the process there is silent for
// `patience`, and drops the request if it ever gets to it.
struct FollowedRun {
  RunState state;
  std::string stopped;  // why the engine stopped before the run rested; empty if it rests
};
Result<FollowedRun> AskEngine(const std::string& socket_path, const Json& request, Watcher& watcher,
                              std::chrono::milliseconds patience = std::chrono::seconds(20));

}  // namespace vmferry
