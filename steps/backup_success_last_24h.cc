// SPDX-License-Identifier: Apache-2.0
//
// backup_success_last_24h: before anything is touched, the application has a backup that is young enough and good.
// The backup that was found is kept in the handle while it is checked, together with the process that found it: after a
// resume it is looked for anew, since it may be too old by then.
#include <string>

#include "steps/backups.h"
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"
#include "steps/workers.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr std::string_view kName = "backup_success_last_24h";
constexpr milliseconds kDay = std::chrono::hours(24);

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kName;
  spec.purpose = "Checks that the application has a successful backup of the last 24 hours that is not damaged.";
  spec.deadline = std::chrono::hours(1);
  spec.parameters = {
      Service("backup", "backup", true, "the service that keeps the backups"),
      Required("sourceHost", ParameterType::kText, "the backup product's name of the source machine, VM or job"),
      Optional("sourcePaths", ParameterType::kTextList, "", "paths that the backup must cover; absent: any"),
      Optional("sourceTags", ParameterType::kTextList, "", "tags that the backup must carry; absent: any"),
      Optional("maxAge", ParameterType::kDuration, "24h", "how long ago the backup may have begun"),
      Choice("integrity", {"structure", "list", "checksum"}, "",
             "how it is checked: the product's own check of its repository, without reading data; that its contents "
             "can be listed; that all its data can be read and has its checksums"),
  };
  spec.reads = "the newest backup, its age, size and contents, and the repository that holds it";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "preChecks:\n  - backup_success_last_24h:\n      backup: vault\n      sourceHost: shop-db\n"
      "      sourcePaths: [/srv/shop]\n      integrity: checksum\n";
  return spec;
}

Error BackupError(const Plugin& product, const BackupScope& scope, ErrorKind kind, std::string message,
                  std::string advice) {
  return Error{kind, product.system(), "backups of " + InWords(scope), std::move(message), std::move(advice)};
}

std::string AgeInWords(milliseconds age) {
  return DurationInWords(std::chrono::ceil<std::chrono::seconds>(age));
}

// The newest backup if it is young enough.
Result<NewestBackup> FindYoung(const StepContext& context, Plugin& product) {
  const BackupScope scope = BackupScopeOf(context, "source");
  Result<NewestBackup> newest = Invoke(product, backup::kFindNewest, BackupQuery{scope}, context.call);
  if (!newest) return newest;
  if (!newest->found)
    return BackupError(product, scope, ErrorKind::kNotFound, "there is no successful backup",
                       "make one, or correct sourceHost, sourcePaths and sourceTags");
  const milliseconds age(newest->age_ms);
  const milliseconds most = DurationOf(context.parameters, "maxAge", kDay);
  if (age < milliseconds(0))
    return BackupError(product, scope, ErrorKind::kConflict,
                       "the newest backup (" + InWords(newest->backup) + ") was begun " + AgeInWords(-age) +
                           " in the future, so that its age is not known",
                       "set the clocks of both machines right");
  if (age > most)
    return BackupError(product, scope, ErrorKind::kConflict,
                       "the newest backup (" + InWords(newest->backup) + ") is " + AgeInWords(age) + " old, more than " +
                           DurationInWords(most),
                       "make a backup now, and see why the last one failed");
  return newest;
}

class BackupSuccessStep final : public Check {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Result<Plugin*> product = ServiceOf(context, "backup");
    if (!product) return product.error();
    Json handle = context.handle;
    if (TextOf(handle, "process") != context.workers->id()) {
      const Result<NewestBackup> newest = FindYoung(context, **product);
      if (!newest) return newest.error();
      handle = {{"process", context.workers->id()},
                {"id", newest->backup.id},
                {"image", BackupImage(newest->backup)},
                {"ageMs", newest->age_ms}};
    }
    const BackupCheckRequest request{CheckKeyOf(context, kName), TextOf(handle, "id"),
                                     TextOf(context.parameters, "integrity")};
    std::string said;
    Result<Pending> checked = AwaitCheck(context, **product, backup::kCheck, request, handle, &said);
    if (!checked) return checked.error();
    if (*checked) return **checked;
    Json facts = Member(handle, "image");
    facts.update({{"ageMs", Member(handle, "ageMs")}, {"integrity", request.depth}, {"said", said}});
    return Progress::Done(std::move(facts));
  }

  // Does not begin the check: it reads for long, and says nothing of the backup that will be the newest then.
  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    forecast.undo = "nothing to undo";
    const milliseconds most = DurationOf(context.parameters, "maxAge", kDay);
    forecast.will = "check that the newest backup of " + InWords(BackupScopeOf(context, "source")) + " is at most " +
                    DurationInWords(most) + " old and good (" + TextOf(context.parameters, "integrity") + ")";
    const Result<Plugin*> product = ServiceOf(context, "backup");
    const Result<NewestBackup> newest = product ? FindYoung(context, **product) : Result<NewestBackup>(product.error());
    if (!newest) forecast.problems.push_back(newest.error());
    if (newest)
      forecast.will += "; now " + InWords(newest->backup) + ", " + AgeInWords(milliseconds(newest->age_ms)) + " old";
    return forecast;
  }
};

}  // namespace

const Step& BackupSuccessLast24h() {
  static const BackupSuccessStep step;
  return step;
}

}  // namespace vmferry
