// SPDX-License-Identifier: Apache-2.0
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "orchestrator/control.h"
#include "orchestrator/event_text.h"
// Asio's own order: after async.h.
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace vmferry {
namespace {

using Protocol = boost::asio::local::stream_protocol;

Error Gone(const std::string& path, const std::string& what) {
  return {ErrorKind::kUnavailable, "engine", path, what, ""};
}

// Of an engine that has taken the request up. It is there: another kind than the one that says that nobody is.
Error Told(Error error, const FollowedRun& followed) {
  if (error.kind == ErrorKind::kUnavailable && !followed.state.run.empty()) error.kind = ErrorKind::kUnknownOutcome;
  return error;
}

// A process that was stopped, or hangs, still has its socket: the kernel takes what is sent to it.
Status SendAndAwaitAnswer(boost::asio::io_context& io, Protocol::socket& socket, const std::string& request,
                          std::chrono::milliseconds patience) {
  const std::string path = socket.remote_endpoint().path();
  std::optional<boost::system::error_code> ended;
  boost::asio::async_write(socket, boost::asio::buffer(request), [&](boost::system::error_code failed, std::size_t) {
    if (failed) return static_cast<void>(ended = failed);
    socket.async_wait(Protocol::socket::wait_read, [&](boost::system::error_code waited) { ended = waited; });
  });
  io.run_for(patience);
  if (!ended) return Error{ErrorKind::kTimedOut, "engine", path, "no answer within " + HumanDuration(patience), ""};
  return *ended ? Status(Gone(path, ended->message())) : Ok();
}

// Folds one line of the engine's into `followed`; true once the conversation is over.
Result<bool> TakeLine(const Json& line, FollowedRun& followed, Watcher& watcher) {
  if (line.contains("error")) return ErrorFromJson(line["error"]);
  if (line.contains("rest")) return true;
  if (line.contains("stopped")) {
    followed.stopped = line["stopped"].get<std::string>();
    return true;
  }
  if (line.contains("run")) followed.state.run = line["run"].get<std::string>();
  if (line.contains("event")) {
    const Event event = EventFromJson(line["event"]);
    Fold(followed.state, event);
    if (!line.value("history", false)) watcher.OnEvent(event, followed.state);
  }
  if (line.contains("meter")) {
    const Json& shown = line["meter"];
    Meter meter;
    meter.done = shown.value("done", std::uint64_t{0});
    meter.total = shown.value("total", std::uint64_t{0});
    meter.unit = shown.value("unit", "");
    meter.text = shown.value("text", "");
    watcher.OnMeter(followed.state.run, shown.value("application", ""), shown.value("step", -1), meter);
  }
  return false;
}

}  // namespace

Json SubmissionToJson(const Submission& submission) {
  Json plans = Json::array();
  for (const Plan& plan : submission.wave.plans) plans.push_back(PlanToJson(plan));
  return {{"wave", submission.wave.name},
          {"path", submission.wave.path},
          {"applicationsAtOnce", submission.wave.applications_at_once},
          {"stopAfterFailed", submission.wave.stop_after_failed},
          {"plans", plans},
          {"site", SiteToJson(submission.site)},
          {"reason", submission.reason}};
}

Result<Submission> SubmissionFromJson(const Json& json) {
  Submission submission;
  submission.wave.name = json.value("wave", "");
  submission.wave.path = json.value("path", "");
  submission.wave.applications_at_once = json.value("applicationsAtOnce", 1);
  submission.wave.stop_after_failed = json.value("stopAfterFailed", 0);
  submission.reason = json.value("reason", "");
  for (const Json& text : json.value("plans", Json::array())) {
    Result<Plan> plan = PlanFromText(text.dump());
    if (!plan) return plan.error();
    submission.wave.plans.push_back(std::move(*plan));
  }
  Result<Site> site = SiteFromJson(json.value("site", Json::object()));
  if (!site) return site.error();
  submission.site = std::move(*site);
  return submission;
}

std::string ActorName(unsigned uid) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  const std::string user = found ? found->pw_name : "uid" + std::to_string(uid);
  return user + "@" + host.data();
}

std::string OwnActor() { return ActorName(getuid()); }

std::string SocketPath(const std::string& journal_path) { return journal_path + ".sock"; }

Result<FollowedRun> AskEngine(const std::string& path, const Json& request, Watcher& watcher,
                              std::chrono::milliseconds patience) {
  if (path.size() > kMaxSocketPath) return Gone(path, "the path is too long for a Unix socket");
  boost::asio::io_context io;
  Protocol::socket socket(io);
  boost::system::error_code failed;
  socket.connect(Protocol::endpoint(path), failed);
  if (failed) return Gone(path, failed.message());
  if (const Status sent = SendAndAwaitAnswer(io, socket, request.dump() + "\n", patience); !sent) return sent.error();
  FollowedRun followed;
  std::string text;
  for (bool begun = false;;) {
    const std::size_t size = boost::asio::read_until(socket, boost::asio::dynamic_buffer(text), '\n', failed);
    if (failed && !begun) return Gone(path, "the engine ended before it answered");
    if (failed) {
      followed.stopped = "the engine process ended";
      return followed;
    }
    const Json line = Json::parse(text.substr(0, size), nullptr, false);
    text.erase(0, size);
    begun = true;
    if (!line.is_object()) continue;
    auto over = TakeLine(line, followed, watcher);
    if (!over) return Told(over.error(), followed);
    if (*over) return followed;
  }
}

}  // namespace vmferry
