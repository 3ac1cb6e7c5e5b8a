// SPDX-License-Identifier: Apache-2.0
//
// What restic prints, as far as the plugin needs it. Pure functions; any thread. What a text does not hold is absent,
// and members nobody knows yet are ignored.
//
// Sources: restic's manual, "Scripting" (JSON output, exit codes); the output of 0.14 (Debian 12) and 0.18 (Debian 13),
// and the source of 0.16 (Ubuntu 24.04). Before 0.17 every failure had exit code 1, and a snapshot did not hold its
// size, so that words are looked at besides codes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/backup.h"

namespace vmferry {

inline constexpr std::size_t kMostSnapshots = 10000;

// The array that `restic snapshots --json` prints, newest first; nothing if it has another shape.
std::optional<std::vector<BackupFacts>> ParseSnapshots(const std::string& text);

// All of `wanted` are at or below one of `covered`. REQUIRES: absolute paths
bool Covers(const std::vector<std::string>& covered, const std::vector<std::string>& wanted);

struct ResticStats {
  std::int64_t files = 0, bytes = 0;
};
// The object that `restic stats --json` prints.
std::optional<ResticStats> ParseStats(const std::string& text);

// The last status line of `restic backup --json`: {done, total} in bytes; {0, 0} if there is none yet.
std::pair<std::int64_t, std::int64_t> ParseProgress(const std::string& output);

// What restic said went wrong, on one line: the messages of its JSON errors, else its last lines.
std::string WordsOf(const std::string& errors);

// The id of the snapshot that `restic backup --json` says it made, short in old releases; empty if it says none.
std::string ParseMadeSnapshot(const std::string& output);

// Whether a backup that left a snapshot could not read some of the data.
bool ReadIncompletely(const std::string& errors);

// The kind of a failure that is not the backup's own: no repository, no access, no connection, no room on a disk.
// Nothing if the words are of something else, such as damage found. kUnavailable passes by itself.
std::optional<ErrorKind> OutsideFailure(int exit_code, const std::string& errors);
std::string AdviceFor(ErrorKind kind);

}  // namespace vmferry
