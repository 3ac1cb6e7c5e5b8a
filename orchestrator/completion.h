// SPDX-License-Identifier: Apache-2.0
//
// Completion scripts for shells, made from the command line's own description, so that they cannot grow stale.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace vmferry {

// REQUIRES: shell is "bash", "zsh" or "fish".
std::string CompletionScript(const CLI::App& app, const std::string& shell);

}  // namespace vmferry
