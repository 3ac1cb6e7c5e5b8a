// SPDX-License-Identifier: Apache-2.0
//
// target_backup_failure: the target has a successful backup that is young enough. One that has none yet is no data: it
// says neither that backups work nor that they fail.
#include "plugins/backup.h"
#include "steps/backups.h"
#include "steps/catalogue.h"
#include "steps/criterion.h"
#include "steps/criterion_rule.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kDay = std::chrono::hours(24);

StepSpec MakeSpec() {
  StepSpec spec = CriterionSpec("target_backup_failure",
                                "Samples the age of the target's newest successful backup; fails when it is too old.",
                                std::chrono::minutes(1));
  spec.parameters = {
      Service("backup", "backup", true, "the service that keeps the backups"),
      Required("targetHost", ParameterType::kText, "the backup product's name of the target machine, VM or job"),
      Optional("targetPaths", ParameterType::kTextList, "", "paths that the backup must cover; absent: any"),
      Optional("targetTags", ParameterType::kTextList, "", "tags that the backup must carry; absent: any"),
      Optional("maxAge", ParameterType::kDuration, "24h", "how long ago the backup may have begun"),
  };
  AddRuleParameters(spec, {.every = "5m", .failures = "1", .within = "1", .no_data = "notify"});
  spec.reads = "the target's newest successful backup";
  spec.example =
      "rollbackCriteria:\n  - target_backup_failure:\n      backup: vault\n      targetHost: shop-kvm\n"
      "      maxAge: 26h\n";
  return spec;
}

class TargetBackupFailure final : public Criterion {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Result<Sample> Take(const StepContext& context) const override {
    const Result<Plugin*> product = ServiceOf(context, "backup");
    if (!product) return product.error();
    const BackupScope scope = BackupScopeOf(context, "target");
    const auto newest = Invoke(**product, backup::kFindNewest, BackupQuery{scope}, context.call);
    if (!newest) return newest.error();
    Sample sample;
    if (!newest->found) {
      sample.verdict = SampleVerdict::kNoData;
      sample.why = "there is no successful backup of " + vmferry::InWords(scope) + " yet";
      return sample;
    }
    const milliseconds age(newest->age_ms);
    const milliseconds most = DurationOf(context.parameters, "maxAge", kDay);
    sample.facts = BackupImage(newest->backup);
    sample.facts["ageMs"] = newest->age_ms;
    sample.verdict = SampleVerdict::kPass;
    if (age < milliseconds(0)) sample.verdict = SampleVerdict::kInconclusive;
    if (age > most) sample.verdict = SampleVerdict::kFail;
    if (sample.verdict != SampleVerdict::kPass)
      sample.why = "the newest backup (" + vmferry::InWords(newest->backup) + ") is " +
                   (age < milliseconds(0)
                        ? "from the future, so that its age is not known"
                        : DurationInWords(std::chrono::ceil<std::chrono::seconds>(age)) + " old, more than " +
                              DurationInWords(most));
    return sample;
  }

  std::string InWords(const StepContext& context) const override {
    return "ask for the newest backup of " + vmferry::InWords(BackupScopeOf(context, "target")) +
           ", which may be at most " + DurationInWords(DurationOf(context.parameters, "maxAge", kDay)) + " old";
  }
};

}  // namespace

const Step& TargetBackupFailureCriterion() {
  static const TargetBackupFailure step;
  return step;
}

}  // namespace vmferry
