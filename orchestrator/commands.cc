// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "runbooks/check.h"
#include "state/event.h"
#include "state/sqlite_journal.h"

namespace vmferry {
namespace {

std::string StateHome() {
  const char* xdg = std::getenv("XDG_STATE_HOME");
  if (xdg && *xdg == '/') return xdg;
  const char* home = std::getenv("HOME");
  return std::string(home ? home : "") + "/.local/state";
}

std::string ShellWord(const std::string& text) {
  const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:+,@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

}  // namespace

std::string Reach(const Common& common, const std::string& site_file) {
  return (site_file.empty() ? "" : " --site " + ShellWord(site_file)) +
         (common.journal.empty() ? "" : " --journal " + ShellWord(common.journal));
}

std::string JournalPath(const Common& common, const std::string& site_file) {
  if (!common.journal.empty()) return common.journal;
  if (!site_file.empty())
    if (const Checked checked = CheckSite(site_file); checked.site && !checked.site->journal.empty())
      return checked.site->journal;
  return StateHome() + "/vmferry/journal.db";
}

Error NoSuchRun(const std::string& journal, const std::string& run) {
  return Error{ErrorKind::kNotFound, "journal " + journal, "run " + run, "no such run",
               "`vmferry status` lists the runs; --journal or --site names another journal"};
}

Result<std::string> FullRunId(const std::string& journal, const std::string& prefix) {
  auto reader = OpenJournalReader(journal);
  if (!reader) return reader.error();
  auto runs = (*reader)->Runs();
  if (!runs) return runs.error();
  std::string found;
  for (const std::string& run : *runs) {
    if (run == prefix) return run;
    if (!run.starts_with(prefix)) continue;
    if (!found.empty())
      return Error{ErrorKind::kInvalid, "journal", "run " + prefix, "several runs begin so", "give more of the id"};
    found = run;
  }
  if (found.empty()) return NoSuchRun(journal, prefix);
  return found;
}

void PrintJson(const Json& line) {
  std::puts(line.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

void Begin(const Common& common) {
  if (common.json) PrintJson({{"vmferry", VMFERRY_VERSION}, {"format", 1}});
}

ExitCode Fail(const Common& common, const Error& error) {
  if (common.json) {
    PrintJson({{"error", ErrorToJson(error)}});
  } else {
    const Style style{ColoursOn(STDERR_FILENO)};
    std::fprintf(stderr, "%s %s\n", style.Bad("vmferry:").c_str(), Describe(error).c_str());
  }
  return error.kind == ErrorKind::kInternal || error.kind == ErrorKind::kCorrupt ? ExitCode::kInternal
                                                                                 : ExitCode::kProblems;
}

void PrintDiagnostics(const Common& common, const std::vector<Diagnostic>& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics) {
    if (common.json)
      PrintJson({{"diagnostic", DiagnosticToJson(diagnostic)}});
    else
      std::fputs(Render(diagnostic, ColoursOn(STDERR_FILENO)).c_str(), stderr);
  }
  if (!common.json && !diagnostics.empty())
    std::fprintf(stderr, "%zu problem%s\n", diagnostics.size(), diagnostics.size() == 1 ? "" : "s");
}

}  // namespace vmferry
