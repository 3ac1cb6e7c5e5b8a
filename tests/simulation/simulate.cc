// SPDX-License-Identifier: Apache-2.0
//
// simulate: many histories of one application over the fake world, each of a seed: a random plan, faults, crashes,
// clock jumps and decisions. After each the world is mended, the run goes on to its rest, and what must be true of
// every history (tests/orchestrator/story.h) is checked.
//
//   simulate --histories 10000            seeds from --seed on; the first that goes wrong is named
//   simulate --seed 4711 --timeline       one of them, with every event
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "orchestrator/back_test.h"
#include "orchestrator/event_text.h"
#include "tests/orchestrator/story.h"

namespace vmferry {
namespace {

// Time passes whenever somebody looks, and jumps when told.
class JumpingClock final : public Clock {
 public:
  Instant Now() const override {
    const std::int64_t mono = mono_ms_ += tick_ms;
    return {1772330400000 + mono + jumped_ms, mono};
  }
  std::atomic<std::int64_t> jumped_ms{0};
  std::atomic<std::int64_t> tick_ms{20};

 private:
  mutable std::atomic<std::int64_t> mono_ms_{0};
};

// Random numbers for a history.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  // 0 <= result < sides
  int Roll(int sides) { return static_cast<int>(engine_() % static_cast<std::uint64_t>(sides)); }
  bool OneIn(int sides) { return Roll(sides) == 0; }

 private:
  std::mt19937_64 engine_;
};

Fault AnyFault(Dice& dice) {
  switch (dice.Roll(4)) {
    case 0:
      return {Fault::Kind::kBefore, ErrorKind::kUnavailable};
    case 1:
      return {Fault::Kind::kBefore, ErrorKind::kUnknownOutcome};
    case 2:
      return {Fault::Kind::kLostAnswer};
    default:
      return {Fault::Kind::kBefore, ErrorKind::kDenied};
  }
}

// The runbook with two machines takes twice as long, and so does the one in full.
Example AnyExample(Dice& dice) {
  if (dice.OneIn(6)) return Example::kTwoMachines;
  if (dice.OneIn(4)) return Example::kInFull;
  return dice.OneIn(2) ? Example::kEmbedded : Example::kPartnerPortal;
}

// Faults at one call in `rate` (0: none). Calls come from several threads in any order, so that what happens to one
// depends on its name and how many of that name there were, not on the others.
class Weather {
 public:
  Weather(std::uint64_t seed, int rate) : seed_(seed), rate_(rate) {}
  Fault At(const CallSpec& call) {
    if (rate_ == 0) return {};
    const std::lock_guard lock(mutex_);
    const std::string name(call.name);
    Dice dice(std::hash<std::string>()(name + std::to_string(++calls_[name])) ^ seed_);
    return dice.OneIn(rate_) ? AnyFault(dice) : Fault();
  }

 private:
  const std::uint64_t seed_;
  const int rate_;
  std::mutex mutex_;
  std::map<std::string, int> calls_;
};

// Something in the world around the application that is not as it should be, until it is mended: name servers that
// refuse updates, alerts that get lost, measured values that are none or bad, a backup that cannot be restored.
void Disturb(Dice& dice, WorldData& world) {
  const char* query = dice.OneIn(2) ? "max_over_time(app:latency:p95[1s])" : "max_over_time(app:errors:ratio[1s])";
  switch (dice.Roll(6)) {
    case 0: world.dns.read_only = true; break;
    case 1: world.monitoring.routed = false; break;
    case 2: world.monitoring.rules.clear(); break;
    case 3: world.monitoring.answers[query] = {{{}, dice.OneIn(2) ? "NaN" : "0.9", 0}}; break;
    case 4: world.vault.run_damages = true; break;
    default: world.vault.reachable = false;
  }
}

class History {
 public:
  History(std::uint64_t seed, bool timeline)
      : dice_(seed), example_(AnyExample(dice_)), run_(example_),
        name_(run_.submission.wave.plans.front().application.name), before_(run_.world->Copy()), story_(run_),
        timeline_(timeline) {
    run_.UseClock(clock_);
    clock_.tick_ms = TickOf(example_);
    AddCriterion();
    DropChecks();
    if (dice_.OneIn(64)) run_.store_delay = [this] { return std::chrono::microseconds(late_.Roll(100)); };
  }

