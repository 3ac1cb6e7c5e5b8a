// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/cli.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "orchestrator/commands.h"
#include "orchestrator/completion.h"
#include "plugins/registry.h"
#include "runbooks/check.h"
#include "runbooks/suggest.h"
#include "steps/step.h"

namespace vmferry {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  vmferry validate runbook.yaml site.yaml\n"
    "  vmferry plan runbook.yaml --site site.yaml      what would happen, against the live platforms\n"
    "  vmferry rehearse runbook.yaml --site site.yaml  try it on a clone, then undo it all; the source goes on serving\n"
    "  vmferry run runbook.yaml --site site.yaml       do it; a green run soaks until you commit\n"
    "  vmferry approve r-20260301-7f3a9c --reason \"change 4711\"   where a policy requires it\n"
    "  vmferry commit r-20260301-7f3a9c                keep the target\n"
    "  vmferry rollback r-20260301-7f3a9c --reason \"latency\"\n"
    "  vmferry audit show r-20260301-7f3a9c\n"
    "\n"
    "Exit codes: 0 done, 1 internal, 2 usage, 3 problems found or nothing touched, 10 rolled back,\n"
    "  11 rollback blocked, 12 waiting, 13 needs operator, 14 journal held, 16 audit failed, 130 interrupted\n";

// All option values live as long as the parsing and the command.
struct Parsed {
  Common common;
  ValidateOptions validate;
  PlanOptions plan;
  CriteriaOptions criteria;
  CriteriaTestOptions criteria_test;
  RunOptions run;
  DecideOptions decide;
  StatusOptions status;
  AuditOptions audit;
  std::string name;
  ExitCode code = ExitCode::kUsage;
};

CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& purpose, const std::string& example) {
  CLI::App* command = app.add_subcommand(name, purpose);
  command->footer("Example:\n  " + example + "\n");
  command->fallthrough();
  return command;
}

void AddPolicies(CLI::App& command, PolicyOptions& options) {
  CLI::Option* policy =
      command.add_option("--policy", options.files, "a WorkloadPolicy beside the site's (may be repeated)");
  policy->type_name("FILE")->allow_extra_args(false);
}

CLI::Option* AddOverrides(CLI::App& command, PolicyOptions& options) {
  CLI::Option* clause = command.add_option("--override-policy", options.overrides,
                                           "pass over this clause of the policies (may be repeated)");
  return clause->check(CLI::IsMember(OverridableClauses()))->type_name("CLAUSE")->allow_extra_args(false);
}

CLI::Option* AddPassedOver(CLI::App& command, PolicyOptions& options) {
  CLI::Option* step = command.add_option("--override", options.steps,
                                         "go on although this check, which vmferry adds, fails (may be repeated)");
  return step->check(CLI::IsMember(OverridableSteps()))->type_name("STEP")->allow_extra_args(false);
}

void AddValidate(CLI::App& app, Parsed& parsed) {
  CLI::App* command = AddCommand(app, "validate", "check documents offline; all problems at once",
                                 "vmferry validate runbook.yaml site.yaml");
  command->add_option("FILE", parsed.validate.files, "runbooks, waves, policies, a site")->required();
  AddPolicies(*command, parsed.validate.policies);
  command->callback([&parsed] { parsed.code = Validate(parsed.common, parsed.validate); });
}

void AddPlan(CLI::App& app, Parsed& parsed) {
  CLI::App* command = AddCommand(app, "plan", "live dry run: reads the platforms, changes nothing",
                                 "vmferry plan runbook.yaml --site site.yaml");
  command->add_option("FILE", parsed.plan.file, "a runbook or a wave")->required();
  command->add_option("--site", parsed.plan.site, "the site file")->required();
  AddPolicies(*command, parsed.plan.policies);
  AddOverrides(*command, parsed.plan.policies);
  AddPassedOver(*command, parsed.plan.policies);
  command->callback([&parsed] { parsed.code = PlanCommand(parsed.common, parsed.plan); });
}

void AddCriteria(CLI::App& app, Parsed& parsed) {
  CLI::App* command = AddCommand(app, "criteria", "one sample of each rollback criterion, now; exit code 3 unless all pass",
                                 "vmferry criteria r-20260301-7f3a9c");
  command->add_option("RUN|FILE", parsed.criteria.subject, "a run's id, or how it begins; or a runbook or a wave");
  command->add_option("--site", parsed.criteria.site, "the site file; of a run: if it is not the one it began with");
  command->callback([&parsed, command] {
    if (!command->get_subcommands().empty()) return;
    if (parsed.criteria.subject.empty()) throw CLI::RequiredError("RUN|FILE");
    parsed.code = CriteriaCommand(parsed.common, parsed.criteria);
  });
  CLI::App* test = AddCommand(*command, "test", "what the rules would have made of samples of the past; 3 if they had acted",
                              "vmferry criteria test runbook.yaml --site site.yaml --samples last-week.csv");
  test->add_option("FILE", parsed.criteria_test.runbook, "a runbook")->required();
  test->add_option("--site", parsed.criteria_test.site, "the site file")->required();
  test->add_option("--samples", parsed.criteria_test.samples,
                   "CSV with a header: time,criterion,verdict or time,criterion,value,samples")
      ->required();
  test->callback([&parsed] { parsed.code = CriteriaTest(parsed.common, parsed.criteria_test); });
}

