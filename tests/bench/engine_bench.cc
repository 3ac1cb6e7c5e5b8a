// SPDX-License-Identifier: Apache-2.0
//
// What the whole engine costs: steps that do nothing, a journal on disk, no platform. tests/bench/run.sh calls it and
// makes a table of what it prints, one JSON object a call.
//
//   bench_engine one --steps 2000          one application, beside bare SQLite committing the same rows
//   bench_engine many --applications 1000  throughput, and the time an application spends between two of its steps
//   bench_engine wait --applications 10000 every application waits in a step; memory, processor; then SIGKILL
//   bench_engine resume                    takes up what `wait` left, until all wait again
// The journal lies in --folder, so name a disk there, not a tmpfs.
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "orchestrator/engine.h"
#include "orchestrator/memory.h"
#include "plugins/filters.h"
#include "plugins/registry.h"
#include "state/sqlite_journal.h"

namespace vmferry {
namespace {

using Steady = std::chrono::steady_clock;

struct Settings {
  int applications = 1;
  int steps = 20;
  int at_once = 1;
  int threads = 16;
  int waits_at = 10;
  int rest_s = 65;  // every application is looked at once a minute
  bool effects = false;
  std::string folder = ".";
  std::string journal() const { return folder + "/engine.db"; }
};

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "bench_engine: %s\n", why.c_str());
  std::exit(1);
}

