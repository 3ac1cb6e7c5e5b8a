// SPDX-License-Identifier: Apache-2.0
//
// The order of checking: read every file once, the site first, then each runbook in its light, then waves.
#include "runbooks/check.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <system_error>

#include "runbooks/characters.h"
#include "runbooks/check_options.h"
#include "runbooks/check_policy.h"
#include "runbooks/check_runbook.h"
#include "runbooks/check_site.h"
#include "runbooks/check_wave.h"
#include "runbooks/header.h"
#include "runbooks/problems.h"
#include "runbooks/secrecy.h"
#include "steps/undo_proof.h"

namespace vmferry {
namespace {

// One file, and what it turned out to be.
struct File {
  File(std::string path, std::string text, Problems& problems)
      : document(std::move(path), std::move(text)), reader{document, problems} {}
  Document document;
  Reader reader;
  std::optional<DocumentKind> kind;  // nothing: unusable, which was reported
  std::optional<RunbookModel> runbook;
  Plan plan;
};

// The same file however its path is spelt.
std::string Identity(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return (error ? std::filesystem::path(path) : absolute).lexically_normal().string();
}

// A step that is passed over runs all the same, so that what it found is on record.
void PassOver(const std::set<std::string>& overrides, Plan& plan) {
  for (PlannedStep& step : plan.steps) {
    if (step.name != kUndoProven || !overrides.contains(step.name)) continue;
    step.parameters["overridden"] = true;
    plan.policy.overrides.push_back({"", step.name, "undos that are not proved are let through"});
  }
}

// One run of the checker over some files.
class Checker {
 public:
  explicit Checker(const CheckOptions& options) : options_(options) {}

  std::vector<Diagnostic> diagnostics() const { return problems_.All(); }

  // The file, read and parsed once. A file that cannot be read is a problem of `referrer`, where it names it at `at`,
  // or of the file itself when nobody refers to it.
  File& Load(const std::string& path, const Reader* referrer, std::size_t at) {
    std::unique_ptr<File>& file = files_[Identity(path)];
    if (file) return *file;
    Result<std::string> text = options_.read(path);
    file = std::make_unique<File>(path, text ? *text : "", problems_);
    if (text) {
      ParseDocument(file->document, problems_);
      if (file->document.usable()) file->kind = FindDocumentKind(file->reader);
    } else if (referrer != nullptr) {
      referrer->Report(at, "cannot read " + Quoted(path) + ": " + text.error().message);
    } else {
      file->reader.Report(0, "cannot read the file: " + text.error().message);
    }
    return *file;
  }

  bool Expect(const File& file, DocumentKind kind, const Reader* referrer, std::size_t at) {
    if (!file.kind || *file.kind == kind) return file.kind.has_value();
    const std::string message =
        Tamed(file.document.path()) + " is " + std::string(Name(*file.kind)) + ", not " + std::string(Name(kind));
    const MapMember* named = file.document.root().Find("kind");
    if (referrer != nullptr)
      referrer->Report(at, message);
    else
      file.reader.Report(named == nullptr ? 0 : named->value.at, message);
    return false;
  }

  void UseSite(File& file) {
    site_file_ = &file;
    site_ = CheckSite(file.reader, options_.vocabulary);
  }

  void UsePolicy(File& file) {
    if (!policy_files_.insert(&file).second) return;
    policies_.push_back(CheckPolicy(file.reader));
    const std::string& name = policies_.back().name;
    if (!name.empty() && !policy_names_.insert(name).second)
      file.reader.Report(0, "a second WorkloadPolicy called " + Quoted(name), "policies need different names");
  }

  // Those of the site, and those given beside the documents. To be called before anything is checked against them.
  void UsePolicies() {
    for (const SitePolicy& policy : site_ ? site_->policies : std::vector<SitePolicy>()) {
      File& file = Load(policy.path, &site_file_->reader, policy.at);
      if (Expect(file, DocumentKind::kPolicy, &site_file_->reader, policy.at)) UsePolicy(file);
    }
    for (const std::string& path : options_.policies.files) {
      File& file = Load(path, nullptr, 0);
      if (Expect(file, DocumentKind::kPolicy, nullptr, 0)) UsePolicy(file);
    }
    if (site_)
      for (const PolicyModel& policy : policies_) CheckPolicyInSite(policy, *site_);
  }
  const std::optional<SiteModel>& site() const { return site_; }

  void CheckOne(File& file) {
    if (file.runbook) return;
    file.runbook = CheckRunbook(file.reader, options_.vocabulary);
    file.plan = MakePlan(file.reader, *file.runbook, SiteReader(), SitePointer(), options_.vocabulary);
    if (site_)
      ApplyPolicies(policies_, options_.policies.overrides, file.reader, *file.runbook, *site_, options_.vocabulary,
                    file.plan);
    PassOver(options_.policies.overrides, file.plan);
  }

  WavePlan WaveOfOne(File& file) {
    CheckOne(file);
    return WavePlan{file.runbook->application, file.document.path(), 1, 0, {file.plan}};
  }