  // What was wrong; empty if nothing was.
  std::vector<std::string> Play() {
    const int lives = 1 + dice_.Roll(5);
    for (int life = 0; life < lives; ++life) Live();
    Mend();
    if (timeline_) Print();
    return Faults();
  }
  std::string Ending() { return std::string(Name(run_.Application(name_).phase)); }

 private:
  // A random plan of an example: checks are left out, effects are not, since a plan without them is no migration.
  void DropChecks() {
    std::vector<PlannedStep>& steps = run_.submission.wave.plans.front().steps;
    std::erase_if(steps, [this](const PlannedStep& step) { return !step.effect && dice_.OneIn(5); });
  }

  // A quarter of the plans is watched for a minute of soak, by a criterion with a rule of its own, and the application may
  // fall ill after one of its samples.
  void AddCriterion() {
    Plan& plan = run_.submission.wave.plans.front();
    const auto smoke = std::find_if(plan.steps.begin(), plan.steps.end(),
                                    [](const PlannedStep& step) { return step.name == "smoke_test"; });
    if (smoke == plan.steps.end() || !dice_.OneIn(4)) return;
    const int within = 1 + dice_.Roll(4);
    PlannedStep health;
    health.phase = Phase::kSoak;
    health.ordinal = 1;
    health.name = "app_health_check_failure";
    health.deadline = std::chrono::seconds(5);
    health.parameters = {{"probe", smoke->parameters.at("probe")},
                         {"healthUrl", smoke->parameters.at("url")},
                         {"every", 5000},
                         {"delay", dice_.Roll(3) * 4000},
                         {"trip", {{"failures", 1 + dice_.Roll(within)}, {"within", within}}},
                         {"onTrip", AnyReaction()},
                         {"errors", {{"consecutive", 1 + dice_.Roll(3)}, {"then", AnyReaction()}}},
                         {"inconclusive", {{"consecutive", 1 + dice_.Roll(3)}, {"then", AnyReaction()}}}};
    plan.criteria.push_back(health);
    plan.rollback_window_minutes = 1;
    plan.commit_at_window_end = dice_.OneIn(2);
    // While it is watched the clock runs half a second at each look: no measure for deadlines.
    for (PlannedStep& step : plan.steps)
      step.deadline = std::max<std::chrono::milliseconds>(step.deadline, std::chrono::hours(24));
    ill_after_ = dice_.Roll(12);
    run_.on_event = [this, tell = run_.on_event](const Event& event, Engine& engine) {
      tell(event, engine);
      if (event.kind == EventKind::kWatch) clock_.tick_ms = event.payload.value("state", "") == "begun" ? 500 : TickOf(example_);
      if (event.kind != EventKind::kSample) return;
      if (samples_++ == ill_after_) Sicken(true);
      // An application that holds is watched until somebody decides; this process is told to leave.
      if (++samples_of_life_ == 20) engine.RequestStop("enough seen");
    };
  }
  const char* AnyReaction() {
    constexpr std::array kReactions{"rollback", "rollback", "hold", "notify"};
    return kReactions.at(static_cast<std::size_t>(dice_.Roll(4)));
  }
  void Sicken(bool sick) {
    static_cast<void>(run_.world->Change([sick](WorldData& world) {
      for (auto& [name, guest] : world.guests) guest.sick_on_target = sick;
      ++world.revision;
    }));
  }

