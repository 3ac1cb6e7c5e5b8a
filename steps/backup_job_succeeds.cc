// SPDX-License-Identifier: Apache-2.0
//
// backup_job_succeeds: the target can be backed up, and the backup can be restored. An effect, though it stands under
// postChecks: it makes the backup product do something, so that it has an intent, and after a crash the backup is found
// by the key that it carries. Undo ends what still works and leaves a finished backup: it is evidence, and data.
//
// A backup that failed is begun again only by another process (a resume), never by the attempt that saw it fail; the
// handle says which process began it. One that failed by a cause that passes (a locked repository) is begun again by
// the same attempt, under the same key, until the deadline: it says nothing of the target.
#include <algorithm>
#include <string>

#include "steps/backups.h"
#include "steps/catalogue.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/undo_proof.h"
#include "steps/words.h"
#include "steps/workers.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPoll{2000};

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "backup_job_succeeds";
  spec.purpose = "Backs the target up now, and proves that the backup can be restored.";
  spec.effect = true;
  spec.recovery = Recovery::kObservable;
  spec.undo_continues = true;
  spec.deadline = std::chrono::hours(4);
  spec.parameters = {
      Service("backup", "backup", true, "the service that makes the backup"),
      Required("targetHost", ParameterType::kText, "the backup product's name of the target machine, VM or job"),
      Optional("targetPaths", ParameterType::kTextList, "",
               "what is backed up, if the product must be told (restic must)"),
      Optional("targetTags", ParameterType::kTextList, "", "tags that the backup gets besides vmferry's own"),
      Choice("verify", {"list", "checksum", "restore"}, "",
             "how the backup is proved: its contents can be listed; all its data can be read and has its checksums; "
             "all of it is restored into a temporary folder, which is removed"),
  };
  spec.reads = "the state of the backup, and the backup itself";
  spec.changes = "a backup of the target more, in the backup product; for a test restore a temporary folder";
  spec.undo = "ends what still works and removes its temporary folder; a finished backup is evidence and stays";
  spec.loses = kLosesNothing;
  spec.example =
      "postChecks:\n  - backup_job_succeeds:\n      backup: vault\n      targetHost: shop-db\n"
      "      targetPaths: [/var/lib/libvirt/images/shop-db]\n      verify: restore\n";
  return spec;
}

std::string ShortKey(const StepContext& context) {
  return KeyOf(context).substr(0, 12);
}

BackupRunRequest RequestOf(const StepContext& context) {
  return {ShortKey(context), BackupScopeOf(context, "target")};
}

Result<BackupRun> ReadRun(const StepContext& context, Plugin& product) {
  return Invoke(product, backup::kReadRun, RequestOf(context), context.call);
}

// `after`: the words of the failure behind which it was begun again; empty: none.
Progress Running(const StepContext& context, const Plugin& product, const BackupRun& run, const std::string& after) {
  Progress progress = Progress::NotYet(kPoll, product.system() + ": backing up " + RequestOf(context).scope.host);
  if (!after.empty()) progress.meter.text += ", begun again after: " + after;
  progress.meter.unit = "bytes";
  progress.meter.done = static_cast<std::uint64_t>(std::max<std::int64_t>(0, run.done_bytes));
  progress.meter.total = static_cast<std::uint64_t>(std::max<std::int64_t>(0, run.total_bytes));
  return progress;
}

Error RunFailed(const StepContext& context, const Plugin& product, const BackupRun& run) {
  return Error{ErrorKind::kConflict, product.system(), "backup of " + InWords(RequestOf(context).scope),
               "failed: " + run.said, "mend the cause before the next try"};
}

// Asked again later: only the deadline ends what passes by itself.
Progress Later(const Error& error) {
  return Progress::NotYet(kPoll, "not backed up yet, asked again: " + Describe(error));
}

// Begins it. `again`: the words of a failure that passes, for the meter and the evidence; empty: none.
Result<Pending> Begin(const StepContext& context, Plugin& product, const std::string& again) {
  const Result<BackupRun> begun = Invoke(product, backup::kBeginRun, RequestOf(context), context.call);
  if (!begun && !again.empty() && SafeToRetry(begun.error())) return Pending(Later(begun.error()));
  if (!begun) return begun.error();
  if (begun->state == "failed" && !begun->transient) return RunFailed(context, product, *begun);
  Json handle = {{"process", context.workers->id()}};
  const std::string first = TextOf(context.handle, "begunAgainAfter");
  // The first words alone: those of a lock tell its age, and would be journaled at each look.
  if (!first.empty() || !again.empty()) handle["begunAgainAfter"] = first.empty() ? again : first;
  return Pending(WithHandle(context, Running(context, product, *begun, again.empty() ? first : again), handle));
}

// The finished backup, or what is under way.
Result<Pending> AwaitRun(const StepContext& context, Plugin& product, BackupFacts* made) {
  const bool began = TextOf(context.handle, "process") == context.workers->id();
  const Result<BackupRun> run = ReadRun(context, product);
  if (!run && began && SafeToRetry(run.error())) return Pending(Later(run.error()));
  if (!run) return run.error();
  if (run->state == "done") {
    *made = run->backup;
    return Pending();
  }
  if (run->state == "running") return Pending(Running(context, product, *run, TextOf(context.handle, "begunAgainAfter")));
  if (run->state == "failed" && run->transient) return Begin(context, product, run->said);
  if (began && run->state == "failed") return RunFailed(context, product, *run);
  if (began && run->state == "not started")
    return RunFailed(context, product, {"failed", {}, "the product knows nothing of it any more", 0, 0});
  if (run->state != "failed" && run->state != "not started")
    return MalformedReply(product, backup::kReadRun.spec, "unknown state \"" + run->state + "\"");
  return Begin(context, product, run->state == "failed" && !began ? run->said : "");
}

