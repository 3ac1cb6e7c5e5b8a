// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>

#include "orchestrator/cli.h"
#include "orchestrator/exit_code.h"
#include "orchestrator/memory.h"

namespace vmferry {
namespace {

int Report(const std::exception& problem) {
  std::fprintf(stderr, "vmferry: internal error: %s; `vmferry resume` goes on from the journal\n", problem.what());
  return static_cast<int>(ExitCode::kInternal);
}

// Evidence that is cut short must not look whole. A terminal may go while a run goes on: that is no failure.
int CheckOutput(int code, bool terminal) {
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (written || terminal) return code;
  std::fprintf(stderr, "vmferry: not all could be written to the standard output%s%s\n", errno == 0 ? "" : ": ",
               errno == 0 ? "" : std::strerror(errno));
  return code == 0 ? static_cast<int>(ExitCode::kInternal) : code;
}

}  // namespace
}  // namespace vmferry

int main(int argc, char** argv) {
  vmferry::ReturnFreeMemory();
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  try {
    return vmferry::CheckOutput(vmferry::RunCommandLine(argc, argv), terminal);
  } catch (const std::exception& problem) {
    return vmferry::Report(problem);
  }
}