  // One process: it may meet faults, may die at an append, and may be told to stop or to go back.
  void Live() {
    const std::array<int, 5> rates{0, 300, 100, 30, 8};
    const int rate = rates.at(static_cast<std::size_t>(dice_.Roll(5)));
    const auto weather = std::make_shared<Weather>(static_cast<std::uint64_t>(dice_.Roll(1 << 30)), rate);
    run_.fault = [weather](const CallSpec& call, const Json&) { return weather->At(call); };
    if (dice_.OneIn(2))
      run_.journal.FailAt(run_.journal.appends() + 1 + dice_.Roll(40),
                          dice_.OneIn(2) ? MemoryJournal::Fault::kBeforeStoring : MemoryJournal::Fault::kAfterStoring);
    if (example_ == Example::kInFull && dice_.OneIn(4))
      static_cast<void>(run_.world->Change([this](WorldData& world) { Disturb(dice_, world); }));
    if (dice_.OneIn(4)) clock_.jumped_ms += (dice_.Roll(200) - 60) * std::int64_t{60000};
    static_cast<void>(Order(dice_.Roll(6)));
    run_.journal.Restart();
  }

  Status Order(int which) {
    samples_of_life_ = 0;
    const auto runs = run_.journal.Runs();
    if (!runs || runs->empty()) return run_.Run();
    run_.run_id = runs->back();
    if (which == 0) return run_.Decide("rollback", {});
    if (which == 1) return run_.Decide("commit", {});
    return run_.Decide("resume", {});
  }

  // Whatever was broken works again; a person looks after the run until it rests in a named place.
  void Mend() {
    run_.fault = nullptr;
    ill_after_ = -1;
    Sicken(false);
    static_cast<void>(run_.world->Change([this](WorldData& world) {
      world.dns.read_only = before_.dns.read_only;
      world.monitoring.routed = before_.monitoring.routed;
      world.monitoring.rules = before_.monitoring.rules;
      world.monitoring.answers = before_.monitoring.answers;
      world.vault.run_damages = before_.vault.run_damages;
      world.vault.reachable = before_.vault.reachable;
    }));
    for (int i = 0; i < 4; ++i) static_cast<void>(Order(2));
  }

  std::vector<std::string> Faults() {
    std::vector<std::string> faults = story_.Faults();
    if (!run_.journal.Verify("").ok()) faults.emplace_back("the journal does not verify");
    for (std::string& fault : WatchFaults()) faults.push_back(std::move(fault));
    const ApplicationState& state = run_.Application(name_);
    const bool rests = IsEnding(state.phase) || (state.phase == Phase::kSoak && state.activity == Activity::kWorking);
    if (!rests)
      faults.push_back("it does not end although all works again: " + std::string(Name(state.phase)) + ", " +
                       std::string(Name(state.activity)) + ": " + state.reason);
    const std::string picture = run_.Picture();
    if (rests && picture != PictureAt(state.phase, run_.machines()))
      faults.push_back(std::string(Name(state.phase)) + ", but the world is: " + picture);
    return faults;
  }

  // Whatever the criterion's samples were, its verdicts follow from them, and nothing else does: it goes back by itself
  // before the decision to commit alone, and commits by itself with a passing sample alone.
  std::vector<std::string> WatchFaults() const {
    const Plan& plan = run_.submission.wave.plans.front();
    std::vector<Event> events = run_.Events();
    std::erase_if(events, [this](const Event& event) { return event.application != name_; });
    std::vector<std::string> faults = ReplayVerdicts(plan, events).differences;
    std::string latest;
    bool moved = false, committing = false, commits = false, held = false;
    for (const Event& event : events) {
      const Json& payload = event.payload;
      moved = moved || (event.kind == EventKind::kOutcome && payload.value("name", "") == "update_load_balancer") ||
              (event.kind == EventKind::kFound && payload.value("name", "") == "update_load_balancer");
      if (event.kind == EventKind::kSample && !moved) faults.emplace_back("a sample before traffic was moved");
      if (event.kind == EventKind::kSample) latest = payload.value("verdict", "");
      if (event.kind == EventKind::kWatch && payload.value("state", "") == "begun") latest.clear();
      if (event.kind == EventKind::kHold) held = true;
      if (event.kind == EventKind::kPhase) commits = payload.value("phase", "") == "commit";
      if (event.kind != EventKind::kDecision) continue;
      const bool by_itself = event.actor == "engine";
      if (payload.value("kind", "") == "resume") latest.clear();
      // A held commit is to be decided anew, unless its phase has begun.
      if (payload.value("kind", "") == "resume" && std::exchange(held, false) && !commits) committing = false;
      if (payload.value("kind", "") == "commit") committing = true;
      if (by_itself && payload.value("kind", "") == "commit" && latest != "pass")
        faults.emplace_back("it commits by itself after a sample of \"" + latest + "\"");
      if (payload.value("kind", "") == "rollback" && committing &&
          payload.value("reason", "").starts_with("criterion "))
        faults.emplace_back("a criterion goes back after the decision to commit");
    }
    return faults;
  }

