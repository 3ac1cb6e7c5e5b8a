// SPDX-License-Identifier: Apache-2.0
//
// From files to plans, or to all their problems at once. Offline: nothing here talks to a platform.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runbooks/plan.h"
#include "runbooks/site.h"

namespace vmferry {

// One problem, with its place. Printed as `file:line:col: message`, the line, a caret and the hint.
struct Diagnostic {
  std::string file;
  int line = 1;    // from 1
  int column = 1;  // from 1, in characters
  std::string message;
  std::string hint;    // "did you mean `smoke_test`?"; may be empty
  std::string source;  // the text of the line
  bool operator==(const Diagnostic&) const = default;
};
std::string Render(const Diagnostic& diagnostic, bool colour);
Json DiagnosticToJson(const Diagnostic& diagnostic);

// A wave: one runbook given alone is a wave of one.
struct WavePlan {
  std::string name;               // of the Wave document, or the application's name
  std::string path;
  int applications_at_once = 1;
  int stop_after_failed = 0;      // 0: never stop
  std::vector<Plan> plans;        // in the order of the wave
};

struct Checked {
  std::vector<Diagnostic> diagnostics;  // empty: all is well
  std::optional<Site> site;
  std::optional<WavePlan> wave;         // present only without diagnostics
};

// Policies beside those that the site names, and what is passed over: clauses of OverridableClauses, and steps of
// OverridableSteps.
struct PolicyUse {
  std::vector<std::string> files;
  std::set<std::string> overrides;
};
// The clauses that the submitter of a run may pass over, with a reason.
const std::vector<std::string>& OverridableClauses();
// The checks that vmferry adds by itself and whose result the submitter may pass over, with a reason.
const std::vector<std::string>& OverridableSteps();

// Checks a Wave or Runbook file against a Site file and the policies of both.
Checked CheckWave(const std::string& path, const std::string& site_path, const PolicyUse& policies = {});
// Checks a Site file alone: `site` is present without diagnostics only, `wave` stays empty.
Checked CheckSite(const std::string& path);
// `vmferry validate FILE...`: any kinds; runbooks and waves are checked against the Site among the files, if one is;
// without a site, what only a site can tell (missing parameters, platforms, policies) is not reported.
std::vector<Diagnostic> CheckFiles(const std::vector<std::string>& paths, const PolicyUse& policies = {});

}  // namespace vmferry
