// SPDX-License-Identifier: Apache-2.0
//
// kills: the real program on a fake world in a file, ended by SIGKILL at random moments and told to go on, history
// after history, until so many kills hit. What must be true is checked from the world's file and the journal's
// (tests/orchestrator/checkers.h), after every process or at a history's end.
//
//   kills --vmferry build/release/vmferry --kills 200      the seed comes from the clock and is printed
//
// A seed repeats the orders and the moments, but not what the machine had done until then.
#include <CLI/CLI.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "orchestrator/event_text.h"
#include "plugins/fake/example_world.h"
#include "plugins/fake/machine.h"
#include "plugins/fake/world.h"
#include "state/sqlite_journal.h"
#include "tests/orchestrator/checkers.h"

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using std::chrono::microseconds;
using std::chrono::steady_clock;

constexpr const char* kApi = "customer-analytics-api";
constexpr std::chrono::seconds kPatience(60);  // for a process that nobody kills
constexpr int kMostLives = 60;                 // of a history

// Random numbers for a history.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  // 0 <= result < sides
  std::int64_t Roll(std::int64_t sides) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(sides));
  }
  bool OneIn(int sides) { return Roll(sides) == 0; }

 private:
  std::mt19937_64 engine_;
};

// When SIGKILL comes: so many changes of files after the start, and then so much time.
struct Moment {
  bool ever = false;
  int changes = 0;
  microseconds after{0};
};

// One process of the program.
struct Life {
  std::string order;  // "run", "resume", ...
  Moment moment;
  bool killed = false;  // SIGKILL found it alive
  bool hung = false;    // nobody was to kill it, and it did not end
  int code = -1;        // its exit code when it ended by itself
  microseconds lasted{0};
  int changes = 0;  // of files, that were seen
};

// Counts what is made, written and renamed in a folder. A run works in bursts of a millisecond between long waits, so
// that a moment told by the clock alone would hardly ever come in the middle of something.
class Changes {
 public:
  explicit Changes(const fs::path& folder) : descriptor_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    if (inotify_add_watch(descriptor_, folder.c_str(), IN_CREATE | IN_MODIFY | IN_MOVED_TO) < 0)
      throw std::runtime_error("cannot watch " + folder.string());
  }
  ~Changes() { close(descriptor_); }
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;

  int count() const { return count_; }
  // Waits for more, at most a millisecond and not beyond `deadline`.
  void Look(steady_clock::time_point deadline) {
    using std::chrono::nanoseconds;
    const nanoseconds left = deadline - steady_clock::now();
    const nanoseconds most = std::clamp<nanoseconds>(left, nanoseconds(0), std::chrono::milliseconds(1));
    const timespec wait{0, static_cast<long>(most.count())};
    pollfd watched{descriptor_, POLLIN, 0};
    if (ppoll(&watched, 1, &wait, nullptr) > 0) Take();
  }

 private:
  void Take() {
    alignas(inotify_event) std::array<char, 8192> buffer;
    const ssize_t size = read(descriptor_, buffer.data(), buffer.size());
    for (ssize_t at = 0; at < size; ++count_) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += static_cast<ssize_t>(sizeof(inotify_event)) + event->len;
    }
  }

  const int descriptor_;
  int count_ = 0;
};

// Between fork and exec nothing may be allocated, since there are other threads.
[[noreturn]] void Become(char* const* arguments, const char* folder) {
  if (chdir(folder) != 0) _exit(126);
  const int out = open("out.txt", O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (out < 0) _exit(126);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

pid_t Start(std::vector<std::string> words, const fs::path& folder) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) Become(arguments.data(), folder.c_str());
  if (child < 0) throw std::runtime_error("cannot fork");
  return child;
}

// True when the child ended before `deadline` and before the folder changed `count` times.
bool Ended(pid_t child, steady_clock::time_point deadline, Changes& changes, int count, int& status) {
  for (;;) {
    if (waitpid(child, &status, WNOHANG) == child) return true;
    if (changes.count() >= count || steady_clock::now() >= deadline) return false;
    changes.Look(deadline);
  }
}