// The verification of `handle`'s backup and its end; its words are journaled first, so that a crash repeats nothing.
Result<Pending> AwaitVerified(const StepContext& context, Plugin& product, Json& handle) {
  const std::string depth = TextOf(context.parameters, "verify");
  if (Member(handle, "passed").is_null()) {
    const BackupCheckRequest request{ShortKey(context), TextOf(Member(handle, "image"), "backup"), depth};
    std::string said;
    Result<Pending> checked =
        AwaitCheck(context, product, depth == "restore" ? backup::kTestRestore : backup::kCheck, request, handle, &said);
    if (!checked && SafeToRetry(checked.error()))
      return Pending(WithHandle(context, Later(checked.error()), handle));
    if (!checked || *checked) return checked;
    handle["passed"] = said;
    return Pending(WithHandle(context, Progress::NotYet(milliseconds(0), "verified (" + depth + ")"), handle));
  }
  const auto tidied = Invoke(product, backup::kEnsureStopped, BackupKey{ShortKey(context)}, context.call);
  if (tidied) return Pending();
  if (SafeToRetry(tidied.error())) return Pending(Later(tidied.error()));
  return tidied.error();
}

class BackupJobStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const Result<Plugin*> product = ServiceOf(context, "backup");
    if (!product) return product.error();
    const Result<BackupRun> run = ReadRun(context, **product);
    if (!run) return run.error();
    Observation observation;
    observation.before = {{"key", context.key}};
    observation.evidence = {{"state", run->state}};
    if (run->state == "running") observation.verdict = Verdict::kRunning;
    if (run->state == "failed") observation.verdict = Verdict::kPartial;
    if (run->state == "failed") observation.evidence["said"] = run->said;
    if (run->backup.id.empty()) return observation;
    // A backup alone is not the goal: it must have been verified. Then it counts though the product, which keeps no
    // record once it has tidied up, cannot tell any more that it is whole.
    if (run->state == "done") observation.evidence = BackupImage(run->backup);
    const bool verified = TextOf(context.facts, "backup") == run->backup.id &&
                          TextOf(context.facts, "verified") == TextOf(context.parameters, "verify");
    observation.verdict = verified ? Verdict::kDone : Verdict::kPartial;
    if (verified) observation.evidence = context.facts;
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Result<Plugin*> product = ServiceOf(context, "backup");
    if (!product) return product.error();
    Json handle = context.handle;
    if (Member(handle, "image").is_null()) {
      BackupFacts made;
      Result<Pending> run = AwaitRun(context, **product, &made);
      if (!run) return run.error();
      if (*run) return **run;
      Json image = BackupImage(made);
      if (const std::string after = TextOf(handle, "begunAgainAfter"); !after.empty()) image["begunAgainAfter"] = after;
      handle = {{"image", std::move(image)}};
    }
    const Result<Pending> verified = AwaitVerified(context, **product, handle);
    if (!verified) return verified.error();
    if (*verified) return **verified;
    Json facts = Member(handle, "image");
    facts.update({{"verified", TextOf(context.parameters, "verify")}, {"said", Member(handle, "passed")}});
    return Progress::Done(std::move(facts));
  }

  Result<Progress> Undo(const StepContext& context) const override {
    const Result<Plugin*> product = ServiceOf(context, "backup");
    if (!product) return product.error();
    const auto stopped = Invoke(**product, backup::kEnsureStopped, BackupKey{ShortKey(context)}, context.call);
    if (!stopped) return stopped.error();
    return Progress::Done({{"left", "backups that carry vmferry-" + ShortKey(context) + ", as evidence"}});
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    const BackupScope scope = BackupScopeOf(context, "target");
    forecast.will =
        "back up " + InWords(scope) + " now and verify the backup (" + TextOf(context.parameters, "verify") + ")";
    forecast.undo = "end it if it still runs; a finished backup is evidence and stays";
    const Result<Plugin*> product = ServiceOf(context, "backup");
    if (!product) {
      forecast.problems.push_back(product.error());
      return forecast;
    }
    // The state of no run: says whether the product can be reached and knows what to do with the scope.
    const auto run =
        Invoke(**product, backup::kReadRun, BackupRunRequest{CheckKeyOf(context, "forecast"), scope}, context.call);
    if (!run) forecast.problems.push_back(run.error());
    return forecast;
  }

  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    const Result<Plugin*> product = ServiceOf(context, "backup");
    if (!product) return product.error();
    const BackupRunRequest request{CheckKeyOf(context, "undo"), BackupScopeOf(context, "target")};
    if (const auto run = Invoke(**product, backup::kReadRun, request, context.call); !run) return run.error();
    return UndoProof{(*product)->system() + " can be asked for a backup under way", {}, {}, ""};
  }
};

}  // namespace

const Step& BackupJobSucceeds() {
  static const BackupJobStep step;
  return step;
}

}  // namespace vmferry