double Since(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

double ProcessorSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentKib() {
  std::ifstream file("/proc/self/statm");
  long total = 0;
  long resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

// When each application's latest step ended, and how long it took until its next one began: all that is not the step.
class Overhead {
 public:
  explicit Overhead(int applications) : ended_(static_cast<std::size_t>(applications)) {}
  void Begins(int application) {
    const Steady::time_point before = ended_.at(static_cast<std::size_t>(application));
    if (before == Steady::time_point()) return;
    const double gap = Since(before) * 1000;
    const std::lock_guard lock(mutex_);
    gaps_ms_.push_back(gap);
  }
  void Ends(int application) { ended_.at(static_cast<std::size_t>(application)) = Steady::now(); }
  double Percentile(double part) {
    if (gaps_ms_.empty()) return 0;
    std::sort(gaps_ms_.begin(), gaps_ms_.end());
    return gaps_ms_.at(static_cast<std::size_t>(part * static_cast<double>(gaps_ms_.size() - 1)));
  }

 private:
  std::vector<Steady::time_point> ended_;
  std::mutex mutex_;
  std::vector<double> gaps_ms_;
};

Overhead* overhead = nullptr;
std::string program;
std::atomic<int> waiting{0};

int NumberOf(const StepContext& context) {
  return std::atoi(context.application->name.c_str() + std::string("application-").size());
}

class Noop : public Step {
 public:
  explicit Noop(std::string name, bool effect) {
    spec_.name = std::move(name);
    spec_.effect = effect;
  }
  const StepSpec& spec() const override { return spec_; }
  Result<Observation> Observe(const StepContext&) const override {
    Observation seen;
    seen.verdict = Verdict::kNotStarted;
    return seen;
  }
  Result<Progress> Apply(const StepContext& context) const override {
    if (overhead) overhead->Begins(NumberOf(context));
    if (overhead) overhead->Ends(NumberOf(context));
    return Progress::Done(Json());
  }
  Result<Progress> Undo(const StepContext&) const override { return Progress::Done(Json()); }
  Result<Forecast> Predict(const StepContext&) const override { return Forecast(); }

 private:
  StepSpec spec_;
};

class WaitForEver final : public Noop {
 public:
  WaitForEver() : Noop("wait", false) {}
  Result<Progress> Apply(const StepContext&) const override {
    ++waiting;
    return Progress::NotYet(std::chrono::seconds(60), "waits");
  }
};

const Step* FindBenchStep(std::string_view name) {
  static const Noop check("noop", false);
  static const Noop effect("noop_effect", true);
  static const WaitForEver wait;
  if (name == "noop") return &check;
  if (name == "command") return FindStep(name);
  return name == "wait" ? static_cast<const Step*>(&wait) : &effect;
}

// A runbook of an ordinary length, since it is journaled.
std::string RunbookText(const Settings& settings) {
  std::string text = "application: some-application\nsourcePlatform: vmware\ntargetPlatform: kvm\npreChecks:\n";
  for (int i = 0; i < settings.steps; ++i) text += "  - noop: {endpoint: https://service.example/healthz}\n";
  return text;
}

Plan MakePlan(const Settings& settings, int number, int waits_at) {
  Plan plan;
  plan.application.name = "application-" + std::to_string(number);
  plan.application.source = "vmware";
  plan.application.target = "kvm";
  plan.application.workloads.push_back({"web1", "/DC0/vm/web1", "web1", ""});
  plan.runbook_path = "/srv/runbooks/some-application.yaml";
  plan.runbook_text = RunbookText(settings);
  for (int i = 0; i < settings.steps; ++i) {
    PlannedStep step;
    step.phase = Phase::kPreChecks;
    step.ordinal = i + 1;
    step.effect = settings.effects;
    step.name = i == waits_at          ? "wait"
                : !program.empty()     ? "command"
                : settings.effects     ? "noop_effect"
                                       : "noop";
    step.parameters = Json{{"service", "program"}, {"deadline", 60000}};
    step.deadline = std::chrono::hours(24);
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

Submission MakeSubmission(const Settings& settings, int waits_at) {
  Submission submission;
  submission.wave.name = "bench";
  submission.wave.applications_at_once = settings.at_once;
  for (int i = 0; i < settings.applications; ++i) submission.wave.plans.push_back(MakePlan(settings, i, waits_at));
  submission.actor = "bench@here";
  return submission;
}

// The service "program", by the plugin `local`; nothing else.
class OneSystem final : public SystemSet, public Systems {
 public:
  OneSystem() {
    PluginSetup setup;
    setup.name = "program";
    setup.settings = {{"command", {program}}};
    if (!program.empty()) plugin_ = ReadOnly(FindPluginKind("local")->make(setup).value());
  }
  Systems& writing() override { return *this; }
  Systems& reading() override { return *this; }
  Result<Plugin*> Find(const std::string& name) override {
    if (plugin_ && name == "program") return plugin_.get();
    return Error{ErrorKind::kNotFound, name, "", "no such system", ""};
  }

 private:
  std::shared_ptr<Plugin> plugin_;
};

struct House {
  explicit House(const Settings& settings) : loop(static_cast<std::size_t>(settings.threads)) {
    auto opened = OpenSqliteJournal(settings.journal(), clock);
    if (!opened) Die(Describe(opened.error()));
    journal = std::move(*opened);
    EngineOptions options;
    options.find_step = FindBenchStep;
    const auto systems = [](const Site&) { return std::make_shared<OneSystem>(); };
    engine = std::make_unique<Engine>(loop, *journal, clock, systems, options);
  }
  SystemClock clock;
  std::unique_ptr<Journal> journal;
  Loop loop;
  std::unique_ptr<Engine> engine;
};

void RemoveJournal(const Settings& settings) {
  for (const char* ending : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(settings.journal() + ending);
}

struct Timing {
  std::int64_t events = 0;
  double seconds = 0, processor_seconds = 0;
};

Timing TimeRun(const Settings& settings) {
  RemoveJournal(settings);
  House house(settings);
  Submission submission = MakeSubmission(settings, -1);
  const auto begin = Steady::now();
  const double processor = ProcessorSeconds();
  const auto run = house.engine->Submit(std::move(submission));
  if (!run) Die(Describe(run.error()));
  if (const Status ended = house.engine->Run(); !ended) Die(Describe(ended.error()));
  Timing timing;
  timing.seconds = Since(begin);
  timing.processor_seconds = ProcessorSeconds() - processor;
  for (const auto& [name, state] : house.engine->Find(*run)->applications) {
    if (state.phase != Phase::kSoak) Die(name + " did not get to its soak");
    timing.events = std::max(timing.events, state.last_seq);
  }
  return timing;
}

// --- bare SQLite ---------------------------------------------------------------------------------------------------

class Bare {
 public:
  explicit Bare(const std::string& path) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) Die("cannot open " + path);
  }
  ~Bare() { sqlite3_close(db_); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;
  void Execute(const std::string& sql) {
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) Die(sqlite3_errmsg(db_));
  }
  sqlite3_stmt* Prepare(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) Die(sqlite3_errmsg(db_));
    return statement;
  }

 private:
  sqlite3* db_ = nullptr;
};

struct Row {
  std::vector<std::string> columns;
  bool shares = false;  // its commit with the row before: an intent behind an outcome
};

std::vector<Row> RowsOf(const std::string& path) {
  Bare journal(path);
  sqlite3_stmt* read = journal.Prepare("SELECT * FROM events ORDER BY seq");
  std::vector<Row> rows;
  bool outcome = false;
  while (sqlite3_step(read) == SQLITE_ROW) {
    Row row;
    for (int i = 0; i < sqlite3_column_count(read); ++i)
      row.columns.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(read, i)),
                               static_cast<std::size_t>(sqlite3_column_bytes(read, i)));
    const std::string& header = row.columns.at(4);
    row.shares = outcome && header.find(R"("kind":"intent")") != std::string::npos;
    outcome = header.find(R"("kind":"outcome")") != std::string::npos;
    rows.push_back(std::move(row));
  }
  sqlite3_finalize(read);
  return rows;
}

