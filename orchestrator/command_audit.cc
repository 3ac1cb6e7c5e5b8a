// SPDX-License-Identifier: Apache-2.0
//
// status, audit list, audit show, audit verify: they only read the journal.
#include <algorithm>
#include <cstdio>

#include "orchestrator/commands.h"
#include "orchestrator/event_text.h"
#include "orchestrator/report.h"
#include "state/journal_lock.h"
#include "state/sqlite_journal.h"

namespace vmferry {
namespace {

// Runs whose id begins with `prefix`; an Error if none does. Other runs are not read.
Result<std::vector<RunState>> Chosen(const JournalReader& journal, const std::string& path, const std::string& prefix) {
  auto ids = journal.Runs();
  if (!ids) return ids.error();
  std::vector<RunState> chosen;
  for (const std::string& id : *ids) {
    if (!id.starts_with(prefix)) continue;
    auto run = journal.State(id);
    if (!run) return run.error();
    chosen.push_back(std::move(*run));
  }
  if (chosen.empty() && !prefix.empty()) return NoSuchRun(path, prefix);
  return chosen;
}

void PrintRun(const Common& common, const RunState& run, bool details, const Standpoint& from) {
  const Style style = Output::ForStdout(common.json).style;
  if (common.json) return PrintJson({{"run", RunToJson(run)}, {"journalInUse", from.at_work}});
  if (details) {
    std::fputs(RunDetails(run, style, from).c_str(), stdout);
    return;
  }
  std::printf("%s  %s  by %s  %s\n", style.Bold(run.run).c_str(), DateTime(run.created_ms).c_str(), run.actor.c_str(),
              run.wave.value("wave", "").c_str());
  std::fputs(RunTable(run, style, from).c_str(), stdout);
}

ExitCode PrintRuns(const Common& common, const std::string& site, const std::string& prefix) {
  const std::string journal_path = JournalPath(common, site);
  // Asked first: an engine that ends meanwhile has written all it was to write.
  const Standpoint from{Reach(common, site), JournalLock::IsHeld(journal_path)};
  auto journal = OpenJournalReader(journal_path);
  if (!journal) return Fail(common, journal.error());
  auto runs = Chosen(**journal, journal_path, prefix);
  if (!runs) return Fail(common, runs.error());
  for (const RunState& run : *runs) PrintRun(common, run, !prefix.empty(), from);
  if (runs->empty() && !common.json) std::puts("no runs yet");
  return ExitCode::kDone;
}

bool About(const Event& event, const std::string& application) {
  return application.empty() || event.application == application;
}

// `width` of the applications' column; 0: there is just one, which is named once.
void PrintEvent(const Common& common, const Event& event, const RunState& state, std::size_t width,
                const Style& style) {
  if (common.json) return PrintJson(EventToJson(event));
  const std::string text = event.application.empty() ? "run created: " + event.payload.value("wave", "")
                                                     : EventLine(event, state, style, true);
  const std::string application = width == 0 ? "" : Padded(event.application, width) + "  ";
  std::printf("%6lld  %s  %s  %s%s\n", static_cast<long long>(event.seq), FormatWallTime(event.at.wall_ms).c_str(),
              Padded(event.actor, 12).c_str(), application.c_str(), text.c_str());
}

std::string ChainTitle(const ChainReport& report) {
  return report.chain.run + (report.chain.application.empty() ? "" : " " + report.chain.application);
}

}  // namespace

ExitCode StatusCommand(const Common& common, const StatusOptions& options) {
  Begin(common);
  return PrintRuns(common, options.site, options.run);
}

ExitCode AuditList(const Common& common, const AuditOptions& options) {
  Begin(common);
  return PrintRuns(common, options.site, "");
}

ExitCode AuditShow(const Common& common, const AuditOptions& options) {
  Begin(common);
  const std::string path = JournalPath(common, options.site);
  auto journal = OpenJournalReader(path);
  if (!journal) return Fail(common, journal.error());
  auto runs = Chosen(**journal, path, options.run);
  if (!runs) return Fail(common, runs.error());
  const Style style = Output::ForStdout(common.json).style;
  for (const RunState& run : *runs) {
    auto events = (*journal)->Read(run.run);
    if (!events) return Fail(common, events.error());
    RunState state;
    state.run = run.run;
    std::size_t width = 0;
    for (const std::string& name : run.order)
      if (run.order.size() > 1) width = std::max(width, name.size());
    for (const Event& event : *events) {
      Fold(state, event);
      if (About(event, options.application)) PrintEvent(common, event, state, width, style);
    }
  }
  return ExitCode::kDone;
}

ExitCode AuditVerify(const Common& common, const AuditOptions& options) {
  Begin(common);
  auto journal = OpenJournalReader(JournalPath(common, options.site));
  if (!journal) return Fail(common, journal.error());
  auto reports = (*journal)->Verify(options.run);
  if (!reports) return Fail(common, reports.error());
  const Style style = Output::ForStdout(common.json).style;
  bool whole = true;
  std::int64_t events = 0;
  for (const ChainReport& report : *reports) {
    whole = whole && report.problem.empty();
    events += report.events;
    if (common.json)
      PrintJson({{"run", report.chain.run},
                 {"application", report.chain.application},
                 {"events", report.events},
                 {"head", report.head},
                 {"problem", report.problem}});
    else
      std::printf("%s  %s  %lld event%s  head %s%s\n",
                  report.problem.empty() ? style.Good("whole ").c_str() : style.Bad("BROKEN").c_str(),
                  ChainTitle(report).c_str(), static_cast<long long>(report.events), report.events == 1 ? "" : "s",
                  report.head.c_str(),
                  report.problem.empty() ? "" : ("  " + report.problem).c_str());
  }
  if (!common.json)
    std::printf("%zu chain(s), %lld events: %s\n", reports->size(), static_cast<long long>(events),
                whole ? "nothing up to these heads was changed, removed or reordered" : "THE RECORD WAS CHANGED");
  return whole ? ExitCode::kDone : ExitCode::kAuditFailed;
}

}  // namespace vmferry
