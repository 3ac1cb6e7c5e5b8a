// SPDX-License-Identifier: Apache-2.0
//
// How the OpenSSH client is called, and what its end means. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/registry.h"

namespace vmferry::ssh {

struct Host {
  std::string program = "/usr/bin/ssh";
  std::string host;
  int port = 22;
  std::string user;
  std::string identity_file;
  std::string known_hosts_file;
};

// From a site's settings. kInvalid for what ssh would take for something else: a host or user that begins with "-", a
// path with characters that ssh expands or splits at.
Result<Host> ReadHost(const PluginSetup& setup);

// The words as one line for a POSIX shell, which makes the same words of it: 'a' 'it'\''s'.
std::string QuotedForShell(const std::vector<std::string>& words);

// The client's words. `log`: the file for what ssh itself says; empty: standard error, errors only.
std::vector<std::string> Argv(const Host& host, const std::vector<std::string>& command, const std::string& log);

// Whether ssh's log (LogLevel VERBOSE) says that the user was authenticated, so that the program may have been begun.
bool WasAuthenticated(std::string_view log);
// Whether ssh's words say that a key was refused: the user's by the host, or the host's by us.
bool WasDenied(std::string_view words);

}  // namespace vmferry::ssh