  void Print() const {
    RunState state;
    for (const Event& event : run_.Events()) {
      Fold(state, event);
      std::printf("%6lld  %-16s %s\n", static_cast<long long>(event.seq), std::string(Name(event.kind)).c_str(),
                  EventLine(event, state, Style{}, true).c_str());
    }
  }

  Dice dice_;
  Dice late_{4711};  // how long appends take, which is in nobody's hands
  JumpingClock clock_;
  const Example example_;
  FakeRun run_;
  const std::string name_;  // of the application
  const WorldData before_;
  Story story_;
  const bool timeline_;
  int samples_ = 0;
  int samples_of_life_ = 0;  // since the latest order
  int ill_after_ = -1;  // samples; -1: it stays well
};

// Plays histories on several threads until all are played or one went wrong.
class Players {
 public:
  Players(std::uint64_t seed, int histories, bool timeline) : seed_(seed), histories_(histories), timeline_(timeline) {}

  bool Play(int threads) {
    {
      std::vector<std::jthread> players;
      for (int i = 0; i < threads; ++i) players.emplace_back([this] { PlayOnThis(); });
    }
    return !wrong_;
  }
  const std::map<std::string, int>& endings() const { return endings_; }

 private:
  void PlayOnThis() {
    for (int i = next_++; i < histories_ && !wrong_; i = next_++) {
      const std::uint64_t own = seed_ + static_cast<std::uint64_t>(i);
      History history(own, timeline_);
      const std::vector<std::string> faults = history.Play();
      const std::lock_guard lock(mutex_);
      ++endings_[history.Ending()];
      if (!faults.empty()) Tell(own, faults);
    }
  }
  void Tell(std::uint64_t seed, const std::vector<std::string>& faults) {
    wrong_ = true;
    for (const std::string& fault : faults) std::printf("%s\n", fault.c_str());
    std::printf("seed %llu goes wrong; see it by: simulate --seed %llu --timeline\n",
                static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed));
  }

  const std::uint64_t seed_;
  const int histories_;
  const bool timeline_;
  std::atomic<int> next_{0};
  std::atomic<bool> wrong_{false};
  std::mutex mutex_;
  std::map<std::string, int> endings_;  // where histories come to rest
};

}  // namespace
}  // namespace vmferry

int main(int argc, char** argv) {
  CLI::App app{"simulate plays random histories of a migration over the fake world and checks each."};
  std::uint64_t seed = 1;
  int histories = 1, jobs = 1;
  bool timeline = false;
  app.add_option("--seed", seed, "the first history's seed");
  app.add_option("--histories", histories, "how many, each with the next seed");
  app.add_option("--jobs", jobs, "how many at a time")->check(CLI::Range(1, 64));
  app.add_flag("--timeline", timeline, "print every event");
  CLI11_PARSE(app, argc, argv);
  vmferry::Players players(seed, histories, timeline);
  if (!players.Play(jobs)) return 1;
  std::printf("%d histories from seed %llu: nothing wrong. They end:", histories,
              static_cast<unsigned long long>(seed));
  for (const auto& [phase, count] : players.endings()) std::printf(" %s %d.", phase.c_str(), count);
  std::printf("\n");
  return 0;
}