// Starts the program, waits and kills; `life` says what and when, and gets to know how it ended.
void Live(Life& life, const std::vector<std::string>& words, const fs::path& folder) {
  constexpr int kAny = std::numeric_limits<int>::max();
  Changes changes(folder);
  const auto began = steady_clock::now();
  const pid_t child = Start(words, folder);
  int status = 0;
  bool ended = Ended(child, began + kPatience, changes, life.moment.ever ? life.moment.changes : kAny, status);
  if (!ended && life.moment.ever)
    ended = Ended(child, steady_clock::now() + life.moment.after, changes, kAny, status);
  if (!ended) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    life.killed = life.moment.ever && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    life.hung = !life.moment.ever;
  }
  life.changes = changes.count();
  life.lasted = std::chrono::duration_cast<microseconds>(steady_clock::now() - began);
  if (WIFEXITED(status)) life.code = WEXITSTATUS(status);
}

// The example world with small disks: most of a run's time would go into their digests.
Json SmallWorld() {
  Json world = ExampleWorldJson(1);
  world["vms"].front()["disks_mib"] = Json::array({2, 2});
  return world;
}

// One whose systems take their time, so that a kill may come while one still works on what it was told.
Json SlowWorld(Dice& dice) {
  Json world = SmallWorld();
  Json& vm = world["vms"].front();
  if (dice.OneIn(3)) vm["disks_mib"] = Json::array({2, 6});
  vm["shutdown_polls"] = dice.Roll(3);
  vm["power_polls"] = dice.Roll(3);
  world["host"].update({{"stop_polls", dice.Roll(3)}, {"merge_polls", dice.Roll(3)}});
  world["vault"]["polls"] = 1 + dice.Roll(3);
  for (Json& server : world["load_balancers"].front()["servers"]) server["sessions"] = dice.Roll(3);
  return world;
}

