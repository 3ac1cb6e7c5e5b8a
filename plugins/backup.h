// SPDX-License-Identifier: Apache-2.0
//
// Role "backup": the product that keeps an application's backups (restic, or by `backup_command` any other).
//
// Reads and writes. Looking a backup up, and checking it without unpacking it, changes nothing: read, so that
// pre-checks may do it. A test restore fills a disk and a backup fills a repository: write, refused in a dry run.
// Long work: no call waits for it. Begin or ask starts it, asking again polls it; `key` (12 hex digits of the caller's)
// finds it again, also by another process after a crash. Times are UTC; the plugin's machine tells the age, since
// steps have no clock. What a product says reaches the reply in its own words, one line, printable.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/call.h"
#include "plugins/source_platform.h"

namespace vmferry {

// What identifies the backups of one machine of an application: all that is given must match.
struct BackupScope {
  std::string host;                // the product's name of the machine, VM or job
  std::vector<std::string> paths;  // a backup must cover all of them; may be empty if the product knows by itself
  std::vector<std::string> tags;   // a backup must carry all of them
};
struct BackupFacts {
  std::string id;
  std::int64_t time_ms = 0;      // when it was begun, milliseconds since 1970 UTC
  std::int64_t size_bytes = -1;  // of the data when restored; -1: the product does not say
  std::string host;
  std::vector<std::string> paths;
  std::vector<std::string> tags;
};

struct BackupQuery {
  BackupScope scope;
};
// The newest backup that succeeded. None is a reply, not an Error.
struct NewestBackup {
  bool found = false;
  BackupFacts backup;
  std::int64_t age_ms = 0;  // negative: its time lies ahead of the clock here
};

struct BackupCheckRequest {
  std::string key;
  std::string backup;  // BackupFacts::id
  // kCheck: "structure" (the product's own check of its repository), "list" (the backup's contents can be listed),
  // "checksum" (all its data can be read and has the checksums it was stored with). kTestRestore: unused.
  std::string depth;
};
// A backup that fails the check is a reply, not an Error.
struct BackupCheck {
  std::string state;  // "running", "passed", "failed"
  std::string said;   // when passed or failed
};

struct BackupRunRequest {
  std::string key;
  BackupScope scope;  // what is backed up, and under what name and tags
};
struct BackupRun {
  std::string state;                             // "not started", "running", "done", "failed"
  BackupFacts backup;                            // when done; when failed, what is there all the same, or nothing
  std::string said;                              // when failed
  std::int64_t done_bytes = 0, total_bytes = 0;  // while running; 0: not known
  // When failed: by a cause beside the backup that passes by itself (a locked repository, a lost connection), so that
  // the same may simply be begun again.
  bool transient = false;
};
struct BackupKey {
  std::string key;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BackupScope, host, paths, tags)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BackupFacts, id, time_ms, size_bytes, host, paths, tags)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BackupQuery, scope)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NewestBackup, found, backup, age_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BackupCheckRequest, key, backup, depth)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BackupCheck, state, said)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BackupRunRequest, key, scope)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BackupRun, state, backup, said, done_bytes, total_bytes, transient)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BackupKey, key)

namespace backup {
inline constexpr Call<BackupQuery, NewestBackup> kFindNewest{{"backup", "FindNewest", Access::kRead}};
// Starts the check or tells how it stands; a verdict is told once, asking after it checks anew. kUnavailable if it was
// killed before it ended.
inline constexpr Call<BackupCheckRequest, BackupCheck> kCheck{{"backup", "Check", Access::kRead}};
// As kCheck, by restoring all of it into a temporary folder, which is gone before the verdict is told.
inline constexpr Call<BackupCheckRequest, BackupCheck> kTestRestore{{"backup", "TestRestore", Access::kWrite}};
inline constexpr Call<BackupRunRequest, BackupRun> kReadRun{{"backup", "ReadRun", Access::kRead}};
// Ensures a backup that carries the key: one that runs or is done is left alone, one that failed is begun again.
inline constexpr Call<BackupRunRequest, BackupRun> kBeginRun{{"backup", "BeginRun", Access::kWrite}};
// Ensures that nothing begun under the key still works, and that no temporary folder of it is left. Finished backups
// stay. kUnavailable if it needs longer than the call has: ask again.
inline constexpr Call<BackupKey, Done> kEnsureStopped{{"backup", "EnsureStopped", Access::kWrite}};
}  // namespace backup

}  // namespace vmferry
