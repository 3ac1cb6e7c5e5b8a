// SPDX-License-Identifier: Apache-2.0
//
// The plugin `ssh`: role "command", by a program of another host that the system's OpenSSH client (8.4 or newer) runs.
// Sources: ssh(1), ssh_config(5), sshd(8).
//
// Nobody is asked anything (BatchMode), the host's key must be in the declared file (StrictHostKeyChecking), the only
// key offered is the declared one; no configuration file is read, no agent is used, nothing is forwarded. What the site
// and a step give as words reach the program as these words: each is quoted for the remote user's shell, which must be
// a POSIX shell. Nothing of it is interpreted by a shell of this machine.
//
// Exit code 255 is what ssh says when the connection failed; a program that ends with 255 itself cannot be told from
// it. A check changes nothing, so it is kUnavailable then (kDenied for a refused key). For a run ssh's own log tells
// whether the user was authenticated: before that the program cannot have been begun, and the run is "refused"; behind
// it the connection broke, or the program ended with 255, and the run is "lost": the program may go on without us.
//
// A run's ssh client is detached (plugins/detached.h), so that it survives the end of vmferry and the next process finds
// it. Ending a run ends the client; what the program does then is its own matter (its output is closed).
// Threading: any number of threads. Repeating: a check as the program; a run is begun once for each key. Waiting: a
// check until the program ends, `timeout` or the call's time is up; a run not at all.
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind SshKind();

}  // namespace vmferry
