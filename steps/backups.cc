// SPDX-License-Identifier: Apache-2.0
#include "steps/backups.h"

#include <utility>

#include "state/clock.h"
#include "state/digest.h"
#include "steps/parameters.h"
#include "steps/words.h"

namespace vmferry {
namespace {

constexpr std::chrono::milliseconds kPoll{2000};

std::vector<std::string> TextsOf(const Json& parameters, const std::string& name) {
  std::vector<std::string> texts;
  for (const Json& text : Member(parameters, name)) texts.push_back(text.get<std::string>());
  return texts;
}

}  // namespace

BackupScope BackupScopeOf(const StepContext& context, std::string_view side) {
  const std::string prefix(side);
  return {TextOf(context.parameters, prefix + "Host"), TextsOf(context.parameters, prefix + "Paths"),
          TextsOf(context.parameters, prefix + "Tags")};
}

std::string InWords(const BackupScope& scope) {
  std::string more = scope.paths.empty() ? "" : ListInWords(scope.paths);
  if (!scope.tags.empty())
    more +=
        (more.empty() ? "" : "; ") + std::string(scope.tags.size() > 1 ? "tags " : "tag ") + ListInWords(scope.tags);
  return scope.host + (more.empty() ? "" : " (" + more + ")");
}

std::string InWords(const BackupFacts& backup) {
  return backup.id + ", " + FormatWallTime(backup.time_ms) +
         (backup.size_bytes < 0 ? "" : ", " + BytesInWords(static_cast<std::uint64_t>(backup.size_bytes)));
}

Json BackupImage(const BackupFacts& backup) {
  return {{"backup", backup.id},
          {"time", FormatWallTime(backup.time_ms)},
          {"sizeBytes", backup.size_bytes < 0 ? Json() : Json(backup.size_bytes)},
          {"host", backup.host},
          {"paths", backup.paths},
          {"tags", backup.tags}};
}

std::string CheckKeyOf(const StepContext& context, std::string_view step) {
  const std::string separator(1, '\0');
  return Sha256Hex(context.run + separator + context.application->name + separator + std::string(step)).substr(0, 12);
}

Result<Pending> AwaitCheck(const StepContext& context, Plugin& product,
                           const Call<BackupCheckRequest, BackupCheck>& call, const BackupCheckRequest& request,
                           const Json& handle, std::string* said) {
  const Result<BackupCheck> check = Invoke(product, call, request, context.call);
  if (!check) return check.error();
  if (check->state == "running")
    return Pending(WithHandle(
        context,
        Progress::NotYet(kPoll, product.system() + ": checking backup " + request.backup + " (" + request.depth + ")"),
        handle));
  *said = check->said;
  if (check->state == "passed") return Pending();
  if (check->state != "failed") return MalformedReply(product, call.spec, "unknown state \"" + check->state + "\"");
  return Error{ErrorKind::kCorrupt, product.system(), "backup " + request.backup,
               "does not pass its check (" + request.depth + "): " + check->said,
               "do not rely on it: see what damaged the repository, and make a new backup"};
}

}  // namespace vmferry