// The same rows into the same table, in the same commits, without anything else.
double TimeBare(const Settings& settings, const std::vector<Row>& rows) {
  const std::string path = settings.folder + "/bare.db";
  for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(path + ending);
  std::string schema;
  {
    Bare journal(settings.journal());
    sqlite3_stmt* read = journal.Prepare("SELECT sql FROM sqlite_schema WHERE name = 'events'");
    if (sqlite3_step(read) != SQLITE_ROW) Die("the journal has no table of events");
    schema = reinterpret_cast<const char*>(sqlite3_column_text(read, 0));
    sqlite3_finalize(read);
  }
  Bare bare(path);
  bare.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; " + schema);
  sqlite3_stmt* insert = bare.Prepare("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
  const auto begin = Steady::now();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].shares) bare.Execute("BEGIN IMMEDIATE");
    for (int column = 0; column < 9; ++column) {
      const std::string& text = rows[i].columns.at(static_cast<std::size_t>(column));
      if (column == 0 || column == 3)
        sqlite3_bind_int64(insert, column + 1, std::stoll(text));
      else
        sqlite3_bind_text(insert, column + 1, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    }
    if (sqlite3_step(insert) != SQLITE_DONE) Die("cannot insert");
    sqlite3_reset(insert);
    if (i + 1 == rows.size() || !rows[i + 1].shares) bare.Execute("COMMIT");
  }
  const double seconds = Since(begin);
  sqlite3_finalize(insert);
  return seconds;
}

void One(const Settings& settings) {
  std::vector<double> ratios;
  double best_engine = 1e9;
  double best_bare = 1e9;
  std::int64_t events = 0;
  for (int i = 0; i < 5; ++i) {
    const Timing engine = TimeRun(settings);
    const double bare = TimeBare(settings, RowsOf(settings.journal()));
    ratios.push_back(bare / engine.seconds);
    best_engine = std::min(best_engine, engine.seconds);
    best_bare = std::min(best_bare, bare);
    events = engine.events;
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("%s\n", Json{{"events", events},
                           {"events_per_s", static_cast<double>(events) / best_engine},
                           {"bare_events_per_s", static_cast<double>(events) / best_bare},
                           {"ratio", ratios.at(2)},
                           {"ratio_worst", ratios.front()},
                           {"ratio_best", ratios.back()}}
                          .dump()
                          .c_str());
}

void Many(const Settings& settings) {
  Overhead gaps(settings.applications);
  overhead = &gaps;
  const double before = ResidentKib();
  const Timing timing = TimeRun(settings);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%s\n", Json{{"applications", settings.applications},
                           {"steps", settings.steps},
                           {"at_once", settings.at_once},
                           {"events", timing.events},
                           {"seconds", timing.seconds},
                           {"processor_seconds", timing.processor_seconds},
                           {"events_per_s", static_cast<double>(timing.events) / timing.seconds},
                           {"overhead_ms_p50", gaps.Percentile(0.5)},
                           {"overhead_ms_p99", gaps.Percentile(0.99)},
                           {"peak_kib", static_cast<double>(usage.ru_maxrss) - before}}
                          .dump()
                          .c_str());
}