void AddNoSoak(CLI::App& command, bool& no_soak) {
  command.add_flag("--no-soak", no_soak,
                   "return when only the soak is left; nobody watches the criteria until `vmferry resume`");
}

void AddRun(CLI::App& app, Parsed& parsed) {
  CLI::App* command = AddCommand(app, "run", "run a runbook or a wave of them side by side",
                                 "vmferry run wave.yaml --site site.yaml --reason \"change 4711\"");
  command->add_option("FILE", parsed.run.file, "a runbook or a wave")->required();
  command->add_option("--site", parsed.run.site, "the site file")->required();
  command->add_option("--reason", parsed.run.reason, "why, for the audit trail");
  AddPolicies(*command, parsed.run.policies);
  AddOverrides(*command, parsed.run.policies)->needs("--reason");
  AddNoSoak(*command, parsed.run.no_soak);
  AddPassedOver(*command, parsed.run.policies)->needs("--reason");
  command->callback([&parsed] { parsed.code = RunCommand(parsed.common, parsed.run); });
}

void AddRehearse(CLI::App& app, Parsed& parsed) {
  CLI::App* command = AddCommand(app, "rehearse", "try a runbook on a clone, on an isolated network; then undo it all",
                                 "vmferry rehearse runbook.yaml --site site.yaml");
  command->add_option("FILE", parsed.run.file, "a runbook or a wave")->required();
  command->add_option("--site", parsed.run.site, "the site file")->required();
  command->add_option("--reason", parsed.run.reason, "why, for the audit trail");
  AddPolicies(*command, parsed.run.policies);
  AddOverrides(*command, parsed.run.policies)->needs("--reason");
  command->callback([&parsed] {
    parsed.run.rehearsal = true;
    parsed.code = RunCommand(parsed.common, parsed.run);
  });
}

void AddAssumption(CLI::App& resume, DecideOptions& options) {
  CLI::Option* assume = resume.add_option(
      "--assume", options.assume, "a step in doubt is `done` or `not-done`, as you saw; needs --step, --reason");
  assume->check(CLI::IsMember({"done", "not-done"}))->type_name("done|not-done");
  CLI::Option* step = resume.add_option("--step", options.step, "the step in doubt, as `vmferry status` names it");
  assume->needs(step)->needs("--reason");
  step->needs(assume);
}

void AddDecision(CLI::App& app, Parsed& parsed, const std::string& kind, const std::string& purpose, bool reason) {
  CLI::App* command = AddCommand(app, kind, purpose,
                                 "vmferry " + kind + " r-20260301-7f3a9c" + (reason ? " --reason \"...\"" : ""));
  command->add_option("RUN", parsed.decide.run, "the run's id, or how it begins")->required();
  command->add_option("--app", parsed.decide.applications, "only this application (may be repeated)");
  command->add_option("--site", parsed.decide.site, "reach the systems by this site file, and use its journal");
  CLI::Option* option = command->add_option("--reason", parsed.decide.reason, "why, for the audit trail");
  if (reason) option->required();
  if (kind == "resume") AddAssumption(*command, parsed.decide);
  if (kind == "resume" || kind == "approve") AddNoSoak(*command, parsed.decide.no_soak);
  command->callback([&parsed, kind] {
    parsed.decide.kind = kind;
    parsed.code = DecideCommand(parsed.common, parsed.decide);
  });
}

void AddStatus(CLI::App& app, Parsed& parsed) {
  CLI::App* command = AddCommand(app, "status", "the runs of the journal, or every step of one",
                                 "vmferry status r-20260301-7f3a9c");
  command->add_option("RUN", parsed.status.run, "the run's id, or how it begins");
  command->add_option("--site", parsed.status.site, "use this site's journal");
  command->callback([&parsed] { parsed.code = StatusCommand(parsed.common, parsed.status); });
}

using AuditCommand = ExitCode (*)(const Common&, const AuditOptions&);

CLI::App* AddAuditPart(CLI::App& audit, Parsed& parsed, const std::string& name, const std::string& purpose,
                       const std::string& example, AuditCommand run) {
  CLI::App* command = AddCommand(audit, name, purpose, example);
  command->add_option("--site", parsed.audit.site, "use this site's journal");
  command->callback([&parsed, run] { parsed.code = run(parsed.common, parsed.audit); });
  return command;
}

