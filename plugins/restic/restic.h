// SPDX-License-Identifier: Apache-2.0
//
// The plugin `restic`: role "backup", by the program restic (0.14 and newer; the sources are named in output.h).
//
// How it keeps the role's promises:
// - The key is the tag `vmferry-KEY` on the snapshot. restic writes a snapshot last, in one object, but also when it
//   could not read everything (exit code 3). So a backup is "done" when a run of ours left a snapshot and ended with
//   code 0, which its folder records. A snapshot with the tag and no such record may be incomplete: the run counts as
//   failed, and is begun again under the same tag.
// - Long work (a backup, a check, a test restore) runs detached in `workDirectory`/KEY-... (detached.h). Backups and
//   test restores survive the end of vmferry, and the next process finds them there. Checks end with the plugin, or,
//   when vmferry was killed, before the next check begins (owned.h): whoever only reads cannot tell them to stop.
// - A test restore is refused unless its size and some more is free in `workDirectory`.
// - Reading takes no lock (--no-lock): nothing in the repository changes. A `prune` beside it can make a check fail
//   wrongly, never pass wrongly.
// - Nothing is judged from the cache (--no-cache): it would hide damage of the repository.
// - depth "structure" is `restic check`; "list" walks the tree of the backup (`restic stats`); "checksum" reads all its
//   blocks (`restic dump`, output thrown away), each of which restic holds against its SHA-256; a test restore is
//   `restic restore --verify`, which reads the restored files again.
// - Exit code 3 (some files could not be read) and a path that is missing are failures here, though restic leaves a
//   snapshot. Of a snapshot that somebody else made restic does not tell any more whether it was complete.
//
// Paths are read where vmferry runs: images of the target's storage pool, or what is mounted. For a restic inside the
// guest see plugins/backup_command.
// Threading: any number of threads; for one key one at a time. Waiting: bounded by the call's time.
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind ResticKind();

}  // namespace vmferry
