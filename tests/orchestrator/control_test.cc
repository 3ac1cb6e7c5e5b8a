// SPDX-License-Identifier: Apache-2.0
//
// The control socket, both ends, on an engine over the fake world.
#include "orchestrator/control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tests/orchestrator/fake_run.h"

namespace vmferry {
namespace {

// A folder for the socket, gone with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vmferry-test.XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string socket() const { return (path_ / "s").string(); }

 private:
  std::filesystem::path path_;
};

std::shared_ptr<ControlServer> Serve(Loop& loop, Engine& engine, const JournalReader& journal, const Folder& folder) {
  constexpr std::chrono::milliseconds kPatience(50);
  auto server = ControlServer::Listen(loop, engine, journal, folder.socket(), kPatience);
  if (!server) throw std::runtime_error(Describe(server.error()));
  return std::move(*server);
}

// Connects, asks, and never reads.
int AskAndTurnAway(const std::string& path, const std::string& request) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  EXPECT_EQ(connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
  EXPECT_EQ(send(socket, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  return socket;
}

class Counter final : public Watcher {
 public:
  void OnEvent(const Event& event, const RunState&) override {
    ++seen[event.seq];
    ++count;
  }
  void OnMeter(const std::string&, const std::string&, int, const Meter&) override {}
  std::map<std::int64_t, int> seen;
  std::atomic<int> count{0};
};

// An engine whose run had ended stayed for ever: it waited until a client that did not read had read everything.
TEST(Control, AClientThatDoesNotReadDoesNotKeepTheEngine) {
  FakeRun fake(1);
  fake.submission.reason = std::string(1000000, 'x');  // more than a socket's buffers take
  ASSERT_TRUE(fake.Run());
  const Folder folder;
  int deaf = -1;
  fake.beside = [&](Loop& loop, Engine& engine) {
    auto server = Serve(loop, engine, fake.journal, folder);
    const Json request{{"op", "decide"}, {"run", fake.run_id}, {"kind", "resume"}};
    deaf = AskAndTurnAway(folder.socket(), request.dump() + "\n");
    return server;
  };
  ASSERT_TRUE(fake.Decide("rollback", {}));
  EXPECT_EQ(fake.State().applications.begin()->second.phase, Phase::kRolledBack);
  close(deaf);
}

TEST(Control, ASecondRunIsHandedToTheEngineAndFollowedToItsRest) {
  FakeRun fake(2);
  Submission second = fake.submission;
  second.wave.plans.erase(second.wave.plans.begin());
  fake.submission.wave.plans.pop_back();
  const Folder folder;
  Counter watcher;
  Result<FollowedRun> followed = Error{ErrorKind::kInternal, "", "", "not asked", ""};
  std::thread client;
  int silent = -1;
  fake.beside = [&](Loop& loop, Engine& engine) {
    auto server = Serve(loop, engine, fake.journal, folder);
    silent = AskAndTurnAway(folder.socket(), "");  // has asked nothing: does not hold the engine either
    client = std::thread([&] {
      const Json request{{"op", "run"}, {"submission", SubmissionToJson(second)}};
      followed = AskEngine(folder.socket(), request, watcher);
    });
    return server;
  };
  // The first run goes on once the second has begun: else the engine might end before the client comes.
  fake.fault = [&](const CallSpec&, const Json&) {
    while (fake.journal.Runs()->size() < 2) std::this_thread::yield();
    return Fault();
  };
  ASSERT_TRUE(fake.Run());
  client.join();
  close(silent);
  ASSERT_TRUE(followed) << Describe(followed.error());
  EXPECT_TRUE(followed->stopped.empty());
  EXPECT_EQ(followed->state.applications.at("billing").phase, Phase::kRolledBack) << "it is sick on the target";
  for (const auto& [seq, times] : watcher.seen) EXPECT_EQ(times, 1) << "event " << seq;
  const auto events = fake.journal.Read(followed->state.run);
  ASSERT_TRUE(events);
  EXPECT_EQ(events->front().actor, OwnActor());
}

// Events of one application reached a client before older ones of another, which were then left out: it ended with a
// wrong state. And a history of more than 100,000 events was queued at once, which dropped the client.
TEST(Control, AClientOfAWaveGetsEveryEventOfALongHistoryOnce) {
  FakeRun fake(3, 3);
  ASSERT_TRUE(fake.Run());
  std::vector<std::string> names;
  for (const auto& [name, application] : fake.State().applications)
    if (application.phase == Phase::kSoak) names.push_back(name);
  ASSERT_GE(names.size(), 2u);
  ASSERT_GT(fake.Events().size(), 100u) << "more than one slice";
  const Folder folder;
  Counter watcher;
  Result<FollowedRun> followed = Error{ErrorKind::kInternal, "", "", "not asked", ""};
  std::thread client;
  std::atomic<bool> connected = false;
  fake.beside = [&](Loop& loop, Engine& engine) {
    auto server = Serve(loop, engine, fake.journal, folder);
    client = std::thread([&] {
      const Json request{{"op", "decide"},
                         {"run", fake.run_id},
                         {"applications", std::vector<std::string>(names.begin() + 1, names.end())},
                         {"kind", "rollback"},
                         {"reason", "the test says so"}};
      followed = AskEngine(folder.socket(), request, watcher);
    });
    return server;
  };
  // The first application's way back waits for the client's decision: else the engine might end before it comes.
  fake.on_event = [&](const Event& event, Engine&) {
    if (event.kind == EventKind::kDecision && event.application != names.front()) connected = true;
  };
  fake.fault = [&](const CallSpec&, const Json&) {
    while (!connected) std::this_thread::yield();
    return Fault();
  };
  ASSERT_TRUE(fake.Decide("rollback", {names.front()}));
  client.join();
  ASSERT_TRUE(followed) << Describe(followed.error());
  const RunState stored = fake.State();
  ASSERT_EQ(followed->state.applications.size(), stored.applications.size());
  for (const auto& [name, application] : stored.applications) {
    EXPECT_EQ(followed->state.applications.at(name).last_seq, application.last_seq) << name;
    EXPECT_EQ(followed->state.applications.at(name).phase, Phase::kRolledBack) << name;
  }
  for (const auto& [seq, times] : watcher.seen) EXPECT_EQ(times, 1) << "event " << seq;
  EXPECT_GE(watcher.seen.size(), names.size());
}

// Decides something about one application each time an append of another is durable but not yet published.
class Interleaver : public std::enable_shared_from_this<Interleaver> {
 public:
  Interleaver(Loop& loop, Engine& engine, FakeRun& fake, std::atomic<int>& seen)
      : loop_(loop), engine_(engine), fake_(fake), seen_(seen) {}
  void Look() {
    if (left_ == 0 || !engine_.Working(fake_.run_id)) return;
    const ApplicationState& published = engine_.Find(fake_.run_id)->applications.at("customer-analytics-api");
    const Event& last = fake_.journal.rows().back().event;
    const bool behind = last.application == published.application && last.seq > published.last_seq;
    if (seen_ > 0 && behind && engine_.DecideFor(fake_.run_id, {"resume", {"inventory"}, "tester", "", "", ""}))
      --left_;
    boost::asio::post(loop_.io(), [self = shared_from_this()] { self->Look(); });
  }
  int left() const { return left_; }

 private:
  Loop& loop_;
  Engine& engine_;
  FakeRun& fake_;
  std::atomic<int>& seen_;
  int left_ = 5;
};

// False: no decision came between an append and its publication, as happens on a busy machine.
bool DecidedInBetween() {
  FakeRun fake(3, 3);
  EXPECT_TRUE(fake.Run());
  const Folder folder;
  Counter watcher;
  std::thread client;
  std::shared_ptr<Interleaver> interleaver;
  fake.beside = [&](Loop& loop, Engine& engine) {
    auto server = Serve(loop, engine, fake.journal, folder);
    interleaver = std::make_shared<Interleaver>(loop, engine, fake, watcher.count);
    interleaver->Look();
    client = std::thread([&] {
      const Json request{{"op", "decide"}, {"run", fake.run_id}, {"applications", {"inventory"}}, {"kind", "rollback"}};
      EXPECT_TRUE(AskEngine(folder.socket(), request, watcher));
    });
    return server;
  };
  fake.fault = [&](const CallSpec&, const Json&) {
    while (watcher.count == 0) std::this_thread::yield();
    return Fault();
  };
  EXPECT_TRUE(fake.Decide("rollback", {"customer-analytics-api"}));
  client.join();
  if (interleaver->left() == 5) return false;
  for (const Event& event : fake.Events()) {
    const bool followed = event.seq > watcher.seen.begin()->first;
    EXPECT_EQ(watcher.seen.contains(event.seq), followed || event.seq == watcher.seen.begin()->first) << event.seq;
  }
  return true;
}

// A decision was published at once, before older events of other applications, which the client then left out.
TEST(Control, ADecisionIsPublishedBehindOlderEvents) {
  bool decided = false;
  for (int i = 0; i < 20 && !decided; ++i) decided = DecidedInBetween();
  EXPECT_TRUE(decided);
}

// A journal of which runs cannot be read, though all else can.
class Unreadable final : public JournalReader {
 public:
  explicit Unreadable(const JournalReader& inner) : inner_(inner) {}
  Result<std::vector<std::string>> Runs() const override { return inner_.Runs(); }
  Result<std::vector<Event>> Read(const std::string&, std::int64_t, std::int64_t) const override {
    return Error{ErrorKind::kUnavailable, "journal", "j.db", "disk I/O error", "check the disk"};
  }
  Result<RunState> State(const std::string& run) const override { return inner_.State(run); }
  Result<std::vector<ChainReport>> Verify(const std::string& run) const override { return inner_.Verify(run); }
  Result<std::vector<ChainReport>> VerifyAgainst(const std::vector<ChainReport>& anchors) const override {
    return inner_.VerifyAgainst(anchors);
  }
  Status AppendOnly() const override { return inner_.AppendOnly(); }

 private:
  const JournalReader& inner_;
};

// A history that could not be read was taken for one that had ended: the client went on with a state that lacked it.
TEST(Control, AClientIsToldThatItsHistoryCannotBeRead) {
  FakeRun fake(3, 3);
  ASSERT_TRUE(fake.Run());
  const Unreadable journal(fake.journal);
  const Folder folder;
  Counter watcher;
  Result<FollowedRun> followed = Error{ErrorKind::kInternal, "", "", "not asked", ""};
  std::thread client;
  std::atomic<bool> answered = false;
  fake.beside = [&](Loop& loop, Engine& engine) {
    auto server = Serve(loop, engine, journal, folder);
    client = std::thread([&] {
      const Json request{{"op", "decide"}, {"run", fake.run_id}, {"applications", {"inventory"}}, {"kind", "rollback"}};
      followed = AskEngine(folder.socket(), request, watcher);
      answered = true;
    });
    return server;
  };
  fake.fault = [&](const CallSpec&, const Json&) {
    while (!answered) std::this_thread::yield();
    return Fault();
  };
  ASSERT_TRUE(fake.Decide("rollback", {"customer-analytics-api"}));
  client.join();
  ASSERT_FALSE(followed);
  EXPECT_EQ(followed.error().message, "disk I/O error");
  EXPECT_NE(followed.error().kind, ErrorKind::kUnavailable) << "that would say that no engine is there";
  EXPECT_EQ(fake.Application("customer-analytics-api").phase, Phase::kRolledBack);
  EXPECT_EQ(fake.Application("inventory").phase, Phase::kRolledBack) << "the decision was taken all the same";
}

// What a client asked for was read where nobody caught its being of another type: the engine ended, with all its runs.
TEST(Control, AMalformedWishIsRefusedAndTheEngineGoesOn) {
  FakeRun fake(3, 3);
  ASSERT_TRUE(fake.Run());
  const Folder folder;
  Counter watcher;
  Result<FollowedRun> followed = Error{ErrorKind::kInternal, "", "", "not asked", ""};
  std::thread client;
  std::atomic<bool> answered = false;
  fake.beside = [&](Loop& loop, Engine& engine) {
    auto server = Serve(loop, engine, fake.journal, folder);
    client = std::thread([&] {
      const Json request{{"op", "decide"},     {"run", fake.run_id}, {"applications", {"inventory"}},
                         {"kind", "rollback"}, {"soak", "yes"}};
      followed = AskEngine(folder.socket(), request, watcher);
      answered = true;
    });
    return server;
  };
  fake.fault = [&](const CallSpec&, const Json&) {
    while (!answered) std::this_thread::yield();
    return Fault();
  };
  ASSERT_TRUE(fake.Decide("rollback", {"customer-analytics-api"}));
  client.join();
  ASSERT_FALSE(followed);
  EXPECT_EQ(followed.error().kind, ErrorKind::kInvalid) << Describe(followed.error());
  EXPECT_EQ(fake.Application("customer-analytics-api").phase, Phase::kRolledBack);
  EXPECT_EQ(fake.Application("inventory").phase, Phase::kSoak) << "nothing of a malformed request is done";
}

// A process that was stopped still has its socket: whoever asked it waited for ever, and was obeyed after he had left.
TEST(Control, WhoWaitsInVainLeavesAndIsNotObeyed) {
  const Folder folder;
  FakeRun fake(1);
  ASSERT_TRUE(fake.Run());
  fake.beside = [&](Loop& loop, Engine& engine) {
    auto server = Serve(loop, engine, fake.journal, folder);
    Counter watcher;
    const Json request{{"op", "decide"}, {"run", fake.run_id}, {"kind", "rollback"}, {"reason", "it hangs"}};
    const auto followed = AskEngine(folder.socket(), request, watcher, std::chrono::milliseconds(20));
    EXPECT_EQ(followed ? ErrorKind::kInternal : followed.error().kind, ErrorKind::kTimedOut);
    return server;
  };
  ASSERT_TRUE(fake.Decide("resume", {}));
  EXPECT_EQ(fake.Application(fake.State().order.front()).phase, Phase::kSoak);
}

TEST(Control, NobodyThereIsUnavailable) {
  const Folder folder;
  Counter watcher;
  const auto followed = AskEngine(folder.socket(), Json::object(), watcher);
  ASSERT_FALSE(followed);
  EXPECT_EQ(followed.error().kind, ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace vmferry
