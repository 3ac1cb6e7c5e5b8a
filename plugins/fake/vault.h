// SPDX-License-Identifier: Apache-2.0
//
// FakeVault: the backup product of the fake world, as plain values (world_data.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/backup.h"

namespace vmferry {

// A backup, made before the story or by a run (then it carries the key as a tag).
struct FakeBackup {
  BackupFacts facts;
  std::int64_t age_ms = 0;
  bool damaged = false;  // its data; its list and the repository's structure are good
};
// Something long that was begun: "backup", "structure", "list", "checksum" or "restore".
struct FakeBackupWork {
  std::string key, what, backup;
  BackupScope scope;
  int left = 0;       // looks until it has ended
  std::string fails;  // with these words
};
// The backup product.
struct FakeVault {
  bool reachable = true;
  bool structure_good = true;
  int polls = 0;            // looks that long work takes
  std::string run_fails;    // a backup begun now fails with these words
  bool run_transient = false;  // ... which pass by themselves
  bool run_damages = false;  // ... or is damaged
  std::vector<FakeBackup> backups;
  std::vector<FakeBackupWork> works;
};

}  // namespace vmferry