std::string ReadAll(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The documents of the embedded example. `in_full`: with backup, monitoring, DNS and the rest. `impatient`: a guest
// that does not do what it should is given a second.
void LayOut(const fs::path& folder, const Json& world, bool in_full, bool impatient) {
  fs::create_directories(folder);
  const fs::path example = fs::path(VMFERRY_SOURCE_DIR) / "runbooks/examples/embedded";
  const char* runbook = in_full ? "customer-analytics-api-in-full.yaml" : "customer-analytics-api.yaml";
  fs::copy_file(example / runbook, folder / "customer-analytics-api.yaml");
  std::string site = ReadAll(example / "site.yaml");
  const std::string deadline = "eadline: 20s";
  for (std::size_t at = 0; impatient && (at = site.find(deadline, at)) != std::string::npos; ++at)
    site.replace(at, deadline.size(), "eadline: 1s");
  std::ofstream(folder / "site.yaml") << site;
  std::ofstream(folder / "world.json") << world.dump();
}

WorldData LoadWorld(const fs::path& folder) {
  auto world = World::Open((folder / "world.json").string());
  if (!world) throw std::runtime_error("the world cannot be read: " + Describe(world.error()));
  return (*world)->Copy();
}

std::vector<std::string> Command(const fs::path& vmferry, const std::string& order, const std::string& run) {
  std::vector<std::string> words{vmferry.string(), order, order == "run" ? "customer-analytics-api.yaml" : run,
                                 "--site", "site.yaml"};
  if (order == "run" || order == "resume") words.push_back("--no-soak");
  // A commit needs one, too, while a criterion is not green.
  if (order == "rollback" || order == "commit") words.insert(words.end(), {"--reason", "the test says so"});
  return words;
}

// How long each order takes when nobody disturbs it, and how often files change.
using Undisturbed = std::map<std::string, Life>;
// By whether the runbook is the one in full, which waits for caches and windows and takes ten times as long.
using UndisturbedOf = std::map<bool, Undisturbed>;

// What the kills of all histories hit.
struct Tally {
  int kills = 0;
  int histories = 0;
  std::map<std::string, int> killed_in;  // order
  std::map<std::string, int> killed_at;  // phase
  std::map<std::string, int> endings;

  void Add(const Tally& other) {
    kills += other.kills;
    histories += other.histories;
    for (const auto& [name, count] : other.killed_in) killed_in[name] += count;
    for (const auto& [name, count] : other.killed_at) killed_at[name] += count;
    for (const auto& [name, count] : other.endings) endings[name] += count;
  }
};

class History {
 public:
  History(fs::path vmferry, fs::path folder, std::uint64_t seed, const UndisturbedOf& undisturbed)
      : vmferry_(std::move(vmferry)),
        folder_(std::move(folder)),
        dice_(seed),
        in_full_(dice_.OneIn(3)),
        undisturbed_(undisturbed.at(in_full_)) {
    const std::vector<std::string> wishes{"soak", "rollback", "rollback", "commit", "commit", "sick", "deaf"};
    wish_ = wishes.at(static_cast<std::size_t>(dice_.Roll(static_cast<std::int64_t>(wishes.size()))));
    Json world = SlowWorld(dice_);
    if (wish_ == "sick") world["guests"]["web1"] = {{"sick_on_target", true}};
    if (wish_ == "deaf") world["vms"].front()["deaf"] = true;
    LayOut(folder_, world, in_full_, wish_ == "sick" || wish_ == "deaf");
    before_ = LoadWorld(folder_);
  }
  // Of a plain world, to be measured.
  History(fs::path vmferry, fs::path folder, bool in_full)
      : vmferry_(std::move(vmferry)), folder_(std::move(folder)), dice_(0), in_full_(in_full), undisturbed_({}) {
    LayOut(folder_, SmallWorld(), in_full, false);
    before_ = LoadWorld(folder_);
  }

  // Lives until the wish is fulfilled; what was wrong, empty if nothing was.
  Faults Play(Tally& tally) {
    while (faults_.empty() && !Settled()) {
      if (lives_.size() >= kMostLives) faults_.emplace_back("it does not come to its end");
      NextLife(tally);
    }
    CheckEnd();
    ++tally.histories;
    ++tally.endings[std::string(Name(state().phase))];
    return faults_;
  }

  // One order that nobody disturbs.
  Life Alone(const std::string& order) {
    Give(order, {});
    if (lives_.back().code != 0) throw std::runtime_error(order + " does not work even when nobody disturbs it");
    return lives_.back();
  }

  void Print() const {
    for (const Life& life : lives_)
      std::printf("%-9s %s after %lld ms and %d changes of files\n", life.order.c_str(),
                  life.killed ? "killed" : ("exit " + std::to_string(life.code)).c_str(),
                  static_cast<long long>(life.lasted.count() / 1000), life.changes);
    RunState folded;
    for (const Event& event : events_) {
      Fold(folded, event);
      std::printf("%6lld  %s  %-16s %s\n", static_cast<long long>(event.seq), FormatWallTime(event.at.wall_ms).c_str(),
                  std::string(Name(event.kind)).c_str(), EventLine(event, folded, Style{}, true).c_str());
    }
  }

 private:
  const ApplicationState& state() { return run_.applications[kApi]; }
  bool Rests() {
    return IsEnding(state().phase) ||
           (state().phase == Phase::kSoak && state().activity == Activity::kWorking && !state().commit_requested);
  }
  // Asked for what was wished, and at rest.
  bool Settled() {
    return Rests() && (IsEnding(state().phase) || (wish_ != "rollback" && wish_ != "commit"));
  }

  // Nothing is in the journal when the kill came first; else what shall be, or that it goes on.
  std::string NextOrder() {
    if (run_.run.empty()) return "run";
    if (Rests()) return wish_;
    const bool back = wish_ == "rollback" && !state().rollback_requested;
    return back && dice_.OneIn(2) ? "rollback" : "resume";
  }

  // Two of three by changes; what is left to a resume is not known, but it is rather less than a whole run.
  Moment AnyMoment(const std::string& order) {
    const Life& alone = undisturbed_.at(order == "resume" ? "run" : order);
    if (dice_.OneIn(3)) return {true, 0, microseconds(dice_.Roll(alone.lasted.count()))};
    const std::int64_t most = order == "resume" ? dice_.Roll(alone.changes) + 1 : alone.changes;
    return {true, static_cast<int>(dice_.Roll(most)) + 1, microseconds(dice_.Roll(1000))};
  }

  void NextLife(Tally& tally) {
    const std::string order = NextOrder();
    const bool disturbed = lives_.empty() || !dice_.OneIn(3);
    Give(order, disturbed ? AnyMoment(order) : Moment());
    const Life& life = lives_.back();
    if (!life.killed) return CheckLife(life);
    ++tally.kills;
    ++tally.killed_in[order];
    ++tally.killed_at[Where()];
  }

  std::string Where() {
    if (run_.run.empty()) return "nothing journaled";
    return std::string(state().activity == Activity::kRollingBack ? Name(state().activity) : Name(state().phase));
  }

  void Give(const std::string& order, const Moment& moment) {
    Life& life = lives_.emplace_back();
    life.order = order;
    life.moment = moment;
    Live(life, Command(vmferry_, order, run_.run), folder_);
    ReadJournal();
    SourceIsKept(before_, LoadWorld(folder_), faults_);
  }

  // A kill may come before there is a journal, or a run in it. What was there once stays.
  void ReadJournal() {
    auto reader = OpenJournalReader((folder_ / "journal.db").string());
    const auto runs = reader ? (*reader)->Runs() : Result<std::vector<std::string>>(reader.error());
    if (runs && !runs->empty()) {
      if (runs->size() > 1) faults_.emplace_back("two runs in the journal");
      events_ = (*reader)->Read(runs->front()).value();
      run_ = (*reader)->State(runs->front()).value();
      Verify(**reader);
    } else if (!run_.run.empty()) {
      faults_.push_back("the journal lost its run: " + (runs ? std::string() : Describe(runs.error())));
    }
  }

  // What an earlier reader saw is an anchor: an event that was acknowledged does not go away.
  void Verify(const JournalReader& reader) {
    auto reports = reader.VerifyAgainst(anchors_);
    if (!reports) return faults_.push_back("the journal does not verify: " + Describe(reports.error()));
    for (const ChainReport& report : *reports)
      if (!report.problem.empty()) faults_.push_back("the journal does not verify: " + report.problem);
    anchors_ = std::move(*reports);
  }

  // A process that ended by itself leaves the application at rest, and its exit code says where.
  void CheckLife(const Life& life) {
    int wanted = 0;
    if (state().phase == Phase::kAborted) wanted = 3;
    if (state().phase == Phase::kRolledBack && life.order != "rollback") wanted = 10;
    if (life.hung) faults_.push_back(life.order + " does not end");
    if (!Rests())
      faults_.push_back(life.order + " ended in " + std::string(Name(state().phase)) + ", " +
                        std::string(Name(state().activity)) + ": " + state().reason);
    if (!life.hung && life.code != wanted)
      faults_.push_back(life.order + ": exit " + std::to_string(life.code) + ", not " + std::to_string(wanted));
  }

  void CheckEnd() {
    const WorldData world = LoadWorld(folder_);
    CheckHistory(world.history, world.vms.size(), faults_);
    IntentFirst(world.history, events_, faults_);
    NothingFoundIsUndone(events_, faults_);
    if (state().phase == Phase::kRolledBack || state().phase == Phase::kAborted)
      NamesAreAsBefore(before_, world, faults_);
    if (!faults_.empty()) return;
    if (Picture(world) != PictureAt(state().phase))
      faults_.push_back(std::string(Name(state().phase)) + ", but the world is: " + Picture(world));
    if ((wish_ == "sick" || wish_ == "deaf") && state().phase != Phase::kRolledBack)
      faults_.push_back("the guest is " + wish_ + ", but it ends " + std::string(Name(state().phase)));
    if (state().phase == Phase::kAborted && !world.history.empty())
      faults_.emplace_back("aborted, but something was touched");
    const Answer answer = AskPool(world, world.load_balancers.front(), "/records");
    const Answer once = AskVm(before_, before_.vms.front(), "/records");
    if (answer.status != 200 || answer.body != once.body)
      faults_.push_back("the application does not answer with its records: " + std::to_string(answer.status) + " " +
                        answer.body + answer.why);
  }

  const fs::path vmferry_;
  const fs::path folder_;
  Dice dice_;
  const bool in_full_;
  const Undisturbed undisturbed_;
  WorldData before_;
  // How it shall end: in "soak", by the order "rollback" or "commit", or back again because the guest is "sick" on the
  // target or "deaf" when it is to shut down.
  std::string wish_;
  std::vector<Life> lives_;
  std::vector<Event> events_;
  RunState run_;
  std::vector<ChainReport> anchors_;
  Faults faults_;
};

void MeasureOne(const fs::path& vmferry, const fs::path& folder, bool in_full, Undisturbed& alone) {
  for (const char* last : {"rollback", "commit"}) {
    if (alone.contains(last)) continue;
    History history(vmferry, folder / (std::string("measured-") + last), in_full);
    alone["run"] = history.Alone("run");
    alone[last] = history.Alone(last);
  }
  for (const auto& [order, life] : alone)
    std::printf("%s alone%s: %lld ms, %d changes of files\n", order.c_str(), in_full ? ", in full" : "",
                static_cast<long long>(life.lasted.count() / 1000), life.changes);
}

UndisturbedOf Measure(const fs::path& vmferry, const fs::path& folder) {
  UndisturbedOf alone;
  MeasureOne(vmferry, folder, false, alone[false]);
  alone[true]["commit"] = alone[false]["commit"];  // the same
  MeasureOne(vmferry, folder / "in-full", true, alone[true]);
  return alone;
}

void PrintCounts(const char* title, const std::map<std::string, int>& counts) {
  std::printf("%s:", title);
  for (const auto& [name, count] : counts) std::printf(" %s %d.", name.c_str(), count);
  std::printf("\n");
}

// Several histories at once, since each mostly waits.
class Players {
 public:
  Players(fs::path vmferry, fs::path folder, std::uint64_t seed, int kills)
      : vmferry_(std::move(vmferry)),
        folder_(std::move(folder)),
        kills_(kills),
        alone_(Measure(vmferry_, folder_)),
        next_(seed) {}

  // True if nothing was wrong.
  bool Play(int at_once) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < at_once; ++i) threads.emplace_back([this] { PlayMany(); });
    threads.clear();
    return good_;
  }
  const Tally& tally() const { return tally_; }

 private:
  void PlayMany() {
    for (;;) {
      std::uint64_t seed = 0;
      {
        const std::lock_guard lock(mutex_);
        if (!good_ || tally_.kills >= kills_) return;
        seed = next_++;
      }
      PlayOne(seed);
    }
  }

  // What a history that went wrong left is kept.
  void PlayOne(std::uint64_t seed) {
    const fs::path place = folder_ / std::to_string(seed);
    Tally own;
    std::optional<History> history;
    Faults faults;
    try {
      history.emplace(vmferry_, place, seed, alone_);
      faults = history->Play(own);
    } catch (const std::exception& e) {
      faults.emplace_back(e.what());
    }
    const std::lock_guard lock(mutex_);
    tally_.Add(own);
    if (faults.empty()) {
      fs::remove_all(place);
      return;
    }
    good_ = false;
    if (history) history->Print();
    for (const std::string& fault : faults) std::printf("%s\n", fault.c_str());
    std::printf("history %d (--seed %llu begins with it) goes wrong; %d kills until now; see %s\n", tally_.histories,
                static_cast<unsigned long long>(seed), tally_.kills, place.c_str());
  }

  const fs::path vmferry_;
  const fs::path folder_;
  const int kills_;
  const UndisturbedOf alone_;
  std::mutex mutex_;
  std::uint64_t next_;
  bool good_ = true;
  Tally tally_;
};