// Reports once every application waits.
void ReportWaiting(const Settings& settings, Steady::time_point begin, double kib_before, bool then_rest) {
  while (waiting < settings.applications) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  Json report{{"applications", settings.applications},
              {"steps_done", settings.waits_at},
              {"seconds", Since(begin)},
              {"kib_each", (ResidentKib() - kib_before) / settings.applications}};
  if (then_rest) {
    const double processor = ProcessorSeconds();
    const auto resting = Steady::now();
    std::this_thread::sleep_for(std::chrono::seconds(settings.rest_s));
    report["processor_percent"] = 100 * (ProcessorSeconds() - processor) / Since(resting);
  }
  std::printf("%s\n", report.dump().c_str());
  std::fflush(stdout);
  kill(getpid(), SIGKILL);
}

void Wait(Settings settings, Steady::time_point begin) {
  RemoveJournal(settings);
  settings.at_once = settings.applications;
  House house(settings);
  const double before = ResidentKib();
  {
    Submission submission = MakeSubmission(settings, settings.waits_at);
    if (const auto run = house.engine->Submit(std::move(submission)); !run) Die(Describe(run.error()));
  }
  const std::jthread reporter([&] { ReportWaiting(settings, begin, before, true); });
  if (const Status ended = house.engine->Run(); !ended) Die(Describe(ended.error()));
}

void Resume(Settings settings, Steady::time_point begin) {
  House house(settings);
  const double before = ResidentKib();
  const std::string run = house.journal->Runs()->back();
  if (const Status adopted = house.engine->Adopt(run, nullptr); !adopted) Die(Describe(adopted.error()));
  std::fprintf(stderr, "read after %.2f s\n", Since(begin));
  settings.applications = static_cast<int>(house.engine->Find(run)->order.size());
  const Decision decision{"resume", {}, "bench@here", "", "", ""};
  if (const Status decided = house.engine->DecideFor(run, decision); !decided) Die(Describe(decided.error()));
  std::fprintf(stderr, "decided after %.2f s\n", Since(begin));
  const std::jthread reporter([&] { ReportWaiting(settings, begin, before, false); });
  if (const Status ended = house.engine->Run(); !ended) Die(Describe(ended.error()));
}

}  // namespace
}  // namespace vmferry

int main(int argc, char** argv) {
  vmferry::ReturnFreeMemory();
  const auto begin = vmferry::Steady::now();
  CLI::App app{"bench_engine times the engine with steps that do nothing."};
  vmferry::Settings settings;
  app.add_option("--applications", settings.applications);
  app.add_option("--steps", settings.steps);
  app.add_option("--at-once", settings.at_once);
  app.add_option("--threads", settings.threads, "of the pool for step calls");
  app.add_option("--waits-at", settings.waits_at, "steps before the one that waits");
  app.add_option("--rest", settings.rest_s, "seconds over which waiting is measured");
  app.add_option("--folder", settings.folder, "where the journals are written");
  app.add_option("--program", vmferry::program, "what each step, then of the kind `command`, runs");
  app.add_flag("--effects", settings.effects, "steps that are observed first, as effects are");
  app.fallthrough();
  app.require_subcommand(1);
  app.add_subcommand("one")->callback([&] { vmferry::One(settings); });
  app.add_subcommand("many")->callback([&] { vmferry::Many(settings); });
  app.add_subcommand("wait")->callback([&] { vmferry::Wait(settings, begin); });
  app.add_subcommand("resume")->callback([&] { vmferry::Resume(settings, begin); });
  CLI11_PARSE(app, argc, argv);
  return 0;
}