void AddAudit(CLI::App& app, Parsed& parsed) {
  CLI::App* audit = AddCommand(app, "audit", "the audit trail", "vmferry audit show r-20260301-7f3a9c");
  audit->require_subcommand(1);
  AddAuditPart(*audit, parsed, "list", "the runs and how they ended", "vmferry audit list", AuditList);
  CLI::App* show = AddAuditPart(*audit, parsed, "show", "every event of a run with its evidence",
                                "vmferry audit show r-20260301-7f3a9c --app billing", AuditShow);
  show->add_option("RUN", parsed.audit.run, "the run's id, or how it begins")->required();
  show->add_option("--app", parsed.audit.application, "only this application");
  CLI::App* verify = AddAuditPart(*audit, parsed, "verify", "check the hash chains over the stored bytes",
                                  "vmferry audit verify", AuditVerify);
  verify->add_option("RUN", parsed.audit.run, "only this run (the whole id)");
  CLI::App* replay = AddAuditPart(*audit, parsed, "replay", "evaluate a run's journaled samples once more, against its verdicts",
                                  "vmferry audit replay r-20260301-7f3a9c", AuditReplay);
  replay->add_option("RUN", parsed.audit.run, "the run's id, or how it begins")->required();
}

template <class Items, class NameOf>
std::string NamesOf(const Items& items, NameOf name_of) {
  std::string names;
  for (const auto& item : items) names += name_of(item) + " ";
  return names;
}

void AddCatalogue(CLI::App& app, Parsed& parsed) {
  CLI::App* steps = AddCommand(app, "steps", "the step kinds, or one in full", "vmferry steps final_data_sync");
  steps->add_option("NAME", parsed.name, "a step kind");
  steps->callback([&parsed] { parsed.code = StepsCommand(parsed.common, parsed.name); });
  CLI::App* plugins = AddCommand(app, "plugins", "the plugins, or one with its settings", "vmferry plugins vsphere");
  plugins->add_option("NAME", parsed.name, "a plugin");
  plugins->callback([&parsed] { parsed.code = PluginsCommand(parsed.common, parsed.name); });
  CLI::App* completion = AddCommand(app, "completion", "print a completion script for bash, zsh or fish",
                                    "vmferry completion bash > /etc/bash_completion.d/vmferry");
  completion->add_option("SHELL", parsed.name, "bash, zsh or fish")->required()->check(
      CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&parsed, &app] {
    std::cout << CompletionScript(
        app, parsed.name,
        {{"completion", "bash zsh fish"},
         {"steps", NamesOf(AllSteps(), [](const Step* step) { return std::string(step->spec().name); })},
         {"plugins", NamesOf(AllPluginKinds(), [](const PluginKind& kind) { return kind.name; })}});
    parsed.code = ExitCode::kDone;
  });
}

void CollectWords(const CLI::App& app, std::vector<std::string>& words) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  for (const CLI::App* child : app.get_subcommands(nullptr)) {
    words.push_back(child->get_name());
    CollectWords(*child, words);
  }
}

// Help and version are "problems" as well. A mistyped word says more than what is missing because of it.
int Refuse(const CLI::App& app, const CLI::ParseError& problem) {
  const std::vector<std::string> unknown = app.remaining(true);
  const bool missing = dynamic_cast<const CLI::RequiredError*>(&problem) != nullptr;
  if (!missing || unknown.empty()) return app.exit(problem) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  std::vector<std::string> words;
  CollectWords(app, words);
  const auto nearest = Nearest(unknown.front(), words);
  std::fprintf(stderr, "unknown: %s%s\nRun with --help for more information.\n", unknown.front().c_str(),
               nearest ? ("; did you mean " + *nearest + "?").c_str() : "");
  return static_cast<int>(ExitCode::kUsage);
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv) {
  Parsed parsed;
  CLI::App app("vmferry carries applications from one virtualisation platform to another, and back.", "vmferry");
  app.footer(kExamples);
  app.set_version_flag("--version", std::string("vmferry ") + VMFERRY_VERSION);
  app.add_option("--journal", parsed.common.journal,
                 "the journal (standard: the site's, else ~/.local/state/vmferry/journal.db)")
      ->check([](const std::string& path) { return path.empty() ? "an empty name is no journal" : std::string(); });
  app.add_flag("--json", parsed.common.json, "print one JSON object a line");
  app.require_subcommand(1);
  AddValidate(app, parsed);
  AddPlan(app, parsed);
  AddCriteria(app, parsed);
  AddRehearse(app, parsed);
  AddRun(app, parsed);
  AddStatus(app, parsed);
  AddDecision(app, parsed, "resume", "go on with a run that was interrupted, held or blocked", false);
  AddDecision(app, parsed, "approve", "let a run that waits for approval go on to its cutover", true);
  AddDecision(app, parsed, "reject", "end a run that waits for approval; what was touched goes back", true);
  AddDecision(app, parsed, "commit", "end the soak and keep the target: the point of no return", false);
  AddDecision(app, parsed, "rollback", "go back to the source, from wherever the run is", true);
  AddAudit(app, parsed);
  AddCatalogue(app, parsed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return Refuse(app, e);
  }
  return static_cast<int>(parsed.code);
}

}  // namespace vmferry
