// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>

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
constexpr std::size_t kMaxRequest = std::size_t{16} << 20;
constexpr std::size_t kMaxWaitingMeters = 64;  // meters beyond are skipped: a slow client gets events only
constexpr std::size_t kMaxWaiting = 100000;    // a client this far behind is dropped
constexpr std::int64_t kSlice = 100;           // events of a run's history that are read at a time

unsigned PeerUid(Protocol::socket& socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return 65534;
  return credentials.uid;
}

// Who waited in vain for an answer has left, and wants nothing any more.
bool HungUp(Protocol::socket& socket) {
  pollfd one{socket.native_handle(), POLLRDHUP, 0};
  return poll(&one, 1, 0) == 1 && (one.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

// One connected process.
struct Client : std::enable_shared_from_this<Client> {
  Client(Loop& loop, Protocol::socket its_socket) : socket(std::move(its_socket)), more(loop), last_words(loop.io()) {}
  void Send(const Json& line) {
    if (waiting.size() >= kMaxWaiting) return Drop();
    waiting.push_back(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    more.Notify();
  }
  // An event once, though it may stand in the journal before it is published. They come in the journal's order.
  void SendEvent(const Event& event) {
    if (event.seq <= last_seq) return;
    last_seq = event.seq;
    Send({{"event", EventToJson(event)}, {"history", event.seq <= history_until}});
  }
  // Nothing more will come; the client has `patience` to read what is left.
  void Finish(std::chrono::milliseconds patience) {
    finished = true;
    more.Notify();
    Hurry(patience);
  }
  // It is dropped after `patience`, counted from the latest call.
  void Hurry(std::chrono::milliseconds patience) {
    last_words.expires_after(patience);
    last_words.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
      const auto self = weak.lock();
      if (self && !cancelled) self->Drop();
    });
  }
  // Ends what is being written, with an error, and so the conversation.
  void Drop() {
    boost::system::error_code ignored;
    socket.close(ignored);
  }
  Protocol::socket socket;
  Signal more;
  boost::asio::steady_timer last_words;
  std::deque<std::string> waiting;
  std::int64_t last_seq = 0;       // sent
  std::string run;                 // the run it follows
  bool behind = false;             // it still gets what stands in the journal; what happens comes with it
  bool soaks = false;  // follows until nothing is watched any more
  std::int64_t history_until = 0;  // seq; later events happened while it followed
  bool asked = false;
  bool finished = false;
};

class Server final : public ControlServer, public Watcher {
 public:
  Server(Loop& loop, Engine& engine, const JournalReader& journal, Protocol::acceptor acceptor, std::string path,
         std::chrono::milliseconds patience)
      : loop_(loop),
        engine_(engine),
        journal_(journal),
        acceptor_(std::move(acceptor)),
        path_(std::move(path)),
        patience_(patience) {
    engine_.AddWatcher(this);
    engine_.on_rest = [this] { Look(); };
    engine_.may_end = [this] { return !busy(); };
    boost::asio::co_spawn(loop_.io(), Accept(), Escalate);
  }
  ~Server() override {
    engine_.RemoveWatcher(this);
    engine_.on_rest = nullptr;
    engine_.may_end = nullptr;
    unlink(path_.c_str());
  }
  // A client that has asked nothing does not hold the engine.
  bool busy() const override {
    for (const auto& client : clients_)
      if (client->asked) return true;
    return false;
  }

  void OnEvent(const Event& event, const RunState&) override {
    for (const auto& client : clients_)
      if (client->run == event.run && !client->behind) client->SendEvent(event);
  }
  void OnMeter(const std::string& run, const std::string& application, int step, const Meter& meter) override {
    const Json line{{"meter",
                     {{"application", application},
                      {"step", step},
                      {"done", meter.done},
                      {"total", meter.total},
                      {"unit", meter.unit},
                      {"text", meter.text}}}};
    for (const auto& client : clients_)
      if (client->run == run && client->waiting.size() < kMaxWaitingMeters) client->Send(line);
  }

 private:
  Task<void> Accept() {
    for (;;) {
      boost::system::error_code failed;
      auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
      Protocol::socket socket = co_await acceptor_.async_accept(token);
      if (failed) co_return;
      auto client = std::make_shared<Client>(loop_, std::move(socket));
      clients_.insert(client);
      boost::asio::co_spawn(loop_.io(), Serve(client), Escalate);
    }
  }

  Task<void> Serve(std::shared_ptr<Client> client) {
    std::string text;
    boost::system::error_code failed;
    auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
    auto buffer = boost::asio::dynamic_buffer(text, kMaxRequest);
    co_await boost::asio::async_read_until(client->socket, buffer, '\n', token);
    if (!failed && !HungUp(client->socket)) {
      client->asked = true;
      Handle(*client, text);
      co_await Write(client);
    }
    clients_.erase(client);
    engine_.MaybeEnd();
  }

  Task<void> Write(std::shared_ptr<Client> client) {
    std::int64_t read_until = 0;
    while (client->behind || !client->waiting.empty() || !client->finished) {
      if (client->waiting.empty() && client->behind) {
        ReadOn(*client, read_until);
        continue;
      }
      if (client->waiting.empty()) {
        co_await client->more.Wait(kForEver);
        continue;
      }
      const std::string line = std::move(client->waiting.front());
      client->waiting.pop_front();
      boost::system::error_code failed;
      auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
      const auto bytes = boost::asio::buffer(line);
      co_await boost::asio::async_write(client->socket, bytes, token);
      if (failed) co_return;
    }
  }

  // The next slice of the run's journal, by and by: a long history must not stop the engine, nor fill its memory.
  void ReadOn(Client& client, std::int64_t& read_until) {
    const auto events = journal_.Read(client.run, read_until, kSlice);
    if (!events) return TurnAway(client, events.error());
    client.behind = !events->empty();
    if (!client.behind) return Look();
    read_until = events->back().seq;
    if (!UnderWay(client)) client.Hurry(patience_);
    for (const Event& event : *events) client.SendEvent(event);
  }

  void TurnAway(Client& client, const Error& error) {
    client.behind = false;
    client.Send({{"error", ErrorToJson(error)}});
    client.Finish(patience_);
  }

  void Handle(Client& client, const std::string& text) {
    const Json request = Json::parse(text, nullptr, false);
    const std::string actor = ActorName(PeerUid(client.socket));
    Result<std::string> run = Error{ErrorKind::kInvalid, "engine", "", "unknown request",
                                    "the running engine may be of another version of vmferry"};
    try {
      client.soaks = request.is_object() && request.value("soak", false);
      if (engine_.stopping())
        run = Error{ErrorKind::kUnavailable, "engine", "", "it is stopping", "try again in a moment"};
      else if (request.is_object() && request.value("op", "") == "run")
        run = Submit(request, actor);
      else if (request.is_object() && request.value("op", "") == "decide")
        run = Decide(client, request, actor);
    } catch (const Json::exception& e) {
      run = Error{ErrorKind::kInvalid, "engine", "", std::string("malformed request: ") + e.what(), ""};
    }
    if (!run) return TurnAway(client, run.error());
    if (client.run.empty()) Follow(client, *run);
    Look();
  }

  // Who asked to stay for the soak is told all of it.
  bool UnderWay(const Client& client) const {
    return engine_.Working(client.run) || (client.soaks && engine_.Watching(client.run));
  }

  Result<std::string> Submit(const Json& request, const std::string& actor) {
    auto submission = SubmissionFromJson(request.value("submission", Json::object()));
    if (!submission) return submission.error();
    submission->actor = actor;
    return engine_.Submit(*submission);
  }

  Result<std::string> Decide(Client& client, const Json& request, const std::string& actor) {
    const std::string run = request.value("run", "");
    std::optional<Site> site;
    if (request.contains("site")) {
      Result<Site> given = SiteFromJson(request["site"]);
      if (!given) return given.error();
      site = std::move(*given);
    }
    if (const Status adopted = engine_.Adopt(run, site ? &*site : nullptr); !adopted) return adopted.error();
    Follow(client, run);
    const Decision decision{request.value("kind", ""),
                            request.value("applications", std::vector<std::string>()),
                            actor,
                            request.value("reason", ""),
                            request.value("assume", ""),
                            request.value("step", "")};
    const Status decided = engine_.DecideFor(run, decision);
    if (!decided) return decided.error();
    return run;
  }

  // From here on the client gets the run's events; first those there are.
  void Follow(Client& client, const std::string& run) {
    client.run = run;
    client.behind = true;
    client.Send({{"run", run}});
    for (const auto& [name, application] : engine_.Find(run)->applications)
      client.history_until = std::max(client.history_until, application.last_seq);
  }

  // Tells the clients whose run rests, or that the engine stops.
  void Look() {
    for (const auto& client : clients_) {
      if (client->run.empty() || client->finished || UnderWay(*client)) continue;
      if (client->behind) {
        client->Hurry(patience_);
        continue;
      }
      if (engine_.stopping())
        client->Send({{"stopped", engine_.stop_reason()}});
      else
        client->Send({{"rest", true}});
      client->Finish(patience_);
    }
  }

  Loop& loop_;
  Engine& engine_;
  const JournalReader& journal_;
  Protocol::acceptor acceptor_;
  const std::string path_;
  const std::chrono::milliseconds patience_;
  std::set<std::shared_ptr<Client>> clients_;
};

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::Listen(Loop& loop, Engine& engine, const JournalReader& journal,
                                                             const std::string& socket_path,
                                                             std::chrono::milliseconds patience) {
  if (socket_path.size() > kMaxSocketPath)
    return Error{ErrorKind::kInvalid, "control socket", socket_path, "the path is too long for a Unix socket",
                 "choose a shorter path for the journal"};
  boost::system::error_code failed;
  Protocol::acceptor acceptor(loop.io());
  unlink(socket_path.c_str());  // we hold the journal's lock, so an old socket is nobody's
  acceptor.open(Protocol(), failed);
  const mode_t old_mask = umask(0177);
  if (!failed) acceptor.bind(Protocol::endpoint(socket_path), failed);
  umask(old_mask);
  if (!failed) acceptor.listen(16, failed);
  if (failed)
    return Error{ErrorKind::kUnavailable, "control socket", socket_path, failed.message(),
                 "choose a shorter journal path in a directory that can be written"};
  std::unique_ptr<ControlServer> server =
      std::make_unique<Server>(loop, engine, journal, std::move(acceptor), socket_path, patience);
  return server;
}

}  // namespace vmferry