  WavePlan CheckWaveFile(File& file) {
    const WaveModel wave = CheckWaveDocument(file.reader);
    WavePlan plan{wave.name, file.document.path(), wave.applications_at_once, wave.stop_after_failed, {}};
    std::vector<WaveMember> members;
    for (const WaveEntry& entry : wave.entries) {
      File& runbook = Load(entry.path, &file.reader, entry.at);
      if (!Expect(runbook, DocumentKind::kRunbook, &file.reader, entry.at)) continue;
      CheckOne(runbook);
      members.push_back({&entry, &*runbook.runbook, &runbook.plan});
      plan.plans.push_back(runbook.plan);
    }
    CheckTogether(file.reader, wave, members, SiteReader(), SitePointer());
    return plan;
  }

 private:
  const SiteModel* SitePointer() const { return site_ ? &*site_ : nullptr; }
  const Reader* SiteReader() const { return site_file_ == nullptr ? nullptr : &site_file_->reader; }

  const CheckOptions& options_;
  Problems problems_;
  std::map<std::string, std::unique_ptr<File>> files_;
  File* site_file_ = nullptr;
  std::optional<SiteModel> site_;
  std::vector<PolicyModel> policies_;
  std::set<const File*> policy_files_;
  std::set<std::string> policy_names_;
};

CheckOptions Standard(const PolicyUse& policies = {}) {
  CheckOptions options;
  options.policies = policies;
  options.vocabulary = WholeVocabulary();
  return options;
}

// The one Site among the files. With several, none counts: which one a runbook is for cannot be told.
void ChooseSite(Checker& checker, const std::vector<File*>& files) {
  std::vector<File*> sites;
  for (File* file : files)
    if (file->kind == DocumentKind::kSite) sites.push_back(file);
  for (std::size_t i = 1; i < sites.size(); ++i)
    sites[i]->reader.Report(0, "a second Site among the files; the first is " + Tamed(sites[0]->document.path()),
                            "check runbooks and waves against one site at a time");
  if (!sites.empty()) checker.UseSite(*sites[0]);
}

}  // namespace

Checked CheckWave(const std::string& path, const std::string& site_path, const CheckOptions& options) {
  Checker checker(options);
  File& site = checker.Load(site_path, nullptr, 0);
  if (checker.Expect(site, DocumentKind::kSite, nullptr, 0)) checker.UseSite(site);
  checker.UsePolicies();
  File& file = checker.Load(path, nullptr, 0);
  Checked checked;
  const bool neither = file.kind == DocumentKind::kSite || file.kind == DocumentKind::kPolicy;
  if (neither) checker.Expect(file, DocumentKind::kWave, nullptr, 0);
  if (file.kind == DocumentKind::kWave) checked.wave = checker.CheckWaveFile(file);
  if (file.kind == DocumentKind::kRunbook) checked.wave = checker.WaveOfOne(file);
  if (checker.site()) checked.site = checker.site()->site;
  checked.diagnostics = checker.diagnostics();
  if (!checked.diagnostics.empty()) checked.wave.reset();
  return checked;
}

std::vector<Diagnostic> CheckFiles(const std::vector<std::string>& paths, const CheckOptions& options) {
  Checker checker(options);
  std::vector<File*> files;
  for (const std::string& path : paths) {
    File* file = &checker.Load(path, nullptr, 0);
    if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
  }
  ChooseSite(checker, files);
  for (File* file : files)
    if (file->kind == DocumentKind::kPolicy) checker.UsePolicy(*file);
  checker.UsePolicies();
  for (File* file : files) {
    if (file->kind == DocumentKind::kWave) checker.CheckWaveFile(*file);
    if (file->kind == DocumentKind::kRunbook) checker.CheckOne(*file);
  }
  return checker.diagnostics();
}

const std::vector<std::string>& OverridableClauses() {
  static const std::vector<std::string> clauses{std::string(kPlatformsClause), std::string(kGpuClause),
                                                std::string(kResidencyClause)};
  return clauses;
}

const std::vector<std::string>& OverridableSteps() {
  static const std::vector<std::string> steps{std::string(kUndoProven)};
  return steps;
}

Checked CheckWave(const std::string& path, const std::string& site_path, const PolicyUse& policies) {
  return CheckWave(path, site_path, Standard(policies));
}

Checked CheckSite(const std::string& path) {
  const CheckOptions options = Standard();
  Checker checker(options);
  File& file = checker.Load(path, nullptr, 0);
  if (checker.Expect(file, DocumentKind::kSite, nullptr, 0)) checker.UseSite(file);
  Checked checked;
  checked.diagnostics = checker.diagnostics();
  if (checked.diagnostics.empty() && checker.site()) checked.site = checker.site()->site;
  return checked;
}

std::vector<Diagnostic> CheckFiles(const std::vector<std::string>& paths, const PolicyUse& policies) {
  return CheckFiles(paths, Standard(policies));
}

}  // namespace vmferry
