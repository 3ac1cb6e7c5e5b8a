// SPDX-License-Identifier: Apache-2.0
//
// Backups, as the steps that look at them share them: what a runbook says of their scope, how they go into facts and
// texts, and one look at a check under way. Threading: as StepContext.
#pragma once

#include <string>
#include <string_view>

#include "plugins/backup.h"
#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

// From the parameters `<side>Host`, `<side>Paths` and `<side>Tags`; side: "source" or "target".
BackupScope BackupScopeOf(const StepContext& context, std::string_view side);
// "shop (/srv, /etc; tag daily)"
std::string InWords(const BackupScope& scope);
// "4fa1c0de, 2026-03-01T02:00:00.000Z, 64 MiB"
std::string InWords(const BackupFacts& backup);

// Evidence: {"backup", "time", "sizeBytes", "host", "paths", "tags"}; sizeBytes null if not known.
Json BackupImage(const BackupFacts& backup);

// 12 hex digits under which a check's work is found again. Checks have no idempotency key.
std::string CheckKeyOf(const StepContext& context, std::string_view step);

// What a check or a test restore said: NotYet with `handle` while it runs, nothing once it passed (its words are then
// in `said`), kCorrupt if it failed.
Result<Pending> AwaitCheck(const StepContext& context, Plugin& product,
                           const Call<BackupCheckRequest, BackupCheck>& call, const BackupCheckRequest& request,
                           const Json& handle, std::string* said);

}  // namespace vmferry
