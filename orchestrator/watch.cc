// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/watch.h"

#include <algorithm>

#include "orchestrator/soak.h"
#include "orchestrator/step_context.h"

namespace vmferry {
namespace {

constexpr std::int64_t kSleepMs = 60000;  // clocks are set by less than that every day

}  // namespace

Watch::Watch(Engine& engine, Engine::Application_& application)
    : engine_(engine),
      application_(application),
      plan_(application.plan),
      wake_(engine.loop_),
      looked_(engine.clock_.Now()) {
  for (const PlannedStep& criterion : plan_->criteria) {
    rules_.push_back(RuleOf(criterion.parameters));
    wakes_.push_back(std::make_unique<Signal>(engine.loop_));
  }
}

bool Watch::Goes() const {
  if (ends_ || engine_.stopping_ || engine_.journal_error_) return false;
  return Watches(*plan_, state()) && (engine_.options_.soak || application_.driving);
}

void Watch::Wake() {
  wake_.Notify();
  if (Goes()) return;
  for (const auto& wake : wakes_) wake->Notify();
}

Task<void> Watch::Run(std::shared_ptr<Watch> self) {
  Watch& watch = *self;
  for (std::size_t i = 0; i < watch.rules_.size(); ++i) {
    ++watch.sampling_;
    boost::asio::co_spawn(watch.engine_.loop_.io(), Sample(self, i), Escalate);
  }
  while (watch.Goes()) {
    watch.NoticeSleep();
    watch.AwaitWindow();
    const std::chrono::milliseconds patience = watch.Patience();
    co_await watch.wake_.Wait(patience);
  }
  // What is to be watched from now on is another watch's: some samplers have gone already.
  watch.ends_ = true;
  const bool leaves = Watches(*watch.plan_, watch.state());
  for (const auto& wake : watch.wakes_) wake->Notify();
  while (watch.sampling_ > 0) co_await watch.wake_.Wait(kForEver);
  if (leaves) watch.Leave();
  while (watch.application_.acknowledged < watch.application_.sent) co_await watch.wake_.Wait(kForEver);
  watch.engine_.EndWatch(watch.application_);
}

// Wall time that passed without the engine's: the machine slept, or its clock was set. Nobody watched.
void Watch::NoticeSleep() {
  const Instant now = engine_.clock_.Now();
  const std::int64_t slept = (now.wall_ms - looked_.wall_ms) - (now.monotonic_ms - looked_.monotonic_ms);
  looked_ = now;
  if (slept > kSleepMs && Goes()) Begin();
}

// What the journal tells of the time in which nobody watched is kept: it counts for nothing.
void Watch::Begin() {
  const WatchState& before = state().watch;
  const std::int64_t now = engine_.clock_.Now().wall_ms;
  Json payload{{"state", "begun"}};
  if (before.began_ms > 0) payload["away_ms"] = std::max<std::int64_t>(0, now - before.seen_ms);
  if (state().phase == Phase::kSoak)
    payload["soak_away_ms"] = std::max<std::int64_t>(0, now - std::max(before.seen_ms, state().entered_phase_ms));
  std::vector<Event> events;
  events.push_back(engine_.Draft(application_, EventKind::kWatch, std::move(payload)));
  engine_.Send(application_, std::move(events));
}

void Watch::Leave() {
  if (engine_.journal_error_ || !Watches(*plan_, state())) return;
  const std::string why = engine_.stopping_ ? engine_.stop_reason_ : "told not to stay for the soak";
  std::vector<Event> events;
  events.push_back(engine_.Draft(application_, EventKind::kWatch, Json{{"state", "left"}, {"why", why}}));
  engine_.Send(application_, std::move(events));
}

// Decide says what follows when the window is over.
void Watch::AwaitWindow() {
  const std::int64_t now = engine_.clock_.Now().wall_ms;
  if (application_.driving || Decide(*plan_, state(), now).kind == Command::Kind::kRest) return;
  engine_.Start(application_);
}

std::chrono::milliseconds Watch::Patience() const {
  std::int64_t patience = engine_.options_.longest_wait.count();
  if (state().phase == Phase::kSoak) {
    const std::int64_t left = WindowEndsAt(*plan_, state()) - engine_.clock_.Now().wall_ms;
    if (left > 0) patience = std::min(patience, left);
  }
  return std::chrono::milliseconds(patience);
}

Task<void> Watch::Sample(std::shared_ptr<Watch> self, std::size_t index) {
  Watch& watch = *self;
  const CriterionRule& rule = watch.rules_[index];
  Signal& wake = *watch.wakes_[index];
  std::int64_t due = watch.Monotonic() + rule.delay.count();
  while (watch.Goes()) {
    const std::int64_t now = watch.Monotonic();
    if (now < due) {
      const std::chrono::milliseconds patience(due - now);
      const std::chrono::milliseconds bounded = std::min(patience, watch.engine_.options_.longest_wait);
      co_await wake.Wait(bounded);
      continue;
    }
    const int starts = watch.state().fresh_starts;
    const auto answer = co_await watch.Take(index);
    if (!watch.Goes()) break;
    watch.NoticeSleep();
    if (watch.state().fresh_starts != starts) {
      due = watch.Monotonic();  // it was begun before, and says nothing of now
      continue;
    }
    const bool too_early = answer && answer->ok() && (*answer)->state == Progress::State::kNotYet;
    due = too_early ? watch.Monotonic() + (*answer)->after.count()
                    : std::max(now + rule.every.count(), watch.Monotonic());
    if (!too_early) watch.Digest(index, answer);
  }
  --watch.sampling_;
  watch.wake_.Notify();
}

Task<std::optional<Result<Progress>>> Watch::Take(std::size_t index) {
  const Step& criterion = *engine_.options_.find_step(plan_->criteria[index].name);
  auto context = std::make_shared<StepContext>(MakeCriterionContext(application_.run.state.run, *plan_, state(), index,
                                                                    engine_.clock_.Now().wall_ms));
  context->systems = &application_.run.systems->reading();
  context->workers = &engine_.workers_;
  context->call.timeout = std::min(plan_->criteria[index].deadline, engine_.options_.attempt_timeout);
  std::stop_source given_up;
  context->call.stop = given_up.get_token();
  std::function<Result<Progress>()> work = [context, plan = plan_, &criterion]() -> Result<Progress> {
    context->call.until = std::chrono::steady_clock::now() + context->call.timeout;
    return criterion.Apply(*context);
  };
  const std::chrono::milliseconds patience = context->call.timeout + engine_.options_.grace;
  auto answer = co_await OnPool(engine_.loop_, std::move(work), patience);
  if (!answer) given_up.request_stop();
  co_return answer;
}

Event Watch::DraftSample(std::size_t index, const std::optional<Result<Progress>>& answer) const {
  Json payload{{"criterion", index}, {"name", plan_->criteria[index].name}};
  if (answer && answer->ok()) {
    Json facts = (*answer)->facts;
    for (const char* member : {"verdict", "why"})
      if (facts.contains(member)) payload[member] = facts[member];
    facts.erase("verdict");
    facts.erase("why");
    payload["facts"] = std::move(facts);
  } else {
    const Error silent{ErrorKind::kTimedOut, "", "", "no answer in time", ""};
    const Error& error = answer ? answer->error() : silent;
    payload["verdict"] = std::string(Name(SampleVerdict::kError));
    payload["why"] = Describe(error);
    payload["error"] = ErrorToJson(error);
  }
  return engine_.Draft(application_, EventKind::kSample, std::move(payload));
}

// A sample and what it leads to are one append: nobody finds the one without the other.
void Watch::Digest(std::size_t index, const std::optional<Result<Progress>>& answer) {
  std::vector<Event> events;
  events.push_back(DraftSample(index, answer));
  const std::optional<Reaction> turn = DraftVerdict(index, events);
  engine_.Send(application_, std::move(events));
  if (turn) application_.wake.Notify();
  if (turn == Reaction::kRollBack) engine_.Start(application_);
  wake_.Notify();
}

// What the samples add up to with the one in `events`, when that has changed. A person who holds the application already
// has it; only going back is for every activity.
std::optional<Reaction> Watch::DraftVerdict(std::size_t index, std::vector<Event>& events) const {
  const int key = static_cast<int>(index);
  ApplicationState with;
  if (const auto found = state().criteria.find(key); found != state().criteria.end()) with.criteria.insert(*found);
  Fold(with, events.front());
  const CriterionState& criterion = with.criteria.at(key);
  const Evaluation now = Evaluate(rules_[index], criterion.recent);
  const Reaction reaction = ReactionIn(*plan_, state(), now.reaction);
  if (reaction == criterion.reaction) return std::nullopt;
  const std::string why = now.why + (criterion.why.empty() ? "" : "; the latest: " + criterion.why);
  const std::string reason = "criterion " + plan_->criteria[index].name + ": " + why;
  Json payload{{"criterion", index},
               {"name", plan_->criteria[index].name},
               {"verdict", now.verdict ? std::string(Name(*now.verdict)) : "undecided"},
               {"reaction", std::string(Name(reaction))},
               {"declared", std::string(Name(now.reaction))}};
  if (reaction != Reaction::kNone) payload["why"] = why;
  events.push_back(engine_.Draft(application_, EventKind::kVerdict, std::move(payload)));
  if (reaction == Reaction::kRollBack)
    events.push_back(engine_.Draft(application_, EventKind::kDecision, Json{{"kind", "rollback"}, {"reason", reason}}));
  if (reaction == Reaction::kHold && state().activity == Activity::kWorking) {
    Json hold{{"activity", std::string(Name(Activity::kNeedsOperator))}, {"why", reason}};
    events.push_back(engine_.Draft(application_, EventKind::kHold, std::move(hold)));
  }
  return reaction;
}

}  // namespace vmferry
