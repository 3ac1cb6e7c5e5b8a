// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <exception>

#include "orchestrator/cli.h"
#include "orchestrator/exit_code.h"
#include "orchestrator/memory.h"

int main(int argc, char** argv) {
  vmferry::ReturnFreeMemory();
  try {
    return vmferry::RunCommandLine(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "vmferry: internal error: %s; `vmferry resume` goes on from the journal\n", e.what());
    return static_cast<int>(vmferry::ExitCode::kInternal);
  }
}
