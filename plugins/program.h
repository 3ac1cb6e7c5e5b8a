// SPDX-License-Identifier: Apache-2.0
//
// RunProgram: one program without a shell, bounded. Its environment is a short list (PATH, HOME, LANG, ...) plus what
// is given, so that secrets in ours are not handed on; standard input is empty; of what it prints the last bytes are
// kept. When time is up or a stop is asked for, its process group is killed.
// Threading: any number of threads; blocks until the program ended or `limits` say so.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "state/result.h"

namespace vmferry {

struct ProgramLimits {
  std::chrono::steady_clock::time_point deadline;
  std::stop_token stop;
};

struct ProgramResult {
  int exit_code = -1;  // -1: did not exit by itself
  int signal = 0;      // that ended it
  bool timed_out = false;
  std::string output;  // the last 1000 bytes of standard output and error
};

// An Error (kInvalid) only when the program could not be started. REQUIRES: !argv.empty()
Result<ProgramResult> RunProgram(const std::vector<std::string>& argv,
                                 const std::vector<std::pair<std::string, std::string>>& environment,
                                 const ProgramLimits& limits);

}  // namespace vmferry
