// SPDX-License-Identifier: Apache-2.0
//
// Persist: how states set at run time survive a reload of HAProxy, which otherwise forgets them and would send
// traffic to a fenced source again. The site declares it; there is no default.
//
//   persist: {stateFile: /var/lib/haproxy/server-state}     one file for the only instance; a list in the order of
//                                                           `instances`, or a map instance -> file, for several
//   persist: {command: [/usr/local/bin/keep-state, --lb1]}  runs once after each change, without a shell
//   persist: {none: "states are lost on reload; reloads are frozen during the wave"}
//
// Threading: any number of threads. Repeating: Keep* write the same again. A failure comes after the states were set
// on every instance; it is kInvalid, since neither repeating blindly nor looking at the servers would mend it.
// Source: HAProxy configuration manual, "load-server-state-from-file global" and "server-state-file".
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugins/call.h"
#include "plugins/haproxy/runtime_socket.h"
#include "plugins/haproxy/server_table.h"
#include "state/result.h"

namespace vmferry::haproxy {

struct Persist {
  enum class Way { kStateFile, kCommand, kNone };
  Way way = Way::kNone;
  std::map<std::string, std::string> state_files;  // instance -> file
  std::vector<std::string> command;
  std::string reason;  // kNone: why, in the site's words

  // For the plan: "state file /a/b", "command /usr/local/bin/keep-state", "not persisted: ...".
  std::string InWords() const;
};

// Every problem names the setting. REQUIRES: instances is not empty.
Result<Persist> ParsePersist(const Json& setting, const std::vector<std::string>& instances);

// What a change was, for the command: as arguments POOL SERVER STATE WEIGHT after its own, and in its environment as
// VMFERRY_POOL, VMFERRY_SERVER, VMFERRY_STATE, VMFERRY_WEIGHT ("" when left as it was).
struct Change {
  std::string pool;
  std::string server;
  std::string state;
  std::string weight;
};

// Before anything is changed: can what is declared be done (directory there, program executable)?
Status CheckPersist(const Persist& persist);
// Writes `dump`, a complete answer of `show servers state`, to `file`: atomically and durably, readable by HAProxy.
Status KeepStateFile(const std::string& file, const std::string& dump);
Status KeepByCommand(const std::vector<std::string>& command, const Change& change, const Limits& limits);

// What a reload of this instance would change: rows as they are now against the state file, or, where there is no
// file yet, against the configuration. "a reload would make web1 ready (state file /a/b), it is maint now".
std::vector<std::string> ReloadDrift(const std::string& file, const std::string& pool,
                                     const std::vector<ServerRow>& rows);

}  // namespace vmferry::haproxy
