// SPDX-License-Identifier: Apache-2.0
//
// Detached: a program that may run for hours, outlives this process and is found again by the folder it belongs to.
//
// A forked supervisor, in a session of its own, runs the program and writes its exit code. It holds a record lock on
// FOLDER/lock, so that "does it run, and as which process" is asked of the kernel (F_GETLK) and never guessed from a
// process id in a file. Its output goes to FOLDER/output and FOLDER/errors. The folder must be on a local file system.
// Threading: any thread; for one folder one at a time. Nothing here waits but Start, for the program to be executed,
// and Stop, until `deadline`.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "state/result.h"

namespace vmferry {

struct DetachedView {
  enum class State {
    kNone,  // nothing was started in the folder
    kRunning,
    kEnded,  // by itself, with exit_code
    kLost,   // it was killed, or the machine went down
  };
  State state = State::kNone;
  int exit_code = 0;
  std::string output, errors;  // the last 64 KiB of each
};

DetachedView LookAtDetached(const std::filesystem::path& folder);

// Starts `argv` in `folder`, which is made; what an earlier program left there is overwritten. With `keep_output` false
// its standard output goes nowhere. Errors: kConflict if one runs in the folder, kInvalid if it cannot be started; then
// nothing runs. REQUIRES: argv[0] is an absolute path
Status StartDetached(const std::filesystem::path& folder, const std::vector<std::string>& argv,
                     const std::vector<std::string>& environment, bool keep_output);

// Interrupts what runs in the folder, kills it if that does not help, and removes the folder. False if `deadline` came
// first: ask again.
bool StopDetached(const std::filesystem::path& folder, std::chrono::steady_clock::time_point deadline);

// Removes a folder of any size; false if `deadline` came first or something cannot be removed.
bool RemoveFolder(const std::filesystem::path& folder, std::chrono::steady_clock::time_point deadline);

}  // namespace vmferry