int Run(const fs::path& vmferry, int kills, std::uint64_t seed, int at_once) {
  std::string pattern = (fs::temp_directory_path() / "vmferry-kills.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  std::printf("seed %llu, in %s\n", static_cast<unsigned long long>(seed), pattern.c_str());
  std::fflush(stdout);
  const auto began = steady_clock::now();
  Players players(fs::absolute(vmferry), pattern, seed, kills);
  if (!players.Play(at_once)) return 1;
  fs::remove_all(pattern);
  const auto took = std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - began);
  const Tally& tally = players.tally();
  std::printf("%d kills in %d histories, %lld s: nothing wrong.\n", tally.kills, tally.histories,
              static_cast<long long>(took.count()));
  PrintCounts("killed", tally.killed_in);
  PrintCounts("found then", tally.killed_at);
  PrintCounts("they end", tally.endings);
  return 0;
}

}  // namespace
}  // namespace vmferry

int main(int argc, char** argv) {
  CLI::App app{"kills ends the real program by SIGKILL at random moments and checks what comes of it."};
  std::string vmferry;
  int kills = 200;
  auto seed = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count() / 1000000);
  app.add_option("--vmferry", vmferry, "the program")->required()->check(CLI::ExistingFile);
  app.add_option("--kills", kills, "how many must hit a process");
  app.add_option("--seed", seed, "of the first history; each has the next");
  int at_once = 6;
  app.add_option("--at-once", at_once, "histories played at the same time")->check(CLI::Range(1, 64));
  CLI11_PARSE(app, argc, argv);
  try {
    return vmferry::Run(vmferry, kills, seed, at_once);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "kills: %s\n", e.what());
    return 1;
  }
}
