// SPDX-License-Identifier: Apache-2.0
//
// The command line: options in, exit code out. Everything it does is in commands.h.
#pragma once

namespace vmferry {

int RunCommandLine(int argc, const char* const* argv);

}  // namespace vmferry
