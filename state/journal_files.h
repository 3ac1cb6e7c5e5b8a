// SPDX-License-Identifier: Apache-2.0
//
// JournalFiles: where a journal may lie and with what permissions. Threading: any thread. Failures
// name the path and what to do.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "state/result.h"

namespace vmferry {

// Creates the missing directories above `path`, each 0700; those that are there keep their mode.
Status CreateDirectoriesFor(const std::string& path);
// Creates `path` empty with mode 0600 and makes its name durable. A regular file that is there stays as it is.
// REQUIRES: nobody of this process has `path` open (closing it again would drop SQLite's POSIX locks).
Status CreateFile0600(const std::string& path);
// Refuses file systems of the network: SQLite's WAL needs shared memory and locks that work, on one machine.
Status CheckLocal(const std::string& path);
// The Error of a system call that failed with `number` while `doing` something to `path`.
Error FileError(const std::string& path, int number, const std::string& doing, const std::string& advice);

std::string DirectoryOf(const std::string& path);
// The type of the file system with device number `device`, from the text of /proc/self/mountinfo (proc(5)); empty if
// it is not listed.
std::string FileSystemType(std::string_view mountinfo, dev_t device);
bool IsNetworkFileSystem(std::string_view type);

}  // namespace vmferry
