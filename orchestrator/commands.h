// SPDX-License-Identifier: Apache-2.0
//
// The commands of the command line, one function each: they print and return the exit code. cli.cc parses the options.
#pragma once

#include <string>
#include <vector>

#include "orchestrator/exit_code.h"
#include "orchestrator/live_view.h"

namespace vmferry {

// Options that every command takes.
struct Common {
  std::string journal;  // --journal; empty: the site's, else the user's
  bool json = false;
};

// Policies beside the site's, and clauses of them and steps to pass over (runbooks/check.h).
struct PolicyOptions { std::vector<std::string> files; std::vector<std::string> overrides; std::vector<std::string> steps; };

struct ValidateOptions { std::vector<std::string> files; PolicyOptions policies; };
ExitCode Validate(const Common& common, const ValidateOptions& options);

struct PlanOptions { std::string file; std::string site; PolicyOptions policies; };
ExitCode PlanCommand(const Common& common, const PlanOptions& options);

// `subject`: a run of the journal, or a runbook or wave, which needs the site. Exit code 3 unless every criterion passes.
struct CriteriaOptions { std::string subject; std::string site; };
ExitCode CriteriaCommand(const Common& common, const CriteriaOptions& options);

// Exit code 3 if the rules would have gone back or held.
struct CriteriaTestOptions { std::string runbook; std::string site; std::string samples; };
ExitCode CriteriaTest(const Common& common, const CriteriaTestOptions& options);

// `rehearsal`: on a clone, which goes again (runbooks/rehearsal.h).
struct RunOptions {
  std::string file;
  std::string site;
  std::string reason;
  PolicyOptions policies;
  bool no_soak = false;  // return when nothing but the soak is left
  bool rehearsal = false;
};
ExitCode RunCommand(const Common& common, const RunOptions& options);

// resume, rollback, commit, approve, reject
struct DecideOptions {
  std::string kind;
  std::string run;
  std::vector<std::string> applications;
  std::string reason;
  std::string assume;  // what became of `step`: "done", "not-done" or nothing
  std::string step;
  std::string site;  // to reach the systems otherwise than journaled; resume only
  bool no_soak = false;  // as in RunOptions
};
ExitCode DecideCommand(const Common& common, const DecideOptions& options);

struct StatusOptions { std::string run; std::string site; };
ExitCode StatusCommand(const Common& common, const StatusOptions& options);

struct AuditOptions { std::string run; std::string application; std::string site; };
ExitCode AuditList(const Common& common, const AuditOptions& options);
ExitCode AuditShow(const Common& common, const AuditOptions& options);
ExitCode AuditVerify(const Common& common, const AuditOptions& options);
ExitCode AuditReplay(const Common& common, const AuditOptions& options);

ExitCode StepsCommand(const Common& common, const std::string& name);
ExitCode PluginsCommand(const Common& common, const std::string& name);

// --- shared by the commands ---

// The journal's path: the option, else the site's (if a site file is named and readable), else
// $XDG_STATE_HOME/vmferry/journal.db.
std::string JournalPath(const Common& common, const std::string& site_file);
// How a command that is suggested reaches the same journal: " --site site.yaml", " --journal j.db", or nothing.
std::string Reach(const Common& common, const std::string& site_file);
// That the journal has no run whose id begins so.
Error NoSuchRun(const std::string& journal, const std::string& run);
// The whole id of the run that `prefix` begins, if there is just one.
Result<std::string> FullRunId(const std::string& journal, const std::string& prefix);
// With --json: the version line.
void Begin(const Common& common);
void PrintJson(const Json& line);
// Prints the error to stderr (and as JSON); the code that fits.
ExitCode Fail(const Common& common, const Error& error);
void PrintDiagnostics(const Common& common, const std::vector<struct Diagnostic>& diagnostics);

}  // namespace vmferry
