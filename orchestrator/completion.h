// SPDX-License-Identifier: Apache-2.0
//
// Completion scripts for shells, made from the command line's own description, so that they cannot grow stale.
#pragma once

#include <map>
#include <string>

namespace CLI {
class App;
}

namespace vmferry {

// `values`: what a command takes besides options, with spaces between. REQUIRES: shell is "bash", "zsh" or "fish".
std::string CompletionScript(const CLI::App& app, const std::string& shell,
                             const std::map<std::string, std::string>& values);

}  // namespace vmferry
