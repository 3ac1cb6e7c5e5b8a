// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/session.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "orchestrator/exit_code.h"
#include "state/sqlite_journal.h"
// Asio's own order: after async.h.
#include <boost/asio/signal_set.hpp>

namespace vmferry {
namespace {

constexpr std::size_t kPoolThreads = 16;
constexpr int kTries = 30;  // a holder that just starts or just ends is given 3 s
constexpr std::chrono::milliseconds kBetweenTries(100);

Task<void> StopOnSignal(Loop& loop, Engine& engine, Watcher& watcher) {
  boost::asio::signal_set signals(loop.io(), SIGINT, SIGTERM);
  boost::system::error_code failed;
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
  co_await signals.async_wait(token);
  if (failed) co_return;
  watcher.OnNotice("stopping at the next safe point; once more to leave at once");
  engine.RequestStop("stopped by a signal");
  co_await signals.async_wait(token);
  if (!failed) _exit(static_cast<int>(ExitCode::kInterrupted));
}

OrderResult Failure(const Error& error) {
  OrderResult result;
  result.error = error;
  return result;
}

Error SilentError(const std::string& journal_path, LockHolder holder) {
  holder.socket.clear();
  return HeldError(journal_path, holder);
}

// Everything an engine needs, in the order of its making.
struct House {
  SystemClock clock;
  std::unique_ptr<Journal> journal;
  Loop loop{kPoolThreads};
  std::unique_ptr<Engine> engine;
  std::unique_ptr<ControlServer> server;
};

Status Furnish(House& house, std::unique_ptr<JournalLock> lock, const EngineOptions& engine_options) {
  const std::string path = lock->journal_path();
  const std::string socket = SocketPath(path);
  if (const Status announced = lock->Announce(socket); !announced) return announced.error();
  JournalOptions options;
  options.lock = std::move(lock);
  options.reserve_bytes = kReserveBytes;
  auto journal = OpenSqliteJournal(path, house.clock, std::move(options));
  if (!journal) return journal.error();
  house.journal = std::move(*journal);
  house.engine = std::make_unique<Engine>(house.loop, *house.journal, house.clock, MakeSystems, engine_options);
  auto server = ControlServer::Listen(house.loop, *house.engine, *house.journal, socket);
  if (!server) return server.error();
  house.server = std::move(*server);
  return Ok();
}

OrderResult AsEngine(std::unique_ptr<JournalLock> lock, const Order& order, Watcher& watcher) {
  std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  auto house = std::make_unique<House>();
  EngineOptions options;
  options.soak = order.soak;
  if (const Status ready = Furnish(*house, std::move(lock), options); !ready) return Failure(ready.error());
  Engine& engine = *house->engine;
  engine.AddWatcher(&watcher);
  const Result<std::string> run = order.begin(engine);
  if (!run) return Failure(run.error());
  boost::asio::co_spawn(house->loop.io(), StopOnSignal(house->loop, engine, watcher), Escalate);
  const Status ended = engine.Run();
  engine.RemoveWatcher(&watcher);
  OrderResult result;
  if (const RunState* state = engine.Find(*run)) result.state = *state;
  if (engine.stopping()) result.stopped = engine.stop_reason();
  if (!ended) result.error = ended.error();
  // A call that was given up and hangs would hang us too, and it may still look at what we own.
  result.leave_at_once = house->loop.abandoned() > 0;
  if (result.leave_at_once) static_cast<void>(house.release());
  return result;
}

}  // namespace

OrderResult CarryOut(const std::string& journal_path, const Order& order, Watcher& watcher) {
  LockHolder holder;
  for (int i = 0; i < kTries; ++i) {
    auto attempt = JournalLock::Acquire(journal_path);
    if (!attempt) return Failure(attempt.error());
    if (auto* lock = std::get_if<std::unique_ptr<JournalLock>>(&*attempt))
      return AsEngine(std::move(*lock), order, watcher);
    holder = std::get<LockHolder>(*attempt);
    const std::string socket = holder.socket.empty() ? SocketPath(journal_path) : holder.socket;
    auto followed = AskEngine(socket, order.request, watcher);
    if (followed) {
      OrderResult result;
      result.state = std::move(followed->state);
      result.stopped = std::move(followed->stopped);
      return result;
    }
    if (followed.error().kind == ErrorKind::kTimedOut) {
      OrderResult result = Failure(SilentError(journal_path, holder));
      result.held = true;
      return result;
    }
    if (followed.error().kind != ErrorKind::kUnavailable) return Failure(followed.error());
    std::this_thread::sleep_for(kBetweenTries);
  }
  OrderResult result = Failure(HeldError(journal_path, holder));
  result.held = true;
  return result;
}

}  // namespace vmferry
