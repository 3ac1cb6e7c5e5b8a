// SPDX-License-Identifier: Apache-2.0
//
// RunProgram: one program without a shell, bounded. Its environment is a short list (PATH, HOME, LANG, ...) plus what
// is given, so that secrets in ours are not handed on; standard input is what is given; of what it prints the last
// bytes are kept. When time is up or a stop is asked for, its process group is killed.
// Threading: any number of threads; blocks until the program ended or `limits` say so.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "state/result.h"

namespace vmferry {

struct ProgramLimits {
  std::chrono::steady_clock::time_point deadline;
  std::stop_token stop;
  std::string output_file = "";  // a new file for standard output; empty: it is kept in ProgramResult::output
};

// What goes in and how much of what comes out is kept.
struct ProgramText {
  std::string input;                // its standard input, whole
  std::size_t output_kept = 1000;   // bytes
  bool errors_apart = false;        // standard error goes to ProgramResult::errors
};

struct ProgramResult {
  int exit_code = -1;  // -1: did not exit by itself
  int signal = 0;      // that ended it
  bool timed_out = false;
  bool cut = false;    // it printed more than was kept
  std::string output;  // the last bytes of standard output (unless it has its file) and error
  std::string errors;  // with errors_apart: the last 1000 bytes of standard error
};

// The short list and `given`, as NAME=VALUE.
std::vector<std::string> ProgramEnvironment(const std::vector<std::pair<std::string, std::string>>& given);

// For those who start programs in another way: `texts` as execve wants them, which must outlive the pointers; and the
// Error (kInvalid) for a program that cannot be started, with its errno.
std::vector<char*> PointersTo(std::vector<std::string>& texts);
Error CannotStart(const std::string& program, int error);

// An Error (kInvalid) only when the program could not be started. REQUIRES: !argv.empty()
Result<ProgramResult> RunProgram(const std::vector<std::string>& argv,
                                 const std::vector<std::pair<std::string, std::string>>& environment,
                                 const ProgramLimits& limits, const ProgramText& text = {});

}  // namespace vmferry
